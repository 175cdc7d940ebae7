// Rewrites for execution only: explicit padding inside of operators, activations inside of integer ones.
// Integer results stay bit-exact.
#include <array>
#include <limits>

#include "graph/affine_op.hpp"
#include "graph/rule.hpp"
#include "graph/window_op.hpp"
#include "kernels/quant_math.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kLowerRulesPads = {PAD, PADV2};
constexpr std::array kConvs = {CONV_2D, DEPTHWISE_CONV_2D};
constexpr std::array kMaxPool = {MAX_POOL_2D};
constexpr std::array kLowerRulesActivated = {
    CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV, ADD, SUB, MUL};
constexpr std::array kLowerRulesActivations = {RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1, MINIMUM, MAXIMUM};

std::optional<Padding> explicit_padding(const Site& s) {
  const auto pad = pad_op(s.graph(), s.producer());
  const auto window = window_op(s.graph(), s.consumer());
  if (!pad || !window || s.slot != 0 || window->padding.kind != Padding::Kind::valid ||
      !pads_only_window_axes(*pad, *window))
    return std::nullopt;
  // Also keeps every pooling window on at least one real element.
  for (size_t i = 0; i < 2; ++i)
    if (pad->amounts[i + 1].first >= window->filter[i] * int64_t{window->dilation[i]} ||
        pad->amounts[i + 1].second >= window->filter[i] * int64_t{window->dilation[i]})
      return std::nullopt;
  Padding p(Padding::Kind::explicit_);
  p.top = static_cast<int32_t>(pad->amounts[1].first);
  p.bottom = static_cast<int32_t>(pad->amounts[1].second);
  p.left = static_cast<int32_t>(pad->amounts[2].first);
  p.right = static_cast<int32_t>(pad->amounts[2].second);
  return p;
}

bool can_pad_conv(const Site& s) {
  return explicit_padding(s) && pad_op(s.graph(), s.producer())->fill == 0;
}

bool can_pad_max_pool(const Site& s) {
  return explicit_padding(s) &&
         never_below(s.graph(), s.ed.producer(s.producer().inputs[0]), pad_op(s.graph(), s.producer())->fill);
}

Status pad_inside(Site& s) {
  set_padding(s.ed.edit(s.consumer_id), *explicit_padding(s));
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, 0, s.producer().inputs[0]);
  s.ed.remove(s.producer_id);
  return {};
}

// The clamp that the consumer is: an activation, or MINIMUM or MAXIMUM with one integer of the same scale.
std::optional<ClampOp> integer_clamp(const Site& s) {
  const Node& n = s.consumer();
  if (n.kind != MINIMUM && n.kind != MAXIMUM) return clamp_op(s.graph(), n);
  const Value& c = s.value(s.other_input());
  if (!c.is_constant() || c.shape.elements() != 1 || c.dtype != s.between().dtype ||
      c.quant != s.between().quant || c.shape.rank() > s.between().shape.rank())
    return std::nullopt;
  const float limit =
      static_cast<float>(c.dtype == DType::int8 ? dequantize(c.constant.as<int8_t>()[0], c.quant.at())
                                                : dequantize(c.constant.as<uint8_t>()[0], c.quant.at()));
  constexpr float kInf = std::numeric_limits<float>::infinity();
  return n.kind == MINIMUM ? ClampOp{s.slot, -kInf, limit} : ClampOp{s.slot, limit, kInf};
}

// With the same scale on both sides the activation only limits the integers (MATH.md, Q9).
bool can_activate_integers(const Site& s) {
  const Value& between = s.between();
  if (!between.quant || between.quant.is_per_channel() || between.quant != s.output().quant) return false;
  if (between.dtype != DType::int8 && between.dtype != DType::uint8) return false;
  const auto c = integer_clamp(s);
  return c && c->x_slot == s.slot && tighten(*activation_of(s.producer().attrs), c->lo, c->hi).has_value();
}

Status activate_integers(Site& s) {
  const auto c = integer_clamp(s);
  Activation& act = *activation_of(s.ed.edit(s.producer_id).attrs);
  act = *tighten(act, c->lo, c->hi);
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

constexpr auto kLowerRulesAny = Rule::Types::any;

constexpr Rule kLowerRules[] = {
    {"pad inside", "PAD(0) -> CONV_2D(VALID) => CONV_2D(explicit)", kLowerRulesPads, kConvs, can_pad_conv,
     pad_inside, kLowerRulesAny},
    {"pad inside, max pool", "PADV2(lowest) -> MAX_POOL_2D(VALID) => MAX_POOL_2D(explicit)", kLowerRulesPads,
     kMaxPool, can_pad_max_pool, pad_inside, kLowerRulesAny},
    {"integer activation", "CONV_2D -> RELU|MINIMUM|MAXIMUM(same scale) => CONV_2D(clamp)",
     kLowerRulesActivated, kLowerRulesActivations, can_activate_integers, activate_integers, kLowerRulesAny},
};

}  // namespace

std::span<const Rule> lower_rules() {
  return kLowerRules;
}

}  // namespace octet
