#include "quant/entry.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace octet {

Result<int32_t> entry_of(const ModelData& m, const std::string& signature) {
  if (signature.empty()) return 0;
  std::string all;
  for (const Signature& s : m.signatures) {
    if (s.key == signature) return s.graph;
    all += (all.empty() ? "" : ", ") + s.key;
  }
  return Status::invalid(
      fmt::format("has no signature '{}'; it has {}", signature, all.empty() ? "none" : all));
}

void exchange_main(ModelData& m, int32_t entry) {
  if (entry <= 0 || static_cast<size_t>(entry) >= m.graphs.size()) return;
  std::swap(m.graphs.front(), m.graphs[static_cast<size_t>(entry)]);
  const auto exchange = [entry](int32_t& graph) {
    if (graph == 0)
      graph = entry;
    else if (graph == entry)
      graph = 0;
  };
  for (Signature& s : m.signatures)
    exchange(s.graph);
  for (Graph& g : m.graphs)
    for (Node& n : g.nodes) {
      if (auto* branch = std::get_if<IfAttrs>(&n.attrs)) {
        exchange(branch->then_graph);
        exchange(branch->else_graph);
      } else if (auto* loop = std::get_if<WhileAttrs>(&n.attrs)) {
        exchange(loop->cond_graph);
        exchange(loop->body_graph);
      } else if (auto* once = std::get_if<CallOnceAttrs>(&n.attrs)) {
        exchange(once->init_graph);
      }
    }
}

}  // namespace octet
