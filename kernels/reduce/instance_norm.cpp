// INSTANCE_NORM (circle): y = act((x - mean) * gamma / sqrt(variance + epsilon) + beta), the mean and the
// variance of each channel of each sample over its own pixels.
//
// Source of the semantics: luci-interpreter's kernel in Samsung/ONE (InstanceNorm.cpp): four axes are NHWC;
// three axes are N, C, D with the mean over D; gamma and beta have one number per channel or one for all.
// The variance here is the mean of (x - mean)^2, which does not cancel where luci's E[x^2] - mean^2 does.
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

// Element i of channel c of sample b is at (b * channels + c) * size + i, or with channels last at
// (b * size + i) * channels + c.
struct Geometry {
  int64_t batches = 0, channels = 0, size = 0;
  bool channels_last = true;
  int64_t stride() const { return channels_last ? channels : 1; }
  int64_t first(int64_t b, int64_t c) const { return b * channels * size + c * (channels_last ? 1 : size); }
};

Geometry geometry_of(const Shape& s) {
  if (s.rank() == 3) return {s[0], s[1], s[2], false};
  return {s[0], s[3], int64_t{s[1]} * s[2], true};
}

Result<InferredShapes> infer_instance_norm(const NodeDesc& n) {
  const Shape& s = n.in[0].shape;
  if (s.rank() != 3 && s.rank() != 4)
    return Status::unsupported(fmt::format("an input of {} axes; three or four", s.rank()));
  const Geometry g = geometry_of(s);
  OCTET_TRY(ChannelTerm::check(n, 1, g.channels));
  OCTET_TRY(ChannelTerm::check(n, 2, g.channels));
  OCTET_TRY(check_epsilon(n.attr<InstanceNormAttrs>().epsilon));
  return infer_same(n);
}

// Everything a kernel knows before it runs.
struct Norm {
  Geometry g;
  ChannelTerm gamma, beta;
  double epsilon = 0, scale = 1;  // scale: of the input's integers; 1 for floats
  int zero = 0;                   // zero point of the input
  Affine out;
  Activation act;
  QuantBounds bounds{0, 0};

  // What (x - mean) is multiplied with. Integers without any variance give beta, floats what IEEE gives.
  double factor(double variance, double gamma_c, bool integer) const {
    const double power = scale * scale * variance + epsilon;
    return integer && power == 0 ? 0 : gamma_c * scale / std::sqrt(power);
  }
};

Result<Norm> norm_of(const NodeDesc& n) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return unsupported_type(out);
  const auto& attr = n.attr<InstanceNormAttrs>();
  Norm k;
  k.g = geometry_of(in.shape);
  OCTET_ASSIGN(k.gamma, ChannelTerm::make(n, 1, k.g.channels, 1));
  OCTET_ASSIGN(k.beta, ChannelTerm::make(n, 2, k.g.channels, 0));
  k.epsilon = static_cast<double>(attr.epsilon);
  k.act = attr.act;
  if (in.dtype == DType::float32) return k;
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(k.out, affine_of(out));
  if (k.act.kind == Activation::Kind::tanh || k.act.kind == Activation::Kind::sign_bit)
    return Status::unsupported("this fused activation has no integer form");
  k.scale = static_cast<double>(a.scale);
  k.zero = static_cast<int>(a.zero_point);
  k.bounds = bounds_of(k.act, out.dtype, k.out);
  return k;
}

struct Moments {
  double mean = 0, variance = 0;
};

template <class T>
Moments moments_of(const T* x, const Geometry& g, int zero) {
  const auto n = static_cast<double>(g.size);
  if constexpr (std::is_same_v<T, float>) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < g.size; ++i)
      sum += static_cast<double>(x[i * g.stride()]);
    const double mean = sum / n;
    for (int64_t i = 0; i < g.size; ++i) {
      const double d = static_cast<double>(x[i * g.stride()]) - mean;
      squares += d * d;
    }
    return {mean, squares / n};
  } else {
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < g.size; ++i) {
      const int d = x[i * g.stride()] - zero;
      sum += d;
      squares += d * d;
    }
    const double mean = static_cast<double>(sum) / n;
    return {mean, std::max(static_cast<double>(squares) - static_cast<double>(sum) * mean, 0.0) / n};
  }
}

