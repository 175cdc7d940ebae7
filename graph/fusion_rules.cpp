// Arithmetic and activations folded into the operators that produce or consume them.
#include <algorithm>
#include <cmath>

#include "graph/affine_op.hpp"
#include "graph/linear_op.hpp"
#include "graph/rule.hpp"
#include "graph/steps.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// Clamps to bounds of their own, and those with a bound that is an operand.
bool has_fixed_bounds(const OpSpec& spec) {
  return spec.clamp && spec.clamp->operand == ClampForm::Operand::none;
}
bool has_a_bound_as_operand(const OpSpec& spec) {
  return spec.clamp && spec.clamp->operand != ClampForm::Operand::none;
}

bool is_plain(const Node& n) {
  const Activation* act = activation_of(n.attrs);
  return act != nullptr && act->none();
}

bool same_shape(const Value& a, const Value& b) {
  return a.has_rank && b.has_rank && a.shape == b.shape;
}

// A scale and a shift per channel.
struct ChannelFactors {
  std::vector<double> scale, shift;
};
std::optional<ChannelFactors> per_channel(const AffineOp& a, int rank, int64_t channels) {
  auto scale = per_channel(a.scale, a.shape, rank, channels);
  auto shift = per_channel(a.shift, a.shape, rank, channels);
  if (!scale || !shift) return std::nullopt;
  return ChannelFactors{std::move(*scale), std::move(*shift)};
}

// --- y = scale * linear(x) + shift ---------------------------------------------------------------------

std::optional<ChannelFactors> factors_after(const Site& s) {
  const auto op = LinearOp::of(s.graph(), s.producer());
  const auto a = affine_op(s.graph(), s.consumer());
  if (!op || !a || a->x_slot != s.slot || !is_plain(s.producer()) || !same_shape(s.between(), s.output()))
    return std::nullopt;
  return per_channel(*a, s.between().shape.rank(), op->out_channels());
}

Status fold_after(Site& s, const ChannelFactors& f) {
  OCTET_TRY(scale_and_shift_output(s.ed, s.producer_id, f.scale, f.shift));
  *activation_of(s.ed.edit(s.producer_id).attrs) = *activation_of(s.consumer().attrs);
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

// --- linear(scale * x + shift) -------------------------------------------------------------------------

struct FactorsBefore {
  ChannelFactors factors;
  ValueId x;
};
std::optional<FactorsBefore> factors_before(const Site& s) {
  const auto op = LinearOp::of(s.graph(), s.consumer());
  const auto a = affine_op(s.graph(), s.producer());
  if (!op || !a || op->form().x != s.slot || !is_plain(s.producer())) return std::nullopt;
  // Padding puts zeros, not the shift, around the input.
  if (!a->is_scale() && !op->is_unpadded()) return std::nullopt;
  const ValueId x = s.producer().inputs[a->x_slot];
  if (!same_shape(s.value(x), s.between())) return std::nullopt;
  auto factors = per_channel(*a, s.between().shape.rank(), op->in_channels());
  if (!factors) return std::nullopt;
  return FactorsBefore{std::move(*factors), x};
}

Status fold_before(Site& s, const FactorsBefore& m) {
  OCTET_TRY(scale_and_shift_input(s.ed, s.consumer_id, m.factors.scale, m.factors.shift));
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, s.slot, m.x);
  s.ed.remove(s.producer_id);
  return {};
}

// --- activations ---------------------------------------------------------------------------------------

std::optional<Activation> fused_activation(const Site& s) {
  const auto c = clamp_op(s.graph(), s.consumer());
  if (!c || c->x_slot != s.slot) return std::nullopt;
  return tighten(*activation_of(s.producer().attrs), c->lo, c->hi);
}

// --- batch norms without a convolution -----------------------------------------------------------------

