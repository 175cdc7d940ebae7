// Explicit padding that the SAME padding of a convolution or pooling means as well.
#include "graph/rule.hpp"
#include "graph/steps.hpp"

namespace octet {
namespace {

// TFLite puts the odd row of SAME padding behind, so a symmetric pad of a strided window is often not SAME.
bool is_same_padding(const Site& s) {
  const auto m = padded_window(s);
  return m && same_padding_equals(s.value(s.producer().inputs[0]), s.output(), m->pad, m->window);
}

Status pad_as_same(Site& s) {
  set_padding(s.ed.edit(s.consumer_id), Padding::Kind::same);
  read_past_producer(s);
  return {};
}

constexpr auto kPadAsSame = rewrite_by<is_same_padding, pad_as_same>;

constexpr Rule kPaddingRules[] = {
    {.name = "pad as SAME",
     .picture = "PAD(0) -> CONV(VALID) => CONV(SAME)",
     .producers = {OpKind::PAD, OpKind::PADV2},
     .consumers = is_convolution,
     .rewrite = kPadAsSame},
    {.name = "pad as SAME, max pool",
     .picture = "PAD -> MAX_POOL_2D(VALID) => MAX_POOL_2D(SAME)",
     .producers = {OpKind::PAD, OpKind::PADV2},
     .consumers = {OpKind::MAX_POOL_2D},
     .rewrite = kPadAsSame},
};

}  // namespace

std::span<const Rule> padding_rules() {
  return kPaddingRules;
}

}  // namespace octet
