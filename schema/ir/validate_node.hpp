// The part of validate() that is about one operator: its attributes and the graphs it calls.
#pragma once

#include <vector>

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

Status validate_node(const ModelData& model, const Node& node);

// The graphs that IF, WHILE and CALL_ONCE run; empty for other operators. Indices are not checked.
std::vector<int32_t> called_graphs(const Node& node);

}  // namespace octet
