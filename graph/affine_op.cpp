#include "graph/affine_op.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/quant_math.hpp"

namespace octet {

std::optional<std::vector<double>> floats_of(const Value& v) {
  if (!v.is_constant() || v.dtype != DType::float32) return std::nullopt;
  std::vector<double> out;
  for (float x : v.constant.as<float>()) {
    if (!std::isfinite(x)) return std::nullopt;
    out.push_back(static_cast<double>(x));
  }
  return out;
}

std::optional<double> scalar_of(const Value& v) {
  if (!v.is_constant() || v.dtype != DType::float32 || v.shape.elements() != 1) return std::nullopt;
  return static_cast<double>(v.constant.as<float>()[0]);
}

std::optional<std::vector<int64_t>> ints_of(const Value& v) {
  if (!v.is_constant()) return std::nullopt;
  if (v.dtype == DType::int32) {
    const auto s = v.constant.as<int32_t>();
    return std::vector<int64_t>(s.begin(), s.end());
  }
  if (v.dtype == DType::int64) {
    const auto s = v.constant.as<int64_t>();
    return std::vector<int64_t>(s.begin(), s.end());
  }
  return std::nullopt;
}

bool is_affine(const OpSpec& spec) {
  return spec.traits.has(Trait::scales) || spec.traits.has(Trait::shifts);
}
bool is_clamp(const OpSpec& spec) {
  return spec.clamp.has_value();
}

std::optional<AffineOp> affine_op(const Graph& g, const Node& n) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || !is_affine(*spec)) return std::nullopt;
  if (n.inputs.size() != 2 || n.inputs[0] == kNoValue || n.inputs[1] == kNoValue) return std::nullopt;
  const bool first = g.value(n.inputs[0]).is_constant(), second = g.value(n.inputs[1]).is_constant();
  if (first == second) return std::nullopt;
  AffineOp a;
  a.x_slot = first ? 1 : 0;
  a.constant = n.inputs[1 - a.x_slot];
  const Value& c = g.value(a.constant);
  auto values = floats_of(c);
  if (!values) return std::nullopt;
  a.shape = c.shape;
  // The second operand of what does not commute counts as its inverse.
  const bool inverse = !spec->traits.has(Trait::commutative);
  if (spec->traits.has(Trait::scales)) {
    if (inverse && first) return std::nullopt;  // c / x is not affine
    for (double& v : *values) {
      if (inverse) v = 1 / v;
      if (!std::isfinite(v)) return std::nullopt;
    }
    a.scale = std::move(*values);
    a.shift = {0};
    return a;
  }
  if (inverse && !first)
    for (double& v : *values)
      v = -v;
  a.scale = {inverse && first ? -1.0 : 1.0};
  a.shift = std::move(*values);
  return a;
}

std::optional<std::vector<double>> per_channel(const std::vector<double>& v, const Shape& shape, int rank,
                                               int64_t channels) {
  const auto n = static_cast<size_t>(channels);
  if (v.size() == 1) return std::vector<double>(n, v[0]);
  if (shape.rank() == 0 || shape.rank() > rank || shape[-1] != channels || v.size() != n) return std::nullopt;
  return v;
}

std::optional<ClampOp> clamp_op(const Graph& g, const Node& n) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || !is_clamp(*spec)) return std::nullopt;
  const ClampForm& form = *spec->clamp;
  if (form.operand == ClampForm::Operand::none) return ClampOp{0, form.lo, form.hi};
  if (n.inputs.size() != 2) return std::nullopt;
  for (size_t slot : {size_t{1}, size_t{0}}) {
    const Value& c = g.value(n.inputs[slot]);
    const auto limit = scalar_of(c);
    if (!limit || std::isnan(*limit) || g.value(n.inputs[1 - slot]).is_constant()) continue;
    if (c.shape.rank() > g.value(n.inputs[1 - slot]).shape.rank()) continue;  // it would add axes
    return clamp_by(form, 1 - slot, static_cast<float>(*limit));
  }
  return std::nullopt;
}

ClampOp clamp_by(const ClampForm& form, size_t x_slot, float limit) {
  if (form.operand == ClampForm::Operand::hi) return {x_slot, form.lo, limit};
  return {x_slot, limit, form.hi};
}

std::optional<OpKind> clamp_kind(const Activation& act) {
  const RealRange r = range_of(act);
  for (int i = 0; i < kOpKindCount; ++i) {
    const auto kind = static_cast<OpKind>(i);
    const auto& form = find_spec(kind)->clamp;
    if (form && form->operand == ClampForm::Operand::none && form->lo == r.lo && form->hi == r.hi)
      return kind;
  }
  return std::nullopt;
}

Activation activation_for(float lo, float hi) {
  using Kind = Activation::Kind;
  for (Kind k : {Kind::none, Kind::relu, Kind::relu6, Kind::relu_n1_to_1}) {
    const RealRange r = range_of(Activation(k));
    if (r.lo == lo && r.hi == hi) return k;
  }
  return Activation::clamp(lo, hi);
}

std::optional<Activation> tighten(const Activation& act, float lo, float hi) {
  if (act.kind == Activation::Kind::tanh || act.kind == Activation::Kind::sign_bit) return std::nullopt;
  const RealRange r = range_of(act);
  const float new_lo = std::clamp(r.lo, lo, hi), new_hi = std::clamp(r.hi, lo, hi);
  if (!(new_lo < new_hi)) return std::nullopt;  // a constant: left as it is
  if (new_lo == r.lo && new_hi == r.hi) return act;
  return activation_for(new_lo, new_hi);
}

}  // namespace octet
