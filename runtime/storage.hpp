// Which values share storage, and the arena that results.
#pragma once

#include <vector>

#include "runtime/plan.hpp"

namespace octet {

// Fill in plan.places, arena sizes, workspace offsets and Step::elided. `workspace` is bytes per step;
// `deferred` says per value that its shape is known only at run time.
Status place_values(ExecutionPlan& plan, const std::vector<size_t>& workspace,
                    const std::vector<char>& deferred);

}  // namespace octet
