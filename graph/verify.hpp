// Independent check of a quantized graph: every node against OpSpec.quant, knowing nothing of how the graph
// was made. Errors name the operator and the tensor.
#pragma once

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

Status verify_quantized(const Graph& g);
// One operator alone.
Status verify_node(const Graph& g, const Node& n);

}  // namespace octet
