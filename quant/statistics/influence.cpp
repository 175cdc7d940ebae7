#include "quant/statistics/influence.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "kernels/op_spec.hpp"

namespace octet {
namespace {

// exp(-10) = 4.5e-5: a hundred such elements together are one step of 1/256.
constexpr float kNegligibleLogit = 10;
// A row whose greatest element is so far below that of all others was hidden as a whole.
constexpr float kHiddenRow = 50;

// Operators that hand on elements and keep rows together.
bool keeps_rows(const Graph& g, const Node& n) {
  if (n.kind != OpKind::RESHAPE && n.kind != OpKind::SQUEEZE && n.kind != OpKind::EXPAND_DIMS) return false;
  const Value &x = g.value(n.inputs[0]), &y = g.value(n.outputs[0]);
  return x.has_rank && y.has_rank && x.shape.rank() > 0 && y.shape.rank() > 0 && x.shape[-1] == y.shape[-1];
}

Influence influence_on(const Graph& g, const Node& n, size_t slot, const std::vector<Influence>& later) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || slot != 0) return {};
  if (n.kind == OpKind::SOFTMAX) {
    const float beta = std::get<SoftmaxAttrs>(n.attrs).beta;
    return beta > 0 ? Influence{kNegligibleLogit / beta, {}} : Influence{};
  }
  if (spec->clamp && spec->clamp->operand == ClampForm::Operand::none && std::isfinite(spec->clamp->lo))
    return {{}, spec->clamp->lo};
  if (keeps_rows(g, n)) return later[static_cast<size_t>(n.outputs[0])];
  return {};
}

// What is left for elements that two readers see.
Influence both(const Influence& a, const Influence& b) {
  Influence r;
  if (a.below_row && b.below_row) r.below_row = std::max(*a.below_row, *b.below_row);
  if (a.floor && b.floor) r.floor = std::min(*a.floor, *b.floor);
  return r;
}

}  // namespace

std::vector<Influence> influences_of(const Graph& g) {
  std::vector<Influence> all(g.values.size());
  std::vector<char> seen(g.values.size(), 0);
  for (ValueId v : g.outputs)
    seen[static_cast<size_t>(v)] = 1;
  for (size_t i = g.nodes.size(); i-- > 0;) {
    const Node& n = g.nodes[i];
    for (size_t slot = 0; slot < n.inputs.size(); ++slot) {
      const ValueId v = n.inputs[slot];
      if (v == kNoValue) continue;
      const Influence one = influence_on(g, n, slot, all);
      Influence& sum = all[static_cast<size_t>(v)];
      sum = seen[static_cast<size_t>(v)] != 0 ? both(sum, one) : one;
      seen[static_cast<size_t>(v)] = 1;
    }
  }
  return all;
}

std::span<const float> influential(const ConstTensorView& view, const Influence& influence,
                                   std::vector<float>& storage) {
  const std::span<const float> values(view.as<float>(), static_cast<size_t>(view.elements()));
  if (!influence.any() || values.empty()) return values;
  storage.assign(values.begin(), values.end());
  if (influence.floor)
    for (float& x : storage)
      x = std::max(x, *influence.floor);  // NaN stays
  if (!influence.below_row || view.shape.rank() == 0) return storage;
  const auto length = static_cast<size_t>(view.shape[-1]);
  std::vector<float> greatest;
  for (size_t row = 0; row < storage.size(); row += length)
    greatest.push_back(*std::ranges::max_element(std::span(storage).subspan(row, length)));
  std::vector<float> sorted = greatest;
  std::ranges::sort(sorted, std::greater());
  float least = sorted.front();
  for (const float x : sorted) {
    if (!(least - x < kHiddenRow)) break;
    least = x;
  }
  for (size_t row = 0; row < greatest.size(); ++row) {
    const float bound = std::max(greatest[row], least) - *influence.below_row;
    for (float& x : std::span(storage).subspan(row * length, length))
      if (x < bound) x = bound;
  }
  return storage;
}

}  // namespace octet
