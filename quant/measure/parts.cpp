#include "quant/measure/parts.hpp"

#include <algorithm>
#include <optional>

#include "graph/transpose_op.hpp"
#include "kernels/op_spec.hpp"

namespace octet {
namespace {

constexpr int64_t kLeastElements = 16, kMostChannels = 1024;

// The axis of the input that axis `axis` of the output of `n` is; nothing where `n` mixes or moves more than
// axes.
std::optional<int> axis_before(const Graph& g, const Node& n, int axis) {
  const Value &x = g.value(n.inputs[0]), &y = g.value(n.outputs[0]);
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || !x.has_rank || !y.has_rank) return std::nullopt;
  if (spec->traits.has(Trait::elementwise) && x.shape == y.shape) return axis;
  if (const auto p = permutation_of(g, n); p && axis < static_cast<int>(p->size()))
    return (*p)[static_cast<size_t>(axis)];
  if (spec->sharing != Sharing::view) return std::nullopt;
  // The axis stays one where as many elements lie behind it.
  const int64_t extent = y.shape[axis], inner = y.shape.elements(axis + 1, y.shape.rank());
  for (int a = 0; a < x.shape.rank(); ++a)
    if (x.shape[a] == extent && x.shape.elements(a + 1, x.shape.rank()) == inner) return a;
  return std::nullopt;
}

std::optional<OutputParts> pieces_along(const Graph& g, const Uses& uses, ValueId output, int axis) {
  OutputParts parts;
  parts.axis = axis;
  for (ValueId v = output;;) {
    const NodeId id = uses.producer[static_cast<size_t>(v)];
    if (id < 0) return std::nullopt;
    const Node& n = g.nodes[static_cast<size_t>(id)];
    if (n.outputs.size() != 1 || n.inputs.empty() || n.inputs[0] == kNoValue) return std::nullopt;
    const int rank = g.value(v).shape.rank();
    const auto* concat = std::get_if<ConcatAttrs>(&n.attrs);
    const auto* pack = std::get_if<PackAttrs>(&n.attrs);
    if (concat != nullptr || (pack != nullptr && n.kind == OpKind::PACK)) {
      const int joined = concat != nullptr ? concat->axis : pack->axis;
      if ((joined < 0 ? joined + rank : joined) != axis || n.inputs.size() < 2) return std::nullopt;
      int64_t end = 0;
      for (ValueId in : n.inputs) {
        const Value& piece = g.value(in);
        end += concat == nullptr ? 1 : axis < piece.shape.rank() ? piece.shape[axis] : 0;
        parts.names.push_back(piece.name);
        parts.ends.push_back(end);
      }
      return parts;
    }
    const auto before = axis_before(g, n, axis);
    if (!before) return std::nullopt;
    axis = *before;
    v = n.inputs[0];
  }
}

}  // namespace

std::vector<OutputParts> parts_of_outputs(const Graph& g) {
  const Uses uses = uses_of(g);
  std::vector<OutputParts> all;
  for (ValueId v : g.outputs) {
    const int rank = g.value(v).has_rank ? g.value(v).shape.rank() : 0;
    OutputParts parts;
    parts.axis = rank - 1;
    for (int axis = 0; axis < rank && !parts.joined(); ++axis)
      if (auto pieces = pieces_along(g, uses, v, axis)) parts = *std::move(pieces);
    all.push_back(std::move(parts));
  }
  return all;
}

std::vector<int> parts_of_elements(const OutputParts& parts, const Shape& shape) {
  if (parts.axis < 0 || parts.axis >= shape.rank()) return {};
  const int64_t extent = shape[parts.axis], inner = shape.elements(parts.axis + 1, shape.rank()),
                all = shape.elements();
  if (extent < 2 || all == 0) return {};
  if (parts.joined() ? parts.ends.back() != extent : extent > kMostChannels || all / extent < kLeastElements)
    return {};
  std::vector<int> part(static_cast<size_t>(all));
  for (int64_t i = 0; i < all; ++i) {
    const int64_t at = i / inner % extent;
    part[static_cast<size_t>(i)] =
        static_cast<int>(parts.joined() ? std::ranges::upper_bound(parts.ends, at) - parts.ends.begin() : at);
  }
  return part;
}

}  // namespace octet