template <class T>
std::unique_ptr<Kernel> reference_kernel(Norm norm) {
  constexpr bool integer = !std::is_same_v<T, float>;
  return make_kernel([k = std::move(norm)](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    T* out = static_cast<T*>(args.out[0]);
    const Geometry& g = k.g;
    const std::vector<double> gamma = k.gamma.values(args), beta = k.beta.values(args);
    const auto units = static_cast<size_t>(g.batches * g.channels);
    args.pool.for_range(units, 1 + 8192 / static_cast<size_t>(g.size + 1), [&](size_t begin, size_t end) {
      for (size_t u = begin; u < end; ++u) {
        const size_t c = u % static_cast<size_t>(g.channels);
        const int64_t first = g.first(static_cast<int64_t>(u) / g.channels, static_cast<int64_t>(c));
        const Moments m = moments_of(in + first, g, k.zero);
        const double factor = k.factor(m.variance, gamma[c], integer);
        for (int64_t i = 0; i < g.size; ++i) {
          const int64_t at = first + i * g.stride();
          const double y = (static_cast<double>(in[at]) - k.zero - m.mean) * factor + beta[c];
          if constexpr (integer)
            out[at] = quantize<T>(y, k.out, k.bounds.lo, k.bounds.hi);
          else
            out[at] = apply(k.act, static_cast<float>(y));
        }
      }
    });
    return {};
  });
}

KernelResult reference_instance_norm(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Norm k, norm_of(n));
  return dispatch<float, int8_t, uint8_t>(n.in[0].dtype, unsupported_type(n.in[0]),
                                          [&](auto type) -> KernelResult {
                                            using T = typename decltype(type)::type;
                                            return reference_kernel<T>(std::move(k));
                                          });
}

// Channels last: channels side by side in vector registers, pixel after pixel, so that sums have the
// reference_instance_norm's own order.
struct Columns {
  std::vector<double> mean, factor, beta;
  explicit Columns(size_t n) : mean(n), factor(n), beta(n) {}
};

void sum_columns(const float* x, const Geometry& g, size_t n, double* mean, double* variance) {
  const auto rows = static_cast<size_t>(g.size), stride = static_cast<size_t>(g.channels);
  row_loop(rows, n,
           [=](size_t r, size_t i) OCTET_INLINE { mean[i] += static_cast<double>(x[r * stride + i]); });
  for (size_t i = 0; i < n; ++i)
    mean[i] /= static_cast<double>(g.size);
  row_loop(rows, n, [=](size_t r, size_t i) OCTET_INLINE {
    const double d = static_cast<double>(x[r * stride + i]) - mean[i];
    variance[i] += d * d;
  });
  for (size_t i = 0; i < n; ++i)
    variance[i] /= static_cast<double>(g.size);
}

