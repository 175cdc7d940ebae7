// The arithmetic of quantization, in one place. Equation numbers refer to quant/MATH.md.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "octet/tensor.hpp"
#include "schema/ir/attrs.hpp"

namespace octet {

// Round half to even. The FPU's default mode does it; nothing in Octet changes the mode.
inline double round_even(double x) {
  return std::nearbyint(x);
}

// Saturate before narrowing (NaN becomes lo).
template <class T>
T saturate(double x, double lo = static_cast<double>(std::numeric_limits<T>::min()),
           double hi = static_cast<double>(std::numeric_limits<T>::max())) {
  if (!(x > lo)) return static_cast<T>(lo);
  if (x > hi) return static_cast<T>(hi);
  return static_cast<T>(x);
}

// (Q1) real = scale * (q - zero_point)
template <class T>
double dequantize(T q, const Affine& a) {
  return static_cast<double>(a.scale) * (static_cast<double>(q) - static_cast<double>(a.zero_point));
}

// (Q2) q = clamp(round_even(real / scale) + zero_point). NaN gives the zero point.
template <class T>
T quantize(double real, const Affine& a, double lo = static_cast<double>(std::numeric_limits<T>::min()),
           double hi = static_cast<double>(std::numeric_limits<T>::max())) {
  if (std::isnan(real)) return static_cast<T>(a.zero_point);
  return saturate<T>(round_even(real / static_cast<double>(a.scale)) + static_cast<double>(a.zero_point), lo,
                     hi);
}

// (Q7) Requantize an int32 accumulator: fp32 product, clamp, round to nearest even, add the zero point.
// `scale` is s_x * s_w / s_y in float, as XNNPACK computes it; lo and hi are the output bounds.
inline int32_t requantize(int32_t acc, float scale, int32_t zero_point, int32_t lo, int32_t hi) {
  const float product = static_cast<float>(acc) * scale;
  const float clamped =
      std::min(std::max(product, static_cast<float>(lo - zero_point)), static_cast<float>(hi - zero_point));
  return static_cast<int32_t>(std::lrintf(clamped)) + zero_point;
}

// Real bounds of an activation.
struct RealRange {
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();
};
RealRange range_of(const Activation& act);  // tanh and sign_bit are not clamps: see apply()

// The fused activation of a float kernel.
float apply(const Activation& act, float x);

// (Q9) Bounds of the integers that a fused activation leaves, inside the type's own range.
struct QuantBounds {
  int32_t lo, hi;
};
QuantBounds bounds_of(const Activation& act, DType t, const Affine& a);

}  // namespace octet
