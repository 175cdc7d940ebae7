// SOFTMAX and LOG_SOFTMAX along the last axis.
//
// 8-bit: q - max takes 256 values, so exp is a table made at creation. Short rows compute each output from
// it; for long rows the outputs themselves become a table per row, and the row one look-up.
#include "kernels/xnnpack/softmax.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/cost.hpp"
#include "kernels/elementwise/lookup.hpp"
#include "kernels/infer.hpp"
#include "kernels/reduce/softmax_table.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace softmax {

Summary summarize_portable(const Table& t, const uint8_t* in, size_t n, uint8_t flip) {
  Summary s;
  for (size_t i = 0; i < n; ++i)
    s.greatest = std::max<uint8_t>(s.greatest, in[i] ^ flip);
  for (size_t i = 0; i < n; ++i)
    s.sum += t.exp[static_cast<uint8_t>(s.greatest - (in[i] ^ flip))];
  return s;
}

Loops loops_of([[maybe_unused]] const Cpu& cpu) {
  Loops loops{summarize_portable};
#if defined(__x86_64__)
  if (cpu.has(CpuFeature::avx512_vbmi)) add_avx512_vbmi(loops);
#endif
  return loops;
}

}  // namespace softmax

namespace {

Result<InferredShapes> infer_softmax(const NodeDesc& n) {
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

KernelResult reference_softmax(const NodeDesc& n, ThreadPool&) {
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

void softmax_row_8bit(const softmax::Table& t, const uint8_t* in, uint8_t* out, size_t n, uint8_t flip) {
  // From here on a table of 256 outputs is cheaper than n outputs.
  const size_t long_row = loop_isa() == LoopIsa::base ? 128 : 32;
  static const softmax::Loops loops = softmax::loops_of(cpu());
  const softmax::Summary s = loops.summarize(t, in, n, flip);
  const double sum = static_cast<double>(s.sum) / softmax::Table::kOne,
               scale = static_cast<double>(t.out_scale);
  const auto term = static_cast<float>(t.log ? std::log(sum) / scale : 1 / (sum * scale));
  // The term of byte b is at from[b].
  const float* from = t.scaled.data() + (255 - s.greatest);
  if (n < long_row) {
    for (size_t i = 0; i < n; ++i)
      out[i] = t.value(from[in[i] ^ flip], term);
    return;
  }
  LookupTable values;
  // Copied: the compiler must see that the stores of bytes do not change them.
  const int zero_point = t.zero_point;
  const float lo = static_cast<float>(t.lo - zero_point), hi = static_cast<float>(t.hi - zero_point);
  const float factor = t.log ? 1.0f : term, offset = t.log ? term : 0.0f;
  for (size_t half : {size_t{0}, size_t{128}}) {
    const float* term_of = from + (half ^ flip);
    uint8_t* half_value = values.bytes.data() + half;
    element_loop(0, 128, [=](size_t b) OCTET_INLINE {
      const float y = std::min(std::max(term_of[b] * factor - offset, lo), hi);
      half_value[b] = static_cast<uint8_t>(round_small(y) + zero_point);
    });
  }
  look_up(values, in, out, n);
}

KernelResult byte_softmax(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (!is_byte(in.dtype) || !is_byte(out.dtype))
    return declined_type(is_byte(in.dtype) ? out.dtype : in.dtype);
  if (in.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  const double beta = beta_of(n), step = beta * static_cast<double>(a.scale);
  if (!(beta > 0)) return Status::declined("beta is not positive");
  softmax::Table t;
  t.log = n.kind == OpKind::LOG_SOFTMAX;
  t.out_scale = b.scale;
  t.zero_point = static_cast<int>(b.zero_point);
  const IntRange range = range_of(out.dtype);
  t.lo = static_cast<int>(range.lo);
  t.hi = static_cast<int>(range.hi);
  for (size_t d = 0; d < 256; ++d) {
    const double x = -static_cast<double>(d) * step, e = std::exp(x);
    t.exp[d] = static_cast<uint32_t>(std::llrint(e * softmax::Table::kOne));
    for (size_t byte = 0; byte < 4; ++byte)
      t.exp_bytes[byte][d] = static_cast<uint8_t>(t.exp[d] >> (8 * byte));
    t.scaled[255 - d] = t.scaled[511 - d] = static_cast<float>(t.log ? x / static_cast<double>(b.scale) : e);
  }
  const Rows rows = rows_of(in.shape);
  const uint8_t flip = in.dtype == DType::int8 ? 0x80 : 0;
  return make_kernel([=](const RunArgs& args) -> Status {
    const auto* x = static_cast<const uint8_t*>(args.in[0]);
    auto* y = static_cast<uint8_t*>(args.out[0]);
    args.pool.for_range(rows.count, grain_of(rows), [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r)
        softmax_row_8bit(t, x + r * rows.length, y + r * rows.length, rows.length, flip);
    });
    return {};
  });
}

OpSpec make(OpKind kind, Traits traits, TensorRule out, std::string_view notes) {
  OpSpec s;
  s.kind = kind;
  s.traits = traits;
  s.infer = infer_softmax;
  s.reference = {"reference", reference_softmax};
  s.fast = {{"byte-table", byte_softmax, cost::per_element<200>}};
  if (kind == OpKind::SOFTMAX) s.fast.push_back({"xnnpack", softmax_xnnpack, cost::per_element<500>});
  s.quant = QuantRule::of({activation()}, {out});
  s.version_int8 = 2;
  s.rescales = true;
  s.version_int16 = kind == OpKind::SOFTMAX ? 3 : 2;
  s.notes = notes;
  return s;
}

}  // namespace

const OpSpec& spec_SOFTMAX() {
  static const OpSpec spec = make(OpKind::SOFTMAX, Trait::nonnegative, fixed(1.0f / 256, -128, 1.0f / 32768),
                                  "along the last axis; int16 output scale is 1/32768");
  return spec;
}

const OpSpec& spec_LOG_SOFTMAX() {
  static const OpSpec spec = read_by(
      make(OpKind::LOG_SOFTMAX, Traits(), fixed(16.0f / 256, 127, 16.0f / 32768), "along the last axis"),
      kFloatAndInt8, kFloatAndInt8);
  return spec;
}

}  // namespace octet