// a op b with broadcasting, in float; nothing when the result would be larger than both.
struct Combined {
  Shape shape;
  std::vector<float> values;
};
template <class F>
std::optional<Combined> combine(const Shape& sa, const std::vector<double>& a, const Shape& sb,
                                const std::vector<double>& b, F f) {
  const auto shape = broadcast(a.size() == 1 ? Shape() : sa, b.size() == 1 ? Shape() : sb);
  if (!shape) return std::nullopt;
  const auto n = static_cast<size_t>(shape->elements());
  if (n > std::max(a.size(), b.size())) return std::nullopt;
  auto stretches = [&](const std::vector<double>& v) { return v.size() == n || v.size() == 1; };
  if (!stretches(a) || !stretches(b)) return std::nullopt;
  Combined c{*shape, std::vector<float>(n)};
  if (c.shape.rank() == 0) c.shape = Shape{1};
  for (size_t i = 0; i < n; ++i) {
    c.values[i] = static_cast<float>(f(a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]));
    if (!std::isfinite(c.values[i])) return std::nullopt;
  }
  return c;
}

// first(x), then second, with nothing but constants besides.
struct AffineChain {
  AffineOp first, second;
  ValueId x;
};
std::optional<AffineChain> chain(const Site& s) {
  auto first = affine_op(s.graph(), s.producer()), second = affine_op(s.graph(), s.consumer());
  if (!first || !second || second->x_slot != s.slot || !is_plain(s.producer())) return std::nullopt;
  const ValueId x = s.producer().inputs[first->x_slot];
  // The constants alone must not widen x: the merged one could then be smaller than what it stands for.
  if (!same_shape(s.value(x), s.output())) return std::nullopt;
  return AffineChain{std::move(*first), std::move(*second), x};
}

// The one operator that a chain becomes: `kind` of x and the constant.
struct MergedAffine {
  OpKind kind;
  ValueId x;
  Combined constant;
};
std::optional<MergedAffine> merged_scales(const Site& s) {
  const auto c = chain(s);
  if (!c || !c->first.is_scale() || !c->second.is_scale()) return std::nullopt;
  auto constant = combine(c->first.shape, c->first.scale, c->second.shape, c->second.scale,
                          [](double a, double b) { return a * b; });
  if (!constant) return std::nullopt;
  return MergedAffine{OpKind::MUL, c->x, std::move(*constant)};
}
std::optional<MergedAffine> merged_shifts(const Site& s) {
  const auto c = chain(s);
  if (!c || !c->first.is_shift() || !c->second.is_shift()) return std::nullopt;
  auto constant = combine(c->first.shape, c->first.shift, c->second.shape, c->second.shift,
                          [](double a, double b) { return a + b; });
  if (!constant) return std::nullopt;
  return MergedAffine{OpKind::ADD, c->x, std::move(*constant)};
}

Status merge(Site& s, const MergedAffine& m) {
  const BinaryAttrs attrs = std::get<BinaryAttrs>(s.consumer().attrs);
  const size_t slot = 1 - s.slot;
  s.ed.replace_constant(s.consumer_id, slot, m.constant.shape, m.constant.values);
  const ValueId constant = s.consumer().inputs[slot];
  s.ed.set_input(s.consumer_id, 0, m.x);
  s.ed.set_input(s.consumer_id, 1, constant);
  s.ed.become(s.consumer_id, m.kind, attrs);
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.remove(s.producer_id);
  return {};
}

// (x + t) * s = x * s + t * s
struct Swapped {
  AffineChain chain;
  Combined shift;  // t * s
};
std::optional<Swapped> scaled_shift(const Site& s) {
  auto c = chain(s);
  if (!c || !c->first.is_shift() || !c->second.is_scale()) return std::nullopt;
  // Worth it only when the scale then meets another one.
  const NodeId before = s.ed.producer(c->x);
  if (before < 0 || !s.ed.is_exclusive(c->x)) return std::nullopt;
  const auto scale = affine_op(s.graph(), s.ed.node(before));
  if (!scale || !scale->is_scale() || !is_plain(s.ed.node(before))) return std::nullopt;
  auto shift = combine(c->first.shape, c->first.shift, c->second.shape, c->second.scale,
                       [](double a, double b) { return a * b; });
  if (!shift) return std::nullopt;
  return Swapped{std::move(*c), std::move(*shift)};
}

