// AVX2: pairs of 16-bit products added in 32 bits.
#if defined(__x86_64__) || defined(__i386__)
#include <cstring>
#include <immintrin.h>
#include <type_traits>

#include "kernels/linear/loops.hpp"

#define OCTET_LINEAR_AVX2 __attribute__((target("avx2,fma")))

namespace octet::linear {
namespace {

// ---------------------------------------------------------------------------------------------------------
// Depthwise: two taps of eight channels per multiply-add. Interleaving the bytes of two taps and then
// widening them gives pairs in channel order.

template <class T>
OCTET_LINEAR_AVX2 inline __m256i widen(__m128i bytes) {
  if constexpr (std::is_same_v<T, int8_t>)
    return _mm256_cvtepi8_epi16(bytes);
  else
    return _mm256_cvtepu8_epi16(bytes);
}

OCTET_LINEAR_AVX2 inline __m256i requantize8(__m256i acc, const float* scale, const Requant& q) {
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(scale));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(q.lo)), _mm256_set1_ps(q.hi));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(q.zero));
}

template <class T>
OCTET_LINEAR_AVX2 inline void store(__m256i lo, __m256i hi, const DepthwiseRow& r, std::byte* out) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xD8);
  const __m128i a = _mm256_castsi256_si128(words), b = _mm256_extracti128_si256(words, 1);
  const __m128i bytes = std::is_same_v<T, int8_t> ? _mm_packs_epi16(a, b) : _mm_packus_epi16(a, b);
  if (r.width == kLanes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
    return;
  }
  alignas(16) std::byte part[kLanes];
  _mm_store_si128(reinterpret_cast<__m128i*>(part), bytes);
  std::memcpy(out, part, static_cast<size_t>(r.width));
}

template <class T>
OCTET_LINEAR_AVX2 void depthwise_avx2(const DepthwiseRow& r) {
  const auto* bias = static_cast<const __m256i*>(r.bias);
  for (int64_t p = 0; p < r.pixels; ++p) {
    const std::byte* base = r.base + p * r.step;
    const auto* w = static_cast<const __m256i*>(r.weights);
    __m256i lo = _mm256_loadu_si256(bias), hi = _mm256_loadu_si256(bias + 1);
    for (int64_t t = 0; t < r.taps; t += 2, w += 2) {
      const __m128i x0 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + r.offsets[t]));
      const __m128i x1 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + r.offsets[t + 1]));
      const __m256i pair_lo = widen<T>(_mm_unpacklo_epi8(x0, x1));
      const __m256i pair_hi = widen<T>(_mm_unpackhi_epi8(x0, x1));
      lo = _mm256_add_epi32(lo, _mm256_madd_epi16(pair_lo, _mm256_loadu_si256(w)));
      hi = _mm256_add_epi32(hi, _mm256_madd_epi16(pair_hi, _mm256_loadu_si256(w + 1)));
    }
    store<T>(requantize8(lo, r.requant.scale, r.requant), requantize8(hi, r.requant.scale + 8, r.requant), r,
             r.out + p * r.out_step);
  }
}

// The bytes of two taps are widened once for both pixels of a pair.
template <class T>
OCTET_LINEAR_AVX2 void depthwise_pairs_avx2(const DepthwiseRow& r) {
  const auto* bias = static_cast<const __m256i*>(r.bias);
  for (int64_t p = 0; p < r.pixels; p += 2) {
    const std::byte* base = r.base + p * r.step;
    const auto* w = static_cast<const __m256i*>(r.weights);
    __m256i lo0 = _mm256_loadu_si256(bias), hi0 = _mm256_loadu_si256(bias + 1), lo1 = lo0, hi1 = hi0;
    for (int64_t t = 0; t < r.taps; t += 2, w += 4) {
      const __m128i x0 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + r.offsets[t]));
      const __m128i x1 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + r.offsets[t + 1]));
      const __m256i lo = widen<T>(_mm_unpacklo_epi8(x0, x1)), hi = widen<T>(_mm_unpackhi_epi8(x0, x1));
      lo0 = _mm256_add_epi32(lo0, _mm256_madd_epi16(lo, _mm256_loadu_si256(w)));
      hi0 = _mm256_add_epi32(hi0, _mm256_madd_epi16(hi, _mm256_loadu_si256(w + 1)));
      lo1 = _mm256_add_epi32(lo1, _mm256_madd_epi16(lo, _mm256_loadu_si256(w + 2)));
      hi1 = _mm256_add_epi32(hi1, _mm256_madd_epi16(hi, _mm256_loadu_si256(w + 3)));
    }
    std::byte* out = r.out + p * r.out_step;
    store<T>(requantize8(lo0, r.requant.scale, r.requant), requantize8(hi0, r.requant.scale + 8, r.requant),
             r, out);
    store<T>(requantize8(lo1, r.requant.scale, r.requant), requantize8(hi1, r.requant.scale + 8, r.requant),
             r, out + r.out_step);
  }
}

