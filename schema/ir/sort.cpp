#include "schema/ir/sort.hpp"

#include <fmt/format.h>
#include <functional>
#include <queue>

namespace octet {

Result<bool> sort_nodes(Graph& g) {
  // Kahn's algorithm; among the nodes that are ready the one that came first in the file goes first.
  Uses uses = uses_of(g);
  // A node that claims to make one of these is an error, but not one of order.
  for (const ValueId v : g.inputs)
    uses.producer[static_cast<size_t>(v)] = -1;
  for (size_t i = 0; i < g.values.size(); ++i)
    if (g.values[i].is_constant() || g.values[i].is_variable) uses.producer[i] = -1;
  std::vector<int64_t> waits(g.nodes.size(), 0);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (const ValueId v : g.nodes[i].inputs)
      if (v != kNoValue && uses.producer[static_cast<size_t>(v)] >= 0) ++waits[i];

  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < waits.size(); ++i)
    if (waits[i] == 0) ready.push(i);
  std::vector<size_t> order;
  order.reserve(g.nodes.size());
  while (!ready.empty()) {
    const size_t i = ready.top();
    ready.pop();
    order.push_back(i);
    for (const ValueId v : g.nodes[i].outputs) {
      if (v == kNoValue || uses.producer[static_cast<size_t>(v)] != static_cast<NodeId>(i)) continue;
      for (const NodeId reader : uses.consumers[static_cast<size_t>(v)])
        if (--waits[static_cast<size_t>(reader)] == 0) ready.push(static_cast<size_t>(reader));
    }
  }
  if (order.size() != g.nodes.size()) {
    size_t i = 0;
    while (waits[i] <= 0)
      ++i;
    return Status::corrupt(fmt::format("operator '{}' is part of a cycle or waits for one",
                                       node_name(g, static_cast<NodeId>(i))));
  }
  bool moved = false;
  for (size_t i = 0; i < order.size(); ++i)
    moved = moved || order[i] != i;
  if (!moved) return false;
  std::vector<Node> nodes;
  nodes.reserve(order.size());
  for (const size_t i : order)
    nodes.push_back(std::move(g.nodes[i]));
  g.nodes = std::move(nodes);
  return true;
}

}  // namespace octet
