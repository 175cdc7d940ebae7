// L2_NORMALIZATION along the last axis: x / sqrt(max(sum of x^2, 1e-6)).
#include <algorithm>
#include <cmath>

#include "kernels/cost.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr double kEpsilon = 1e-6;

Result<InferredShapes> infer_l2_normalization(const NodeDesc& n) {
  if (n.in[0].shape.rank() == 0) return Status::corrupt("the input is a scalar; needs at least one axis");
  if (!n.attr<ActivationAttrs>().act.none()) return Status::unsupported("a fused activation");
  return infer_same(n);
}

template <class T, class F>
std::unique_ptr<Kernel> rows_kernel(const Shape& s, F f) {  // f(in, out, length) per row
  const auto length = static_cast<size_t>(s[-1]);
  const auto rows = static_cast<size_t>(s.elements(0, s.rank() - 1));
  return make_kernel([=](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    T* out = static_cast<T*>(args.out[0]);
    args.pool.for_range(rows, 1 + 8192 / (length + 1), [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r)
        f(in + r * length, out + r * length, length);
    });
    return {};
  });
}

KernelResult reference_l2_normalization(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return unsupported_type(out);
  if (in.dtype == DType::float32)
    return rows_kernel<float>(in.shape, [](const float* x, float* y, size_t length) {
      double sum = 0;
      for (size_t i = 0; i < length; ++i)
        sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      const double norm = std::sqrt(std::max(sum, kEpsilon));
      for (size_t i = 0; i < length; ++i)
        y[i] = static_cast<float>(static_cast<double>(x[i]) / norm);
    });
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  return dispatch<int8_t, uint8_t, int16_t>(in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    return rows_kernel<T>(in.shape, [a, b](const T* x, T* y, size_t length) {
      double sum = 0;
      for (size_t i = 0; i < length; ++i)
        sum += dequantize(x[i], a) * dequantize(x[i], a);
      const double norm = std::sqrt(std::max(sum, kEpsilon));
      for (size_t i = 0; i < length; ++i)
        y[i] = quantize<T>(dequantize(x[i], a) / norm, b);
    });
  });
}

// 8 bits: the sum of squares is exact in integers, the rest one vectorized loop.
KernelResult byte_l2_normalization(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype || in.dtype == DType::int16) return declined_type(out.dtype);
  if (in.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  return dispatch<int8_t, uint8_t>(in.dtype, declined_type(in.dtype), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    const auto za = static_cast<int>(a.zero_point), zb = static_cast<int>(b.zero_point);
    const auto lo = static_cast<float>(std::numeric_limits<T>::min() - zb);
    const auto hi = static_cast<float>(std::numeric_limits<T>::max() - zb);
    return rows_kernel<T>(in.shape, [=](const T* x, T* y, size_t length) {
      int64_t sum = 0;
      for (size_t i = 0; i < length; ++i) {
        const int d = x[i] - za;
        sum += d * d;
      }
      const auto s = static_cast<double>(a.scale);
      const double norm = std::sqrt(std::max(s * s * static_cast<double>(sum), kEpsilon));
      const auto factor = static_cast<float>(s / (norm * static_cast<double>(b.scale)));
      element_loop(0, length, [=](size_t i) OCTET_INLINE {
        float v = static_cast<float>(x[i] - za) * factor;
        v = v < lo ? lo : v;
        v = v > hi ? hi : v;
        y[i] = static_cast<T>(round_small(v) + zb);
      });
    });
  });
}

}  // namespace

const OpSpec& spec_L2_NORMALIZATION() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::L2_NORMALIZATION;
    s.infer = infer_l2_normalization;
    s.reference = {"reference", reference_l2_normalization};
    s.fast = {{"byte-rows", byte_l2_normalization, cost::per_element<300>}};
    s.quant = QuantRule::of({activation()}, {fixed(1.0f / 128, 0, 1.0f / 32768)});
    s.rescales = true;
    s.version_int8 = 2;
    s.readers = {kFloatAndInt8, kFloatAndInt8};
    s.notes = "along the last axis; no fused activation";
    return s;
  }();
  return spec;
}

}  // namespace octet