// Two pixels at a time, so that four independent sums hide the latency of the multiply-adds.
OCTET_LINEAR_AVX2 void depthwise_float_avx2(const DepthwiseRow& r) {
  const auto* bias = static_cast<const float*>(r.bias);
  const __m256 least = _mm256_set1_ps(r.requant.lo), most = _mm256_set1_ps(r.requant.hi);
  for (int64_t p = 0; p < r.pixels; p += 2) {
    const int64_t second = p + 1 < r.pixels ? p + 1 : p;
    const std::byte *b0 = r.base + p * r.step, *b1 = r.base + second * r.step;
    const auto* w = static_cast<const float*>(r.weights);
    __m256 a0 = _mm256_loadu_ps(bias), a1 = _mm256_loadu_ps(bias + 8), c0 = a0, c1 = a1;
    for (int64_t t = 0; t < r.taps; ++t, w += kLanes) {
      const auto* x = reinterpret_cast<const float*>(b0 + r.offsets[t]);
      const auto* z = reinterpret_cast<const float*>(b1 + r.offsets[t]);
      const __m256 w0 = _mm256_loadu_ps(w), w1 = _mm256_loadu_ps(w + 8);
      a0 = _mm256_fmadd_ps(_mm256_loadu_ps(x), w0, a0);
      a1 = _mm256_fmadd_ps(_mm256_loadu_ps(x + 8), w1, a1);
      c0 = _mm256_fmadd_ps(_mm256_loadu_ps(z), w0, c0);
      c1 = _mm256_fmadd_ps(_mm256_loadu_ps(z + 8), w1, c1);
    }
    alignas(32) float y[2 * kLanes];
    // With the sum as second operand NaN stays NaN.
    _mm256_store_ps(y, _mm256_min_ps(most, _mm256_max_ps(least, a0)));
    _mm256_store_ps(y + 8, _mm256_min_ps(most, _mm256_max_ps(least, a1)));
    _mm256_store_ps(y + 16, _mm256_min_ps(most, _mm256_max_ps(least, c0)));
    _mm256_store_ps(y + 24, _mm256_min_ps(most, _mm256_max_ps(least, c1)));
    const size_t bytes = static_cast<size_t>(r.width) * sizeof(float);
    std::memcpy(r.out + p * r.out_step, y, bytes);
    std::memcpy(r.out + second * r.out_step, second == p ? y : y + kLanes, bytes);
  }
}
// ---------------------------------------------------------------------------------------------------------
// Panels: two k of eight lanes per multiply-add; 4 rows x 2 vectors of sums stay in registers.

OCTET_LINEAR_AVX2 inline __m256i requantize8(__m256i acc, const PanelJob& job) {
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_set1_ps(job.scale));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(job.lo)), _mm256_set1_ps(job.hi));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(job.zero));
}

// 4 rows x 2 vectors of sums; pair(i, k) is the address of elements k and k + 1 of row i.
template <class Pair>
OCTET_LINEAR_AVX2 inline void accumulate(const Pair& pair, const int16_t* right, int64_t depth,
                                         __m256i (&a)[kPanelRows][2]) {
  for (auto& row : a)
    row[0] = row[1] = _mm256_setzero_si256();
  for (int64_t k = 0; k < depth; k += 2, right += 2 * kLanes) {
    const __m256i r0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right));
    const __m256i r1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + 16));
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRows; ++i) {
      int32_t two;
      std::memcpy(&two, pair(i, k), sizeof(two));
      const __m256i l = _mm256_set1_epi32(two);
      a[i][0] = _mm256_add_epi32(a[i][0], _mm256_madd_epi16(l, r0));
      a[i][1] = _mm256_add_epi32(a[i][1], _mm256_madd_epi16(l, r1));
    }
  }
}

