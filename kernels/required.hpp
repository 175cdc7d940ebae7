// What holds of a graph before anything looks at its operators.
#pragma once

#include "schema/core/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Every operator has the inputs and outputs that its kind cannot do without: rewrites and the quantizer read
// them without asking. Error: names the operator and the first one missing.
Status check_required(const Graph& g);

}  // namespace octet
