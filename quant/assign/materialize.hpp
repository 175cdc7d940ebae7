// Apply an assignment: the int8 graph with its integer constants, and the conversions at its borders.
#pragma once

#include "quant/assign/assign.hpp"

namespace octet {

struct Materialized {
  Graph graph;
  std::vector<NodeId> source;  // per node of `graph`: the node it came from; -1 for conversions at borders
};

Result<Materialized> materialize(const Graph& g, const GraphAssignment& assignment, Io io);

}  // namespace octet
