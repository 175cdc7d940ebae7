// SOFTMAX and LOG_SOFTMAX along the last axis.
//
// 8-bit: q - max takes 256 values, so exp is a table made at creation. Short rows compute each output from
// it; for long rows the outputs themselves become a table per row, and the row one look-up.
#include <algorithm>
#include <cmath>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "kernels/elementwise/lookup.hpp"
#include "kernels/infer.hpp"
#include "kernels/vector_loop.hpp"
#include "kernels/xnnpack/softmax.hpp"
#include "octet/try.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
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

// What the 8-bit kernel knows before it sees data. Index: greatest q of the row minus q.
struct Table {
  static constexpr double kOne = 2147483648.0;          // exp(0) in fixed point
  std::array<uint32_t, 256> exp{};                      // exp(-index * beta * scale) * kOne
  std::array<std::array<uint8_t, 256>, 4> exp_bytes{};  // the same, a table per byte
  // SOFTMAX: exp; LOG_SOFTMAX: -index * beta * scale / output scale. Backwards and twice, so that the terms
  // for consecutive q begin at one place.
  std::array<float, 512> scaled{};
  float out_scale = 1;
  int zero_point = 0, lo = 0, hi = 0;
  bool log = false;

  // The output whose part without the row's sum is `x`, with `term` made from that sum.
  OCTET_INLINE uint8_t value(float x, float term) const {
    const float y = log ? x - term : x * term;
    const float clamped =
        std::min(std::max(y, static_cast<float>(lo - zero_point)), static_cast<float>(hi - zero_point));
    return static_cast<uint8_t>(round_small(clamped) + zero_point);
  }
};

// Of one row, whose bytes XOR `flip` are unsigned: the greatest, and the sum of exp below it. The sum is of
// integers, so it is the same in any order.
struct Summary {
  uint8_t greatest = 0;
  uint64_t sum = 0;
};

Summary summarize_base(const Table& t, const uint8_t* in, size_t n, uint8_t flip) {
  Summary s;
  for (size_t i = 0; i < n; ++i)
    s.greatest = std::max<uint8_t>(s.greatest, in[i] ^ flip);
  for (size_t i = 0; i < n; ++i)
    s.sum += t.exp[static_cast<uint8_t>(s.greatest - (in[i] ^ flip))];
  return s;
}

#ifdef __x86_64__
// 64 look-ups in a register table at once, byte by byte of the fixed point; each byte is summed by itself.
[[gnu::target("avx512vbmi,avx512bw")]] Summary summarize_vbmi(const Table& t, const uint8_t* in, size_t n,
                                                              uint8_t flip) {
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  const auto some_of = [n](size_t i) { return n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1; };
  __m512i most = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 64) {
    const __mmask64 some = some_of(i);
    const __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(some, in + i), flips);
    most = _mm512_mask_max_epu8(most, some, most, x);
  }
  alignas(64) uint8_t lanes[64];  // gcc 12's own headers warn where a part of a register is taken
  _mm512_store_si512(lanes, most);
  const auto* quarters = reinterpret_cast<const __m128i*>(lanes);
  const __m128i most16 =
      _mm_max_epu8(_mm_max_epu8(quarters[0], quarters[1]), _mm_max_epu8(quarters[2], quarters[3]));
  // The least of eight 16-bit lanes is one instruction: of 255 - x, pairs folded into one byte each.
  const __m128i inverted = _mm_xor_si128(most16, _mm_set1_epi8(-1));
  const __m128i least = _mm_minpos_epu16(_mm_min_epu8(inverted, _mm_srli_epi16(inverted, 8)));
  Summary s;
  s.greatest = static_cast<uint8_t>(~_mm_cvtsi128_si32(least));
  const __m512i greatest = _mm512_set1_epi8(static_cast<char>(s.greatest)), zero = _mm512_setzero_si512();
  __m512i sums = zero;
  for (unsigned byte = 0; byte < 4; ++byte) {
    const uint8_t* table = t.exp_bytes[byte].data();
    const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
    const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
    __m512i byte_sums = zero;
    for (size_t i = 0; i < n; i += 64) {
      const __mmask64 some = some_of(i);
      const __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(some, in + i), flips);
      const __m512i d = _mm512_sub_epi8(greatest, x);
      const __m512i low = _mm512_permutex2var_epi8(t0, d, t1), high = _mm512_permutex2var_epi8(t2, d, t3);
      const __m512i e = _mm512_mask_blend_epi8(_mm512_movepi8_mask(d), low, high);
      byte_sums = _mm512_add_epi64(byte_sums, _mm512_sad_epu8(_mm512_maskz_mov_epi8(some, e), zero));
    }
    sums = _mm512_add_epi64(sums, _mm512_maskz_slli_epi64(0xff, byte_sums, 8 * byte));
  }
  alignas(64) uint64_t parts[8];
  _mm512_store_si512(parts, sums);
  for (uint64_t part : parts)
    s.sum += part;
  return s;
}
#endif

Summary summarize(const Table& t, const uint8_t* in, size_t n, uint8_t flip) {
#ifdef __x86_64__
  static const bool vbmi = __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw");
  if (vbmi && n >= 16) return summarize_vbmi(t, in, n, flip);
#endif
  return summarize_base(t, in, n, flip);
}

void softmax_row_8bit(const Table& t, const uint8_t* in, uint8_t* out, size_t n, uint8_t flip) {
  // From here on a table of 256 outputs is cheaper than n outputs.
  const size_t long_row = loop_isa() == Isa::base ? 128 : 32;
  const Summary s = summarize(t, in, n, flip);
  const double sum = static_cast<double>(s.sum) / Table::kOne, scale = static_cast<double>(t.out_scale);
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

KernelResult octet_8bit_softmax(const NodeDesc& n, ThreadPool&) {
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
    const double x = -static_cast<double>(d) * step, e = std::exp(x);
    t.exp[d] = static_cast<uint32_t>(std::llrint(e * Table::kOne));
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
  s.fast = {{"octet", octet_8bit_softmax}};
  if (kind == OpKind::SOFTMAX) s.fast.push_back({"xnnpack", softmax_xnnpack});
  s.quant = QuantRule::of({activation()}, {out});
  s.version_int8 = 2;
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
  static const OpSpec spec =
      make(OpKind::LOG_SOFTMAX, Traits(), fixed(16.0f / 256, 127, 16.0f / 32768), "along the last axis");
  return spec;
}

}  // namespace octet
