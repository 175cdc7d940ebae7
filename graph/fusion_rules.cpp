// Arithmetic and activations folded into the operators that produce or consume them.
#include <algorithm>
#include <array>
#include <cmath>

#include "graph/affine_op.hpp"
#include "graph/linear_op.hpp"
#include "graph/rule.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kScales = {MUL, DIV};
constexpr std::array kShifts = {ADD, SUB};
constexpr std::array kActivations = {RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1};
constexpr std::array kFusionRulesClamps = {MINIMUM, MAXIMUM};
constexpr std::array kActivated = {
    CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, CONV_3D, CONV_3D_TRANSPOSE, ADD, SUB, MUL,
    DIV,     MAX_POOL_2D,       AVERAGE_POOL_2D};

bool is_plain(const Node& n) {
  const Activation* act = activation_of(n.attrs);
  return act != nullptr && act->none();
}

bool same_shape(const Value& a, const Value& b) {
  return a.has_rank && b.has_rank && a.shape == b.shape;
}

// --- y = scale * linear(x) + shift ---------------------------------------------------------------------

bool can_fold_after(const Site& s) {
  const auto op = LinearOp::of(s.graph(), s.producer());
  const auto a = affine_op(s.graph(), s.consumer());
  if (!op || !a || a->x_slot != s.slot || !is_plain(s.producer()) || !same_shape(s.between(), s.output()))
    return false;
  const int rank = s.between().shape.rank();
  return per_channel(a->scale, a->shape, rank, op->out_channels()) &&
         per_channel(a->shift, a->shape, rank, op->out_channels());
}

Status fold_after(Site& s) {
  const auto op = LinearOp::of(s.graph(), s.producer());
  const auto a = affine_op(s.graph(), s.consumer());
  const int rank = s.between().shape.rank();
  OCTET_TRY(scale_and_shift_output(s.ed, s.producer_id,
                                   *per_channel(a->scale, a->shape, rank, op->out_channels()),
                                   *per_channel(a->shift, a->shape, rank, op->out_channels())));
  *activation_of(s.ed.edit(s.producer_id).attrs) = *activation_of(s.consumer().attrs);
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

// --- linear(scale * x + shift) -------------------------------------------------------------------------

bool can_fold_before(const Site& s) {
  const auto op = LinearOp::of(s.graph(), s.consumer());
  const auto a = affine_op(s.graph(), s.producer());
  if (!op || !a || op->form().x != s.slot || !is_plain(s.producer())) return false;
  // Padding puts zeros, not the shift, around the input.
  if (!a->is_scale() && !op->is_unpadded()) return false;
  const Value& x = s.value(s.producer().inputs[a->x_slot]);
  if (!same_shape(x, s.between())) return false;
  // A FULLY_CONNECTED may flatten several axes into one row of its weights.
  const int64_t channels = op->in_channels();
  if (op->form().in_axis == 1 && op->weights().shape[1] != channels) return false;
  return per_channel(a->scale, a->shape, x.shape.rank(), channels) &&
         per_channel(a->shift, a->shape, x.shape.rank(), channels);
}

Status fold_before(Site& s) {
  const auto op = LinearOp::of(s.graph(), s.consumer());
  const auto a = affine_op(s.graph(), s.producer());
  const int rank = s.between().shape.rank();
  OCTET_TRY(scale_and_shift_input(s.ed, s.consumer_id,
                                  *per_channel(a->scale, a->shape, rank, op->in_channels()),
                                  *per_channel(a->shift, a->shape, rank, op->in_channels())));
  const ValueId x = s.producer().inputs[a->x_slot];
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, s.slot, x);
  s.ed.remove(s.producer_id);
  return {};
}

// --- activations ---------------------------------------------------------------------------------------

bool can_activate_fusion_rules(const Site& s) {
  const Activation* act = activation_of(s.producer().attrs);
  const auto c = clamp_op(s.graph(), s.consumer());
  return act != nullptr && c && c->x_slot == s.slot && tighten(*act, c->lo, c->hi).has_value();
}

