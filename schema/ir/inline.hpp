// Composite operators (STABLEHLO_COMPOSITE) spelled out: the operators of the graph that each refers to take
// its place.
#pragma once

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Ids in nodes must be valid. Notes in the model say what was spelled out. An error names the operator: a
// graph that does not exist or contains itself, inputs and outputs that do not fit, more operators than a
// file can mean honestly.
Status inline_composites(ModelData& m);

}  // namespace octet
