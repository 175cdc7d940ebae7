// Scales and zero points from ranges and weights, and integer constants from real ones. MATH.md, Q3 to Q6.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/op_spec.hpp"
#include "octet/tensor.hpp"
#include "quant/statistics/observer.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// No scale is smaller: a product of two of them is still a normal float, and nothing real is that small.
inline constexpr float kLeastScale = 0x1p-60f;
// No bias is larger than this many steps, so that the accumulator has room for the products.
inline constexpr double kMostBias = 0x1p30;

// (Q3) int8, asymmetric, for a range that is widened to contain 0. `note` says what had to be bent; else
// empty.
// Values that are frequent all by themselves (what was clamped to a bound, a fill) should be hit exactly:
// with `points` the scale may grow by up to 4 % for their sake.
struct MassPoint {
  float value = 0;
  double share = 0;  // of all values
};
Affine activation_affine(Range r, std::string& note, std::span<const MassPoint> points = {});
// (Q11), (Q12) int16, zero point 0, for a range under a rule symmetric16 or power_of_two16.
Affine int16_affine(const TensorRule& rule, Range r, std::string& note);
// The scales that power_of_two16 may take: what the integer LSTM's tangent can shift by.
inline constexpr float kLeastCellScale = 0x1p-15f, kMostCellScale = 0x1p-9f;
// (Q18) An activation of the given type, int8 or int16.
Affine affine_of(DType type, Range r, std::string& note, std::span<const MassPoint> points = {});
// The reals that the type can hold with `a`.
Range range_of(const Affine& a, DType type);

// Extremes of a constant, as data: what is not finite and fills are left out and counted.
Range range_of_constant(std::span<const float> values, NonFiniteCounts& odd);

// (Q5) Symmetric scales of float32 weights, one per slice along `axis`, or a single one when axis < 0.
// Channels that are all zero get the largest scale of the others.
struct WeightScales {
  std::vector<float> scale;
  std::vector<int> dead;  // channels that are all zero
};
WeightScales weight_scales(std::span<const float> weights, const Shape& shape, int axis);

// (Q17) Symmetric scales of float32 weights in [-7, 7] with the least rounding error that a search finds: one
// per slice along `axis`, or one for all when axis < 0. Blocks have scales that float16 and bfloat16 both
// hold, because there are readers for either.
Quantization int4_quantization(std::span<const float> weights, const Shape& shape, int axis);
Quantization int4_blocks(std::span<const float> weights, int32_t block);
// No weight in a block may be greater.
inline constexpr float kMostBlockWeight = 7 * 65280.0f;

// (Q2) The integers of int4 weights, before they are packed.
std::vector<int8_t> int4_weights(std::span<const float> weights, const Shape& shape, const Quantization& q);

// (Q2) `value` (float32) quantized with `q` to int8, int16, int32 or int64; int8 weights keep to [-127, 127]
// when symmetric.
Constant quantize_constant(const Value& value, const Quantization& q, DType type, bool symmetric);

// Index of the channel of element i of a tensor: (i / inner) % channels.
struct Channels {
  int64_t count = 1, inner = 1;
  size_t of(int64_t i) const { return static_cast<size_t>(i / inner % count); }
};
Channels channels_of(const Shape& shape, int axis);
// Which of a quantization's parameters an element has.
Channels channels_of(const Shape& shape, const Quantization& q);

}  // namespace octet
