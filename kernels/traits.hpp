// Algebraic facts about operators, as data in an operator's own file: what rewrites and the quantizer may
// rely on without a list of kinds. tests/kernels/traits_test.cpp checks each on the reference kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace octet {

// Facts about real numbers: f is the operator without its fused activation; x its first input, all others
// fixed, unless something else is said.
enum class Trait : uint16_t {
  // An output element depends on the elements at its own position only, in the same way at every position.
  // Operands have the output's shape or broadcast to it.
  elementwise = 1 << 0,
  // Output elements are input elements, or zeros around them, and which goes where does not depend on values.
  moves = 1 << 1,
  // The axes that input 1 names are reduced, whatever the order of the elements along them.
  reduces = 1 << 2,
  // Where the last axis keeps its extent, each slice along it comes from the slice of x at the same index.
  // True of whatever is elementwise.
  channelwise = 1 << 3,
  // f(s x) = s f(x) for s > 0.
  homogeneous = 1 << 4,
  // No output falls when an element of x rises.
  monotone = 1 << 5,
  // No output is below zero.
  nonnegative = 1 << 6,
  // f(a, b) = f(b, a).
  commutative = 1 << 7,
  // f(x, c) = c x; x / c where f does not commute.
  scales = 1 << 8,
  // f(x, c) = x + c; x - c where f does not commute.
  shifts = 1 << 9,
  // A window slides over the axes between batch and channels; strides and padding are attributes.
  windowed = 1 << 10,
  // The fused activation may be a clamp to any bounds.
  takes_clamp = 1 << 11,
  // Has effects beyond its outputs, or depends on more than its inputs: neither computed ahead of time nor
  // reordered with others of its kind.
  stateful = 1 << 12,
};

class Traits {
 public:
  constexpr Traits() = default;
  constexpr Traits(Trait t) : bits_(static_cast<uint16_t>(t)) {}  // NOLINT(google-explicit-constructor)
  constexpr bool has(Trait t) const {
    const bool implied = t == Trait::channelwise && has(Trait::elementwise);
    return (bits_ & static_cast<uint16_t>(t)) != 0 || implied;
  }
  friend constexpr Traits operator|(Traits a, Traits b) {
    Traits both;
    both.bits_ = static_cast<uint16_t>(a.bits_ | b.bits_);
    return both;
  }

 private:
  uint16_t bits_ = 0;
};
constexpr Traits operator|(Trait a, Trait b) {
  return Traits(a) | Traits(b);
}

// Movement with zeros as the only fill: what holds of x's elements holds of the output's.
inline constexpr Traits kMovesAlone = Trait::moves | Trait::homogeneous | Trait::monotone;

// An operator that is linear in one input, with weights and a bias per output channel.
struct LinearForm {
  size_t x = 0, weights = 1, bias = 2;  // input slots; the bias may be absent
  int rank = 4;                         // of the weights
  int out_axis = 0;                     // of the weights
  int in_axis = -1;         // of the weights; -1: depthwise, input channel = output channel / multiplier
  bool grouped = false;     // weights may have fewer input channels than x, by a divisor
  bool transposed = false;  // outputs at the border see fewer inputs, whatever the padding
};

// y = min(max(x, lo), hi) with constant bounds; one may be an operand.
struct ClampForm {
  enum class Operand : uint8_t { none, lo, hi };
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();
  Operand operand = Operand::none;
};

}  // namespace octet
