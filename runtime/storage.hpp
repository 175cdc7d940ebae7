// Which values share storage, and the arena that results.
#pragma once

#include <vector>

#include "runtime/plan.hpp"

namespace octet {

// Fill in the plan's places, arena sizes, workspace offsets, Step::elided, and what callers may bind.
// `deferred` says per value that its shape is known only at run time.
Status place_values(ExecutionPlan& plan, const std::vector<char>& deferred);

}  // namespace octet
