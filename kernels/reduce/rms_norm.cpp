// RMS_NORM (circle) along the last axis: y = x / sqrt(mean of x^2 + epsilon) * gamma + beta.
//
// Source of the semantics: cker's and luci-interpreter's kernels in Samsung/ONE (RmsNorm.h, RmsNorm.cpp).
// Files of late 2024 have a third input, beta, which ONE removed from the format in October 2024.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/cost.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/reduce/normalization.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_rms_norm(const NodeDesc& n) {
  const Shape& s = n.in[0].shape;
  if (s.rank() == 0) return Status::corrupt("the input is a scalar; needs at least one axis");
  OCTET_TRY(ChannelTerm::check(n, 1, s[-1]));
  OCTET_TRY(ChannelTerm::check(n, 2, s[-1]));
  OCTET_TRY(check_epsilon(n.attr<RmsNormAttrs>().epsilon));
  return infer_same(n);
}

struct RmsNorm {
  size_t rows = 0, length = 0;
  ChannelTerm gamma, beta;
  double epsilon = 0, scale = 1;  // scale: of the input's integers; 1 for floats
  int zero = 0;
  Affine out;

  // What x (integers: steps from the zero point) is multiplied with. A row of integers that are all real 0
  // gives beta even without an epsilon; floats what IEEE gives.
  double factor(double squares, bool integer) const {
    const double power = scale * scale * (squares / static_cast<double>(length)) + epsilon;
    return integer && power == 0 ? 0 : scale / std::sqrt(power);
  }
};

Result<RmsNorm> rms_norm_of(const NodeDesc& n) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return unsupported_type(out);
  RmsNorm k;
  k.length = static_cast<size_t>(in.shape[-1]);
  k.rows = static_cast<size_t>(in.shape.elements(0, in.shape.rank() - 1));
  OCTET_ASSIGN(k.gamma, ChannelTerm::make(n, 1, in.shape[-1], 1));
  OCTET_ASSIGN(k.beta, ChannelTerm::make(n, 2, in.shape[-1], 0));
  k.epsilon = static_cast<double>(n.attr<RmsNormAttrs>().epsilon);
  if (in.dtype == DType::float32) return k;
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(k.out, affine_of(out));
  k.scale = static_cast<double>(a.scale);
  k.zero = static_cast<int>(a.zero_point);
  return k;
}

// f(x, y, gamma, beta) for every row.
template <class T, class F>
std::unique_ptr<Kernel> rows_kernel(RmsNorm norm, F f) {
  return make_kernel([k = std::move(norm), f](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    T* out = static_cast<T*>(args.out[0]);
    const std::vector<double> gamma = k.gamma.values(args), beta = k.beta.values(args);
    args.pool.for_range(k.rows, 1 + 8192 / (k.length + 1), [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r)
        f(k, in + r * k.length, out + r * k.length, gamma.data(), beta.data());
    });
    return {};
  });
}

template <class T>
auto squares_of(const T* x, size_t n, int zero) {
  if constexpr (std::is_same_v<T, float>) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i)
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return sum;
  } else {
    int64_t sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const int d = x[i] - zero;
      sum += d * d;
    }
    return sum;
  }
}

KernelResult reference_rms_norm(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(RmsNorm norm, rms_norm_of(n));
  return dispatch<float, int8_t, uint8_t>(
      n.in[0].dtype, unsupported_type(n.in[0]), [&](auto type) -> KernelResult {
        using T = typename decltype(type)::type;
        return rows_kernel<T>(
            std::move(norm), [](const RmsNorm& k, const T* x, T* y, const double* gamma, const double* beta) {
              constexpr bool integer = !std::is_same_v<T, float>;
              const double factor = k.factor(static_cast<double>(squares_of(x, k.length, k.zero)), integer);
              for (size_t i = 0; i < k.length; ++i) {
                const double v = (static_cast<double>(x[i]) - k.zero) * factor * gamma[i] + beta[i];
                if constexpr (integer)
                  y[i] = quantize<T>(v, k.out);
                else
                  y[i] = static_cast<float>(v);
              }
            });
      });
}