Status activate_fusion_rules(Site& s) {
  const auto c = clamp_op(s.graph(), s.consumer());
  Activation& act = *activation_of(s.ed.edit(s.producer_id).attrs);
  act = *tighten(act, c->lo, c->hi);
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
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

struct Chain {
  AffineOp first, second;
};
std::optional<Chain> chain(const Site& s) {
  auto first = affine_op(s.graph(), s.producer()), second = affine_op(s.graph(), s.consumer());
  if (!first || !second || second->x_slot != s.slot || !is_plain(s.producer())) return std::nullopt;
  // The constants alone must not widen x: the merged one could then be smaller than what it stands for.
  if (!same_shape(s.value(s.producer().inputs[first->x_slot]), s.output())) return std::nullopt;
  return Chain{std::move(*first), std::move(*second)};
}

std::optional<Combined> merged_scales(const Site& s) {
  const auto c = chain(s);
  if (!c || !c->first.is_scale() || !c->second.is_scale()) return std::nullopt;
  return combine(c->first.shape, c->first.scale, c->second.shape, c->second.scale,
                 [](double a, double b) { return a * b; });
}
std::optional<Combined> merged_shifts(const Site& s) {
  const auto c = chain(s);
  if (!c || !c->first.is_shift() || !c->second.is_shift()) return std::nullopt;
  return combine(c->first.shape, c->first.shift, c->second.shape, c->second.shift,
                 [](double a, double b) { return a + b; });
}
// (x + t) * s = x * s + t * s
std::optional<Combined> scaled_shift(const Site& s) {
  const auto c = chain(s);
  if (!c || !c->first.is_shift() || !c->second.is_scale()) return std::nullopt;
  // Worth it only when the scale then meets another one.
  const ValueId x = s.producer().inputs[c->first.x_slot];
  const NodeId before = s.ed.producer(x);
  if (before < 0 || !s.ed.is_exclusive(x)) return std::nullopt;
  const auto scale = affine_op(s.graph(), s.ed.node(before));
  if (!scale || !scale->is_scale() || !is_plain(s.ed.node(before))) return std::nullopt;
  return combine(c->first.shape, c->first.shift, c->second.shape, c->second.scale,
                 [](double a, double b) { return a * b; });
}

template <auto F>
bool holds(const Site& s) {
  return F(s).has_value();
}

// The consumer becomes `kind` (MUL or ADD) of x and the combined constant; the producer goes.
Status merge_into(Site& s, OpKind kind, const Combined& c) {
  const size_t x_slot = affine_op(s.graph(), s.producer())->x_slot;
  const ValueId x = s.producer().inputs[x_slot];
  const BinaryAttrs attrs = std::get<BinaryAttrs>(s.consumer().attrs);
  const size_t constant = 1 - s.slot;
  s.ed.replace_constant(s.consumer_id, constant, c.shape, c.values);
  const ValueId value = s.consumer().inputs[constant];
  s.ed.set_input(s.consumer_id, 0, x);
  s.ed.set_input(s.consumer_id, 1, value);
  s.ed.edit(s.consumer_id).kind = kind;
  s.ed.edit(s.consumer_id).attrs = attrs;
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.remove(s.producer_id);
  return {};
}
Status merge_scales(Site& s) {
  return merge_into(s, MUL, *merged_scales(s));
}
Status merge_shifts(Site& s) {
  return merge_into(s, ADD, *merged_shifts(s));
}

Status swap_shift_and_scale(Site& s) {
  const Combined shift = *scaled_shift(s);
  const AffineOp a = *affine_op(s.graph(), s.producer());
  const Shape shape = s.value(s.consumer().inputs[1 - s.slot]).shape;
  const AffineOp b = *affine_op(s.graph(), s.consumer());
  const ValueId x = s.producer().inputs[a.x_slot], between = s.consumer().inputs[s.slot];
  std::vector<float> scale(b.scale.begin(), b.scale.end());
  s.ed.edit(s.producer_id).kind = MUL;
  s.ed.edit(s.consumer_id).kind = ADD;  // and keeps its activation, which stays last
  s.ed.replace_constant(s.producer_id, 1 - a.x_slot, shape, scale);
  s.ed.replace_constant(s.consumer_id, 1 - s.slot, shift.shape, shift.values);
  const ValueId c1 = s.producer().inputs[1 - a.x_slot], c2 = s.consumer().inputs[1 - s.slot];
  s.ed.set_input(s.producer_id, 0, x);
  s.ed.set_input(s.producer_id, 1, c1);
  s.ed.set_input(s.consumer_id, 0, between);
  s.ed.set_input(s.consumer_id, 1, c2);
  return {};
}

// -------------------------------------------------------------------------------------------------------

constexpr Rule kFusionRules[] = {
    {"scale into weights", "CONV -> MUL|DIV(const) => CONV", kLinearKinds, kScales, can_fold_after,
     fold_after},
    {"shift into bias", "CONV -> ADD|SUB(const) => CONV", kLinearKinds, kShifts, can_fold_after, fold_after},
    {"scale into next weights", "MUL|DIV(const) -> CONV => CONV", kScales, kLinearKinds, can_fold_before,
     fold_before},
    {"shift into next bias", "ADD|SUB(const) -> CONV(unpadded) => CONV", kShifts, kLinearKinds,
     can_fold_before, fold_before},
    {"activation", "CONV|ADD|POOL -> RELU* => CONV|ADD|POOL(RELU*)", kActivated, kActivations,
     can_activate_fusion_rules, activate_fusion_rules},
    {"clamp", "CONV|ADD|POOL -> MINIMUM|MAXIMUM(const) => CONV|ADD|POOL(clamp)", kActivated,
     kFusionRulesClamps, can_activate_fusion_rules, activate_fusion_rules},
    {"merge scales", "MUL|DIV(const) -> MUL|DIV(const) => MUL", kScales, kScales, holds<merged_scales>,
     merge_scales},
    {"merge shifts", "ADD|SUB(const) -> ADD|SUB(const) => ADD", kShifts, kShifts, holds<merged_shifts>,
     merge_shifts},
    {"scale before shift", "MUL -> ADD -> MUL => MUL -> MUL -> ADD (const)", kShifts, kScales,
     holds<scaled_shift>, swap_shift_and_scale},
};

}  // namespace

std::span<const Rule> fusion_rules() {
  return kFusionRules;
}

}  // namespace octet