OCTET_LINEAR_AVX2 void row_sums_avx2(const int16_t* const* rows, const int16_t* right, int64_t depth,
                                     int32_t* acc) {
  __m256i a[kPanelRows][2];
  accumulate([rows](int64_t i, int64_t k) { return rows[i] + k; }, right, depth, a);
  for (int64_t i = 0; i < kPanelRows; ++i)
    for (int64_t j = 0; j < 2; ++j)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + i * kLanes + j * 8), a[i][j]);
}

template <class T>
OCTET_LINEAR_AVX2 void panel_avx2(const PanelJob& job) {
  __m256i a[kPanelRows][2];
  const int16_t* left = job.left;
  accumulate([left](int64_t i, int64_t k) { return left + k * kPanelRows + 2 * i; }, job.right, job.depth, a);
  for (int64_t i = 0; i < kPanelRows; ++i) {
    const __m256i lo = requantize8(a[i][0], job), hi = requantize8(a[i][1], job);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xD8);
    const __m128i w0 = _mm256_castsi256_si128(words), w1 = _mm256_extracti128_si256(words, 1);
    const __m128i bytes = std::is_same_v<T, int8_t> ? _mm_packs_epi16(w0, w1) : _mm_packus_epi16(w0, w1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(job.out + i * kLanes), bytes);
  }
}
// ---------------------------------------------------------------------------------------------------------
// Averages: sums in 16 bits.

OCTET_LINEAR_AVX2 inline __m256i average8(__m128i sums, const AverageRow& r) {
  const __m256i sum = _mm256_sub_epi32(_mm256_cvtepi16_epi32(sums), _mm256_set1_epi32(r.shift));
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(r.ratio));
  v = _mm256_div_ps(v, _mm256_set1_ps(r.divisor));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(r.lo)), _mm256_set1_ps(r.hi));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(r.zero));
}

template <class T>
OCTET_LINEAR_AVX2 void average_avx2(const AverageRow& r) {
  constexpr bool is_signed = std::is_same_v<T, int8_t>;
  for (int64_t p = 0; p < r.pixels; ++p) {
    const std::byte* base = r.base + p * r.step;
    __m256i sum = _mm256_setzero_si256();
    for (int64_t t = 0; t < r.taps; ++t) {
      const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + r.offsets[t]));
      sum = _mm256_add_epi16(sum, is_signed ? _mm256_cvtepi8_epi16(x) : _mm256_cvtepu8_epi16(x));
    }
    const __m256i lo = average8(_mm256_castsi256_si128(sum), r);
    const __m256i hi = average8(_mm256_extracti128_si256(sum, 1), r);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xD8);
    const __m128i w0 = _mm256_castsi256_si128(words), w1 = _mm256_extracti128_si256(words, 1);
    const __m128i bytes = is_signed ? _mm_packs_epi16(w0, w1) : _mm_packus_epi16(w0, w1);
    if (r.width == kAverageLanes) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(r.out + p * r.out_step), bytes);
    } else {
      alignas(16) std::byte part[kAverageLanes];
      _mm_store_si128(reinterpret_cast<__m128i*>(part), bytes);
      std::memcpy(r.out + p * r.out_step, part, static_cast<size_t>(r.width));
    }
  }
}
}  // namespace

void add_avx2(LinearLoops& loops) {
  loops.depthwise.s8 = {depthwise_avx2<int8_t>, 2, false, depthwise_pairs_avx2<int8_t>};
  loops.depthwise.u8 = {depthwise_avx2<uint8_t>, 2, false, depthwise_pairs_avx2<uint8_t>};
  loops.depthwise.f32 = depthwise_float_avx2;
  loops.panels = {2, panel_avx2<int8_t>, panel_avx2<uint8_t>, row_sums_avx2};
  loops.averages = {average_avx2<int8_t>, average_avx2<uint8_t>};
}

}  // namespace octet::linear

#endif
