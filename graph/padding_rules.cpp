// Explicit padding that the SAME padding of a convolution or pooling means as well.
#include <array>

#include "graph/rule.hpp"
#include "graph/window_op.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kPaddingRulesPads = {PAD, PADV2};
constexpr std::array kPaddingRulesConvs = {CONV_2D, DEPTHWISE_CONV_2D, CONV_3D};
constexpr std::array kPaddingRulesMaxPool = {MAX_POOL_2D};

// TFLite puts the odd row of SAME padding behind, so a symmetric pad of a strided window is often not SAME.
bool pads_like_same(const Site& s, const PadOp& pad) {
  const auto window = window_op(s.graph(), s.consumer());
  if (!window || s.slot != 0 || window->padding.kind != Padding::Kind::valid) return false;
  if (!pads_only_window_axes(pad, *window)) return false;
  return same_padding_equals(s.value(s.producer().inputs[0]), s.output(), pad, *window);
}

bool can_pad_conv_padding_rules(const Site& s) {
  const auto pad = pad_op(s.graph(), s.producer());
  return pad && pad->fill == 0 && pads_like_same(s, *pad);
}

bool can_pad_max_pool_padding_rules(const Site& s) {
  const auto pad = pad_op(s.graph(), s.producer());
  return pad && pads_like_same(s, *pad) &&
         never_below(s.graph(), s.ed.producer(s.producer().inputs[0]), pad->fill);
}

Status pad_as_same(Site& s) {
  set_padding(s.ed.edit(s.consumer_id), Padding::Kind::same);
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, 0, s.producer().inputs[0]);
  s.ed.remove(s.producer_id);
  return {};
}

constexpr Rule kPaddingRules[] = {
    {"pad as SAME", "PAD(0) -> CONV(VALID) => CONV(SAME)", kPaddingRulesPads, kPaddingRulesConvs,
     can_pad_conv_padding_rules, pad_as_same},
    {"pad as SAME, max pool", "PAD -> MAX_POOL_2D(VALID) => MAX_POOL_2D(SAME)", kPaddingRulesPads,
     kPaddingRulesMaxPool, can_pad_max_pool_padding_rules, pad_as_same},
};

}  // namespace

std::span<const Rule> padding_rules() {
  return kPaddingRules;
}

}  // namespace octet
