#include "kernels/quant_math.hpp"

#include <algorithm>

#include "schema/core/int_range.hpp"

namespace octet {

RealRange range_of(const Activation& act) {
  switch (act.kind) {
    case Activation::Kind::relu: return {0.0f, std::numeric_limits<float>::infinity()};
    case Activation::Kind::relu_n1_to_1: return {-1.0f, 1.0f};
    case Activation::Kind::relu6: return {0.0f, 6.0f};
    case Activation::Kind::clamp: return {act.lo, act.hi};
    default: return {};
  }
}

float apply(const Activation& act, float x) {
  if (act.kind == Activation::Kind::none) return x;
  if (act.kind == Activation::Kind::tanh) return std::tanh(x);
  if (act.kind == Activation::Kind::sign_bit) return std::signbit(x) ? 1.0f : 0.0f;
  const RealRange r = range_of(act);
  return std::min(std::max(x, r.lo), r.hi);
}

QuantBounds bounds_of(const Activation& act, DType t, const Affine& a) {
  const IntRange type = range_of(t);
  const RealRange r = range_of(act);
  auto q = [&](float real, int64_t otherwise) {
    if (!std::isfinite(real)) return static_cast<int32_t>(otherwise);
    const double v = round_even(static_cast<double>(real) / static_cast<double>(a.scale)) +
                     static_cast<double>(a.zero_point);
    return saturate<int32_t>(v, static_cast<double>(type.lo), static_cast<double>(type.hi));
  };
  return {q(r.lo, type.lo), q(r.hi, type.hi)};
}

}  // namespace octet