template <class T>
void sum_columns(const T* x, const Geometry& g, size_t n, int zero, double* mean, double* variance) {
  constexpr size_t kRows = 32768;  // sums of that many squares fit in 32 bits
  const auto rows = static_cast<size_t>(g.size), stride = static_cast<size_t>(g.channels);
  std::vector<int64_t> sum(n), squares(n);
  std::vector<int32_t> part(n), part_squares(n);
  for (size_t row = 0; row < rows; row += kRows) {
    std::fill(part.begin(), part.end(), 0);
    std::fill(part_squares.begin(), part_squares.end(), 0);
    int32_t *s = part.data(), *q = part_squares.data();
    const T* p = x + row * stride;
    row_loop(std::min(kRows, rows - row), n, [=](size_t r, size_t i) OCTET_INLINE {
      const int32_t d = p[r * stride + i] - zero;
      s[i] += d;
      q[i] += d * d;
    });
    for (size_t i = 0; i < n; ++i) {
      sum[i] += part[i];
      squares[i] += part_squares[i];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    const auto total = static_cast<double>(sum[i]), count = static_cast<double>(g.size);
    mean[i] = total / count;
    variance[i] = std::max(static_cast<double>(squares[i]) - total * mean[i], 0.0) / count;
  }
}

void write_columns(const float* x, float* y, const Norm& k, const Columns& c, size_t n) {
  const auto stride = static_cast<size_t>(k.g.channels);
  const double *mean = c.mean.data(), *factor = c.factor.data(), *beta = c.beta.data();
  const RealRange r = range_of(k.act);
  const float lo = r.lo, hi = r.hi;
  row_loop(static_cast<size_t>(k.g.size), n, [=](size_t row, size_t i) OCTET_INLINE {
    const size_t at = row * stride + i;
    auto v = static_cast<float>((static_cast<double>(x[at]) - mean[i]) * factor[i] + beta[i]);
    v = v < lo ? lo : v;
    y[at] = v > hi ? hi : v;
  });
}

template <class T>
void write_columns(const T* x, T* y, const Norm& k, const Columns& c, size_t n) {
  const auto stride = static_cast<size_t>(k.g.channels);
  const double scale = static_cast<double>(k.out.scale);
  std::vector<float> slope(n), shift(n);
  for (size_t i = 0; i < n; ++i) {
    slope[i] = static_cast<float>(c.factor[i] / scale);
    shift[i] = static_cast<float>((c.beta[i] - (k.zero + c.mean[i]) * c.factor[i]) / scale);
  }
  const float *a = slope.data(), *b = shift.data();
  const auto zero = static_cast<int>(k.out.zero_point);
  const auto lo = static_cast<float>(k.bounds.lo - zero), hi = static_cast<float>(k.bounds.hi - zero);
  row_loop(static_cast<size_t>(k.g.size), n, [=](size_t row, size_t i) OCTET_INLINE {
    const size_t at = row * stride + i;
    float v = static_cast<float>(x[at]) * a[i] + b[i];
    v = v < lo ? lo : v;
    v = v > hi ? hi : v;
    y[at] = static_cast<T>(round_small(v) + zero);
  });
}

template <class T>
std::unique_ptr<Kernel> columns_kernel(Norm norm) {
  constexpr bool integer = !std::is_same_v<T, float>;
  return make_kernel([k = std::move(norm)](const RunArgs& args) -> Status {
    const Geometry& g = k.g;
    const std::vector<double> gamma = k.gamma.values(args), beta = k.beta.values(args);
    args.pool.for_range(static_cast<size_t>(g.channels), 16, [&](size_t begin, size_t end) {
      const size_t n = end - begin;
      for (int64_t b = 0; b < g.batches; ++b) {
        const int64_t first = g.first(b, static_cast<int64_t>(begin));
        const T* x = static_cast<const T*>(args.in[0]) + first;
        Columns c(n);
        if constexpr (integer)
          sum_columns(x, g, n, k.zero, c.mean.data(), c.factor.data());
        else
          sum_columns(x, g, n, c.mean.data(), c.factor.data());
        for (size_t i = 0; i < n; ++i) {
          c.factor[i] = k.factor(c.factor[i], gamma[begin + i], integer);
          c.beta[i] = beta[begin + i];
        }
        write_columns(x, static_cast<T*>(args.out[0]) + first, k, c, n);
      }
    });
    return {};
  });
}

KernelResult columns(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Norm k, norm_of(n));
  if (!k.g.channels_last) return Status::declined("channels are not the last axis");
  if (k.g.channels * k.g.batches == 0 || k.g.size == 0) return Status::declined("no elements");
  if (k.act.kind == Activation::Kind::tanh || k.act.kind == Activation::Kind::sign_bit)
    return Status::declined("the fused activation is no clamp");
  return dispatch<float, int8_t, uint8_t>(n.in[0].dtype, declined_type(n.in[0].dtype),
                                          [&](auto type) -> KernelResult {
                                            using T = typename decltype(type)::type;
                                            return columns_kernel<T>(std::move(k));
                                          });
}

}  // namespace

const OpSpec& spec_INSTANCE_NORM() {
  static const OpSpec spec{
      .kind = OpKind::INSTANCE_NORM,
      .inputs = {3, 3},
      .infer = infer_instance_norm,
      .reference = {"reference", reference_instance_norm},
      .fast = {{"columns", columns, cost::per_element<300>}},
      .quant = QuantRule::of({activation(), keep(), keep()}, {activation()}),
      .readers = {kNoForm, kNoForm},
      .notes = "only in .circle; three axes (N, C, D) or four (NHWC); gamma and beta stay float32 in int8",
  };
  return spec;
}

}  // namespace octet
