// Putting the nodes of a graph into an order in which every value is made before it is read.
#pragma once

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Stable: nodes move only as far as they must, and a graph that is in order stays as it is (then false). Ids
// in nodes must be valid. An error names a node of a cycle.
Result<bool> sort_nodes(Graph& g);

}  // namespace octet
