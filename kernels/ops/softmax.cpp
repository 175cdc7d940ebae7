// SOFTMAX and LOG_SOFTMAX along the last axis.
//
// 8-bit: q - max takes 256 values, so exp is a table made at creation. Short rows compute each output from
// it; for long rows the outputs themselves become a table per row, and the row one look-up.
#include <algorithm>
#include <cmath>

#include "kernels/infer.hpp"
#include "kernels/ops/lookup.hpp"
#include "kernels/ops/softmax_xnnpack.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer(const NodeDesc& n) {
  if (n.in[0].shape.rank() == 0) return Status::corrupt("the input is a scalar; needs at least one axis");
  return infer_same(n);
}

struct Rows {
  size_t count, length;
};
Rows rows_of(const Shape& s) {
  const auto length = static_cast<size_t>(s[-1]);
  return {static_cast<size_t>(s.elements(0, s.rank() - 1)), length};
}
size_t grain_of(const Rows& rows) {  // rows worth a thread
  return 1 + 2048 / (rows.length + 1);
}

double beta_of(const NodeDesc& n) {
  return n.kind == OpKind::SOFTMAX ? static_cast<double>(n.attr<SoftmaxAttrs>().beta) : 1.0;
}

// out = exp(beta x - m) / sum, or beta x - m - log(sum), with m the greatest beta x.
void softmax_row(const double* x, double* y, size_t n, double beta, bool log) {
  double m = -std::numeric_limits<double>::infinity(), sum = 0;
  for (size_t i = 0; i < n; ++i)
    m = std::max(m, beta * x[i]);
  for (size_t i = 0; i < n; ++i) {
    y[i] = std::exp(beta * x[i] - m);
    sum += y[i];
  }
  const double log_sum = std::log(sum);
  for (size_t i = 0; i < n; ++i)
    y[i] = log ? beta * x[i] - m - log_sum : y[i] / sum;
}

template <class Tin, class Tout, class Real, class Quantized>
std::unique_ptr<Kernel> reference_kernel(const Rows& rows, double beta, bool log, Real real,
                                         Quantized store) {
  return make_kernel([=](const RunArgs& args) -> Status {
    const Tin* in = static_cast<const Tin*>(args.in[0]);
    Tout* out = static_cast<Tout*>(args.out[0]);
    args.pool.for_range(rows.count, grain_of(rows), [&](size_t begin, size_t end) {
      std::vector<double> x(rows.length), y(rows.length);
      for (size_t r = begin; r < end; ++r) {
        const size_t first = r * rows.length;
        for (size_t i = 0; i < rows.length; ++i)
          x[i] = real(in[first + i]);
        softmax_row(x.data(), y.data(), rows.length, beta, log);
        for (size_t i = 0; i < rows.length; ++i)
          out[first + i] = store(y[i]);
      }
    });
    return {};
  });
}

KernelResult reference(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  const Rows rows = rows_of(in.shape);
  const double beta = beta_of(n);
  const bool log = n.kind == OpKind::LOG_SOFTMAX;
  if (in.dtype == DType::float32 && out.dtype == DType::float32)
    return reference_kernel<float, float>(
        rows, beta, log, [](float x) { return static_cast<double>(x); },
        [](double y) { return static_cast<float>(y); });
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  return dispatch<int8_t, uint8_t, int16_t>(in.dtype, unsupported_type(in), [&](auto from) -> KernelResult {
    using Tin = typename decltype(from)::type;
    return dispatch<int8_t, uint8_t, int16_t>(out.dtype, unsupported_type(out), [&](auto to) -> KernelResult {
      using Tout = typename decltype(to)::type;
      return reference_kernel<Tin, Tout>(
          rows, beta, log, [a](Tin q) { return dequantize(q, a); },
          [b](double y) { return quantize<Tout>(y, b); });
    });
  });
}

// What the 8-bit kernel knows before it sees data. Index: greatest q of the row minus q.
struct Table {
  std::array<double, 256> exp{};    // exp(-index * beta * scale)
  std::array<float, 256> scaled{};  // SOFTMAX: exp; LOG_SOFTMAX: -index * beta * scale / output scale
  float out_scale = 1;
  int zero_point = 0, lo = 0, hi = 0;
  bool log = false;

