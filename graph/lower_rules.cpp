// Rewrites for execution only: explicit padding inside of operators, activations inside of integer ones.
// Integer results stay bit-exact.

#include "graph/affine_op.hpp"
#include "graph/rule.hpp"
#include "graph/steps.hpp"
#include "kernels/quant_math.hpp"

namespace octet {
namespace {

std::optional<Padding> explicit_padding(const Site& s) {
  const auto m = padded_window(s);
  if (!m || m->window.axes != 2) return std::nullopt;
  const auto& [pad, window] = *m;
  // Also keeps every pooling window on at least one real element.
  for (size_t i = 0; i < 2; ++i)
    if (pad.amounts[i + 1].first >= window.filter[i] * int64_t{window.dilation[i]} ||
        pad.amounts[i + 1].second >= window.filter[i] * int64_t{window.dilation[i]})
      return std::nullopt;
  Padding p(Padding::Kind::explicit_);
  p.top = static_cast<int32_t>(pad.amounts[1].first);
  p.bottom = static_cast<int32_t>(pad.amounts[1].second);
  p.left = static_cast<int32_t>(pad.amounts[2].first);
  p.right = static_cast<int32_t>(pad.amounts[2].second);
  return p;
}

Status pad_inside(Site& s, const Padding& padding) {
  set_padding(s.ed.edit(s.consumer_id), padding);
  read_past_producer(s);
  return {};
}

// The clamp that the consumer is; a bound may be an integer of the same scale.
std::optional<ClampOp> integer_clamp(const Site& s) {
  const Node& n = s.consumer();
  const ClampForm& form = *find_spec(n.kind)->clamp;
  if (form.operand == ClampForm::Operand::none) return clamp_op(s.graph(), n);
  const Value& c = s.value(s.other_input());
  if (!c.is_constant() || c.shape.elements() != 1 || c.dtype != s.between().dtype ||
      c.quant != s.between().quant || c.shape.rank() > s.between().shape.rank())
    return std::nullopt;
  const double limit = c.dtype == DType::int8 ? dequantize(c.constant.as<int8_t>()[0], c.quant.at())
                                              : dequantize(c.constant.as<uint8_t>()[0], c.quant.at());
  return clamp_by(form, s.slot, static_cast<float>(limit));
}

// With the same scale on both sides the activation only limits the integers (MATH.md, Q9).
std::optional<Activation> integer_activation(const Site& s) {
  const Value& between = s.between();
  if (!between.quant || between.quant.is_per_channel() || between.quant != s.output().quant)
    return std::nullopt;
  if (between.dtype != DType::int8 && between.dtype != DType::uint8) return std::nullopt;
  const auto c = integer_clamp(s);
  if (!c || c->x_slot != s.slot) return std::nullopt;
  return tighten(*activation_of(s.producer().attrs), c->lo, c->hi);
}

constexpr auto kPadInside = rewrite_by<explicit_padding, pad_inside>;

constexpr Rule kLowerRules[] = {
    {.name = "pad inside",
     .picture = "PAD(0) -> CONV_2D(VALID) => CONV_2D(explicit)",
     .producers = {OpKind::PAD, OpKind::PADV2},
     .consumers = is_convolution,
     .types = Rule::Types::any,
     .rewrite = kPadInside},
    {.name = "pad inside, max pool",
     .picture = "PADV2(lowest) -> MAX_POOL_2D(VALID) => MAX_POOL_2D(explicit)",
     .producers = {OpKind::PAD, OpKind::PADV2},
     .consumers = {OpKind::MAX_POOL_2D},
     .types = Rule::Types::any,
     .rewrite = kPadInside},
    {.name = "integer activation",
     .picture = "CONV_2D -> RELU|MINIMUM|MAXIMUM(same scale) => CONV_2D(clamp)",
     .producers = Trait::takes_clamp,
     .consumers = is_clamp,
     .types = Rule::Types::any,
     .rewrite = rewrite_by<integer_activation, take_activation>},
};

}  // namespace

std::span<const Rule> lower_rules() {
  return kLowerRules;
}

}  // namespace octet
