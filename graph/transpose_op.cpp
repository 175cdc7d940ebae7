#include "graph/transpose_op.hpp"

#include "graph/affine_op.hpp"

namespace octet {

std::optional<std::vector<int32_t>> permutation_of(const Graph& g, const Node& n) {
  if (n.kind != OpKind::TRANSPOSE || n.inputs.size() != 2) return std::nullopt;
  const auto v = ints_of(g.value(n.inputs[1]));
  const Value& x = g.value(n.inputs[0]);
  if (!v || !x.has_rank || static_cast<int>(v->size()) != x.shape.rank()) return std::nullopt;
  const auto rank = static_cast<int64_t>(v->size());
  std::vector<int32_t> p;
  std::vector<char> seen(v->size(), 0);
  for (int64_t axis : *v) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || seen[static_cast<size_t>(axis)] != 0) return std::nullopt;
    seen[static_cast<size_t>(axis)] = 1;
    p.push_back(static_cast<int32_t>(axis));
  }
  return p;
}

void set_permutation(GraphEditor& ed, NodeId n, const std::vector<int32_t>& p) {
  const std::string name = node_name(ed.graph(), n) + "/perm";
  ed.set_input(n, 1,
               ed.add_constant(name, DType::int32, Shape{static_cast<int32_t>(p.size())}, Constant::of(p)));
}

}  // namespace octet