  // The output for distance `d` from the greatest, with `term` made from the row's sum.
  uint8_t value(size_t d, float term) const {
    const float x = log ? scaled[d] - term : scaled[d] * term;
    const float y =
        std::min(std::max(x, static_cast<float>(lo - zero_point)), static_cast<float>(hi - zero_point));
    return static_cast<uint8_t>(static_cast<int>(std::lrintf(y)) + zero_point);
  }
};

template <class T>
void softmax_row_8bit(const Table& t, const T* in, uint8_t* out, size_t n) {
  constexpr size_t kLong = 192;  // from here on a table of 256 outputs is cheaper than n outputs
  T greatest = std::numeric_limits<T>::min();
  for (size_t i = 0; i < n; ++i)
    greatest = std::max(greatest, in[i]);
  const int m = greatest;
  double partial[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (size_t k = 0; k < 4; ++k)
      partial[k] += t.exp[static_cast<size_t>(m - in[i + k])];
  for (; i < n; ++i)
    partial[0] += t.exp[static_cast<size_t>(m - in[i])];
  const double sum = partial[0] + partial[1] + partial[2] + partial[3];
  const double scale = static_cast<double>(t.out_scale);
  const auto term = static_cast<float>(t.log ? std::log(sum) / scale : 1 / (sum * scale));
  if (n < kLong) {
    for (i = 0; i < n; ++i)
      out[i] = t.value(static_cast<size_t>(m - in[i]), term);
    return;
  }
  LookupTable values;
  for (size_t d = 0; d < 256; ++d)
    values.bytes[static_cast<uint8_t>(m - static_cast<int>(d))] = t.value(d, term);
  look_up(values, reinterpret_cast<const uint8_t*>(in), out, n);
}

KernelResult octet_8bit(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (!is_byte(in.dtype) || !is_byte(out.dtype))
    return declined_type(is_byte(in.dtype) ? out.dtype : in.dtype);
  if (in.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  const double beta = beta_of(n), step = beta * static_cast<double>(a.scale);
  if (!(beta > 0)) return Status::declined("beta is not positive");
  Table t;
  t.log = n.kind == OpKind::LOG_SOFTMAX;
  t.out_scale = b.scale;
  t.zero_point = static_cast<int>(b.zero_point);
  const IntRange range = range_of(out.dtype);
  t.lo = static_cast<int>(range.lo);
  t.hi = static_cast<int>(range.hi);
  for (size_t d = 0; d < 256; ++d) {
    const double x = -static_cast<double>(d) * step;
    t.exp[d] = std::exp(x);
    t.scaled[d] = static_cast<float>(t.log ? x / static_cast<double>(b.scale) : t.exp[d]);
  }
  const Rows rows = rows_of(in.shape);
  const bool is_signed = in.dtype == DType::int8;
  return make_kernel([=](const RunArgs& args) -> Status {
    const void* x = args.in[0];
    auto* y = static_cast<uint8_t*>(args.out[0]);
    args.pool.for_range(rows.count, grain_of(rows), [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r) {
        const size_t first = r * rows.length;
        if (is_signed)
          softmax_row_8bit(t, static_cast<const int8_t*>(x) + first, y + first, rows.length);
        else
          softmax_row_8bit(t, static_cast<const uint8_t*>(x) + first, y + first, rows.length);
      }
    });
    return {};
  });
}

OpSpec make(OpKind kind, TensorRule out, std::string_view notes) {
  OpSpec s;
  s.kind = kind;
  s.infer = infer;
  s.reference = {"reference", reference};
  s.fast = {{"octet", octet_8bit}};
  if (kind == OpKind::SOFTMAX) s.fast.push_back({"xnnpack", softmax_xnnpack});
  s.quant = QuantRule::of({activation()}, {out});
  s.version_int8 = 2;
  s.version_int16 = kind == OpKind::SOFTMAX ? 3 : 2;
  s.notes = notes;
  return s;
}

}  // namespace

const OpSpec& spec_SOFTMAX() {
  static const OpSpec spec = make(OpKind::SOFTMAX, fixed(1.0f / 256, -128, 1.0f / 32768),
                                  "along the last axis; int16 output scale is 1/32768");
  return spec;
}

const OpSpec& spec_LOG_SOFTMAX() {
  static const OpSpec spec =
      make(OpKind::LOG_SOFTMAX, fixed(16.0f / 256, 127, 16.0f / 32768), "along the last axis");
  return spec;
}

}  // namespace octet