// Eight partial sums, which the compiler keeps in vector registers; their order is the same on every CPU.
double squares_in_double(const float* x, size_t n) {
  constexpr size_t kLanes = 8;
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (size_t l = 0; l < kLanes; ++l)
      lanes[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
  double sum = 0;
  for (; i < n; ++i)
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (size_t half = kLanes / 2; half > 0; half /= 2)
    for (size_t l = 0; l < half; ++l)
      lanes[l] += lanes[l + half];
  return sum + lanes[0];
}

KernelResult float_rms_norm(RmsNorm norm) {
  return rows_kernel<float>(std::move(norm), [](const RmsNorm& k, const float* x, float* y,
                                                const double* gamma, const double* beta) {
    const double factor = k.factor(squares_in_double(x, k.length), false);
    element_loop(0, k.length, [=](size_t i) OCTET_INLINE {
      y[i] = static_cast<float>(static_cast<double>(x[i]) * factor * gamma[i] + beta[i]);
    });
  });
}

// The same integers as squares_of(): products of 16-bit differences, summed in 32 bits as far as they fit.
template <class T>
int64_t squares_in_int32(const T* x, size_t n, int zero) {
  constexpr size_t kFit = 32768;
  int64_t sum = 0;
  for (size_t first = 0; first < n; first += kFit) {
    const size_t last = std::min(n, first + kFit);
    int32_t part = 0;
    for (size_t i = first; i < last; ++i) {
      const auto d = static_cast<int16_t>(x[i] - zero);
      part += d * d;
    }
    sum += part;
  }
  return sum;
}

template <class T>
KernelResult byte_rms_norm(RmsNorm norm) {
  return rows_kernel<T>(
      std::move(norm), [](const RmsNorm& k, const T* x, T* y, const double* gamma, const double* beta) {
        const int zx = k.zero, zy = static_cast<int>(k.out.zero_point);
        const double step = static_cast<double>(k.out.scale);
        const double factor = k.factor(static_cast<double>(squares_in_int32(x, k.length, zx)), true) / step;
        const auto f = static_cast<float>(factor), b = static_cast<float>(1 / step);
        const auto lo = static_cast<float>(std::numeric_limits<T>::min() - zy);
        const auto hi = static_cast<float>(std::numeric_limits<T>::max() - zy);
        element_loop(0, k.length, [=](size_t i) OCTET_INLINE {
          float v = static_cast<float>(x[i] - zx) * f * static_cast<float>(gamma[i]) +
                    static_cast<float>(beta[i]) * b;
          v = v < lo ? lo : v;
          v = v > hi ? hi : v;
          y[i] = static_cast<T>(round_small(v) + zy);
        });
      });
}

KernelResult rms_norm_rows(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(RmsNorm norm, rms_norm_of(n));
  switch (n.in[0].dtype) {
    case DType::float32: return float_rms_norm(std::move(norm));
    case DType::int8: return byte_rms_norm<int8_t>(std::move(norm));
    case DType::uint8: return byte_rms_norm<uint8_t>(std::move(norm));
    default: return declined_type(n.in[0].dtype);
  }
}

}  // namespace

const OpSpec& spec_RMS_NORM() {
  static const OpSpec spec{
      .kind = OpKind::RMS_NORM,
      .inputs = {2, 3},
      .infer = infer_rms_norm,
      .reference = {"reference", reference_rms_norm},
      .fast = {{"row-loop", rms_norm_rows, cost::per_element<300>}},
      .quant = QuantRule::of({activation(), keep(), keep()}, {activation()}),
      .readers = {kNoForm, kNoForm},
      .notes = "only in .circle; along the last axis; gamma and beta stay float32 in int8",
  };
  return spec;
}

}  // namespace octet