Status swap_shift_and_scale(Site& s, const Swapped& m) {
  const AffineOp &a = m.chain.first, &b = m.chain.second;
  const ValueId between = s.consumer().inputs[s.slot];
  const std::vector<float> scale(b.scale.begin(), b.scale.end());
  s.ed.become(s.producer_id, OpKind::MUL, s.producer().attrs);
  s.ed.become(s.consumer_id, OpKind::ADD, s.consumer().attrs);  // its activation stays last
  s.ed.replace_constant(s.producer_id, 1 - a.x_slot, b.shape, scale);
  s.ed.replace_constant(s.consumer_id, 1 - s.slot, m.shift.shape, m.shift.values);
  const ValueId c1 = s.producer().inputs[1 - a.x_slot], c2 = s.consumer().inputs[1 - s.slot];
  s.ed.set_input(s.producer_id, 0, m.chain.x);
  s.ed.set_input(s.producer_id, 1, c1);
  s.ed.set_input(s.consumer_id, 0, between);
  s.ed.set_input(s.consumer_id, 1, c2);
  return {};
}

constexpr auto kFoldAfter = rewrite_by<factors_after, fold_after>;
constexpr auto kFoldBefore = rewrite_by<factors_before, fold_before>;
constexpr auto kActivate = rewrite_by<fused_activation, take_activation>;

constexpr Rule kFusionRules[] = {
    {.name = "scale into weights",
     .picture = "CONV -> MUL|DIV(const) => CONV",
     .producers = is_linear,
     .consumers = Trait::scales,
     .rewrite = kFoldAfter},
    {.name = "shift into bias",
     .picture = "CONV -> ADD|SUB(const) => CONV",
     .producers = is_linear,
     .consumers = Trait::shifts,
     .rewrite = kFoldAfter},
    {.name = "scale into next weights",
     .picture = "MUL|DIV(const) -> CONV => CONV",
     .producers = Trait::scales,
     .consumers = is_linear,
     .rewrite = kFoldBefore},
    {.name = "shift into next bias",
     .picture = "ADD|SUB(const) -> CONV(unpadded) => CONV",
     .producers = Trait::shifts,
     .consumers = is_linear,
     .rewrite = kFoldBefore},
    {.name = "activation",
     .picture = "CONV|ADD|POOL -> RELU* => CONV|ADD|POOL(RELU*)",
     .producers = Trait::takes_clamp,
     .consumers = has_fixed_bounds,
     .rewrite = kActivate},
    {.name = "clamp",
     .picture = "CONV|ADD|POOL -> MINIMUM|MAXIMUM(const) => CONV|ADD|POOL(clamp)",
     .producers = Trait::takes_clamp,
     .consumers = has_a_bound_as_operand,
     .rewrite = kActivate},
    {.name = "merge scales",
     .picture = "MUL|DIV(const) -> MUL|DIV(const) => MUL",
     .producers = Trait::scales,
     .consumers = Trait::scales,
     .rewrite = rewrite_by<merged_scales, merge>},
    {.name = "merge shifts",
     .picture = "ADD|SUB(const) -> ADD|SUB(const) => ADD",
     .producers = Trait::shifts,
     .consumers = Trait::shifts,
     .rewrite = rewrite_by<merged_shifts, merge>},
    {.name = "scale before shift",
     .picture = "MUL -> ADD -> MUL => MUL -> MUL -> ADD (const)",
     .producers = Trait::shifts,
     .consumers = Trait::scales,
     .rewrite = rewrite_by<scaled_shift, swap_shift_and_scale>},
};

}  // namespace

std::span<const Rule> fusion_rules() {
  return kFusionRules;
}

}  // namespace octet
