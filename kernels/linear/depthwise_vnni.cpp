// Depthwise convolution of int8 with instructions that add four products of bytes (VNNI): four taps of a
// channel at a time. Bytes are made unsigned by adding 128, which the bias takes off again.
#include <cstring>

#include "kernels/linear/simd.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>

#if defined(__GNUC__) && !defined(__clang__)
// gcc 12's own AVX512 headers start from vectors that are undefined on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#define OCTET_AVX_VNNI __attribute__((target("avx2,fma,avxvnni")))
#define OCTET_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")))

namespace octet::linear {
namespace {

inline const __m128i* tap(const std::byte* base, const ptrdiff_t* offset) {
  return reinterpret_cast<const __m128i*>(base + *offset);
}

// --- 256 bits ---

struct Interleaved {
  __m256i lo, hi;  // channels 0..7 and 8..15, the bytes of each channel's four taps side by side
};
OCTET_AVX_VNNI inline Interleaved interleave(const std::byte* base, const ptrdiff_t* offsets) {
  const __m128i x0 = _mm_loadu_si128(tap(base, offsets)), x1 = _mm_loadu_si128(tap(base, offsets + 1));
  const __m128i x2 = _mm_loadu_si128(tap(base, offsets + 2)), x3 = _mm_loadu_si128(tap(base, offsets + 3));
  const __m128i a = _mm_unpacklo_epi8(x0, x1), b = _mm_unpacklo_epi8(x2, x3);
  const __m128i c = _mm_unpackhi_epi8(x0, x1), d = _mm_unpackhi_epi8(x2, x3);
  const __m256i shift = _mm256_set1_epi8(-128);
  const __m256i lo = _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b));
  const __m256i hi = _mm256_set_m128i(_mm_unpackhi_epi16(c, d), _mm_unpacklo_epi16(c, d));
  return {_mm256_xor_si256(lo, shift), _mm256_xor_si256(hi, shift)};
}

// (Q7), up to the zero point.
OCTET_AVX_VNNI inline __m256i rescaled(__m256i acc, const float* scale, const Requant& q) {
  const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(scale));
  return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(q.hi)));
}

OCTET_AVX_VNNI inline void finish(__m256i lo, __m256i hi, const DepthwiseRow& r, std::byte* out) {
  const Requant& q = r.requant;
  const __m256i words = _mm256_permute4x64_epi64(
      _mm256_packs_epi32(rescaled(lo, q.scale, q), rescaled(hi, q.scale + 8, q)), 0xD8);
  const __m256i shifted = _mm256_adds_epi16(words, _mm256_set1_epi16(static_cast<int16_t>(q.zero)));
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1));
  const auto least = static_cast<int8_t>(static_cast<int32_t>(q.lo) + q.zero);
  alignas(16) std::byte y[kLanes];
  _mm_store_si128(reinterpret_cast<__m128i*>(y), _mm_max_epi8(bytes, _mm_set1_epi8(least)));
  std::memcpy(out, y, static_cast<size_t>(r.width));
}

OCTET_AVX_VNNI void avx_quads(const DepthwiseRow& r) {
  const auto* bias = static_cast<const __m256i*>(r.bias);
  for (int64_t p = 0; p < r.pixels; ++p) {
    const std::byte* base = r.base + p * r.step;
    const auto* w = static_cast<const __m256i*>(r.weights);
    __m256i lo = _mm256_loadu_si256(bias), hi = _mm256_loadu_si256(bias + 1);
    for (int64_t t = 0; t < r.taps; t += 4, w += 2) {
      const Interleaved x = interleave(base, r.offsets + t);
      lo = _mm256_dpbusd_avx_epi32(lo, x.lo, _mm256_loadu_si256(w));
      hi = _mm256_dpbusd_avx_epi32(hi, x.hi, _mm256_loadu_si256(w + 1));
    }
    finish(lo, hi, r, r.out + p * r.out_step);
  }
}

OCTET_AVX_VNNI void avx_pairs(const DepthwiseRow& r) {
  const auto* bias = static_cast<const __m256i*>(r.bias);
  for (int64_t p = 0; p < r.pixels; p += 2) {
    const std::byte* base = r.base + p * r.step;
    const auto* w = static_cast<const __m256i*>(r.weights);
    __m256i lo0 = _mm256_loadu_si256(bias), hi0 = _mm256_loadu_si256(bias + 1), lo1 = lo0, hi1 = hi0;
    for (int64_t t = 0; t < r.taps; t += 4, w += 4) {
      const Interleaved x = interleave(base, r.offsets + t);
      lo0 = _mm256_dpbusd_avx_epi32(lo0, x.lo, _mm256_loadu_si256(w));
      hi0 = _mm256_dpbusd_avx_epi32(hi0, x.hi, _mm256_loadu_si256(w + 1));
      lo1 = _mm256_dpbusd_avx_epi32(lo1, x.lo, _mm256_loadu_si256(w + 2));
      hi1 = _mm256_dpbusd_avx_epi32(hi1, x.hi, _mm256_loadu_si256(w + 3));
    }
    finish(lo0, hi0, r, r.out + p * r.out_step);
    finish(lo1, hi1, r, r.out + (p + 1) * r.out_step);
  }
}

// --- 512 bits ---

struct Constants {
  __m512i order, pixels;  // of the bytes of four taps; of the results of four pixels
  __m512 scale, hi;
  __m512i zero, lo;
  __mmask16 lanes;
};

template <class T, int kCount, int kOuter>
struct alignas(64) Transposed {
  T at[kCount];
  constexpr Transposed() : at() {
    for (int i = 0; i < kCount; ++i)
      at[i] = static_cast<T>(i % 4 * kOuter + i / 4);
  }
};
constexpr Transposed<uint8_t, 64, 16> kByteOrder;
constexpr Transposed<int32_t, 16, 4> kPixelOrder;

OCTET_AVX512_VNNI inline Constants constants(const DepthwiseRow& r) {
  const Requant& q = r.requant;
  const auto least = static_cast<int8_t>(static_cast<int32_t>(q.lo) + q.zero);
  return {_mm512_load_si512(kByteOrder.at),
          _mm512_load_si512(kPixelOrder.at),
          _mm512_loadu_ps(q.scale),
          _mm512_set1_ps(q.hi),
          _mm512_set1_epi16(static_cast<int16_t>(q.zero)),
          _mm512_set1_epi8(least),
          static_cast<__mmask16>((1U << r.width) - 1)};
}

OCTET_AVX512_VNNI inline __m512i quad(const std::byte* base, const ptrdiff_t* offsets, __m512i order) {
  __m512i x = _mm512_castsi128_si512(_mm_loadu_si128(tap(base, offsets)));
  x = _mm512_inserti32x4(x, _mm_loadu_si128(tap(base, offsets + 1)), 1);
  x = _mm512_inserti32x4(x, _mm_loadu_si128(tap(base, offsets + 2)), 2);
  x = _mm512_inserti32x4(x, _mm_loadu_si128(tap(base, offsets + 3)), 3);
  return _mm512_xor_si512(_mm512_permutexvar_epi8(order, x), _mm512_set1_epi8(-128));
}

// (Q7) for the sums of `count` pixels, at most four.
OCTET_AVX512_VNNI inline void finish(const __m512i* acc, int count, const DepthwiseRow& r, const Constants& k,
                                     std::byte* out) {
  __m512i q[4];
  for (int i = 0; i < 4; ++i) {
    const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[i < count ? i : 0]), k.scale);
    q[i] = _mm512_cvtps_epi32(_mm512_min_ps(v, k.hi));
  }
  const __m512i a = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), k.zero);
  const __m512i b = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), k.zero);
  const __m512i y = _mm512_permutexvar_epi32(k.pixels, _mm512_max_epi8(_mm512_packs_epi16(a, b), k.lo));
  _mm_mask_storeu_epi8(out, k.lanes, _mm512_castsi512_si128(y));
  if (count > 1) _mm_mask_storeu_epi8(out + r.out_step, k.lanes, _mm512_extracti32x4_epi32(y, 1));
  if (count > 2) _mm_mask_storeu_epi8(out + 2 * r.out_step, k.lanes, _mm512_extracti32x4_epi32(y, 2));
  if (count > 3) _mm_mask_storeu_epi8(out + 3 * r.out_step, k.lanes, _mm512_extracti32x4_epi32(y, 3));
}

// Pixels at once share the weights and hide each other's latency.
template <int kPixels>
OCTET_AVX512_VNNI inline void quads_of(const DepthwiseRow& r, int64_t p, const Constants& k) {
  const auto* w = static_cast<const std::byte*>(r.weights);
  const std::byte* base = r.base + p * r.step;
  __m512i acc[kPixels];
  for (int i = 0; i < kPixels; ++i)
    acc[i] = _mm512_loadu_si512(r.bias);
  for (int64_t t = 0; t < r.taps; t += 4, w += 64) {
    const __m512i weights = _mm512_loadu_si512(w);
    for (int i = 0; i < kPixels; ++i)
      acc[i] = _mm512_dpbusd_epi32(acc[i], quad(base + i * r.step, r.offsets + t, k.order), weights);
  }
  finish(acc, kPixels, r, k, r.out + p * r.out_step);
}

OCTET_AVX512_VNNI void avx512_quads(const DepthwiseRow& r) {
  const Constants k = constants(r);
  int64_t p = 0;
  for (; p + 4 <= r.pixels; p += 4)
    quads_of<4>(r, p, k);
  for (; p < r.pixels; ++p)
    quads_of<1>(r, p, k);
}

template <int kPairs>
OCTET_AVX512_VNNI inline void pairs_of(const DepthwiseRow& r, int64_t p, const Constants& k) {
  const auto* w = static_cast<const std::byte*>(r.weights);
  const std::byte* base = r.base + p * r.step;
  __m512i acc[2 * kPairs];
  for (int i = 0; i < 2 * kPairs; ++i)
    acc[i] = _mm512_loadu_si512(r.bias);
  for (int64_t t = 0; t < r.taps; t += 4, w += 128) {
    const __m512i first = _mm512_loadu_si512(w), second = _mm512_loadu_si512(w + 64);
    for (int i = 0; i < kPairs; ++i) {
      const __m512i x = quad(base + 2 * i * r.step, r.offsets + t, k.order);
      acc[2 * i] = _mm512_dpbusd_epi32(acc[2 * i], x, first);
      acc[2 * i + 1] = _mm512_dpbusd_epi32(acc[2 * i + 1], x, second);
    }
  }
  finish(acc, 2 * kPairs, r, k, r.out + p * r.out_step);
}

OCTET_AVX512_VNNI void avx512_pairs(const DepthwiseRow& r) {
  const Constants k = constants(r);
  int64_t p = 0;
  for (; p + 4 <= r.pixels; p += 4)
    pairs_of<2>(r, p, k);
  for (; p < r.pixels; p += 2)
    pairs_of<1>(r, p, k);
}

}  // namespace

void add_vnni_depthwise(DepthwiseKernels& k) {
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    k.s8_quads = avx512_quads;
    k.s8_quad_pairs = avx512_pairs;
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("avxvnni")) {
    k.s8_quads = avx_quads;
    k.s8_quad_pairs = avx_pairs;
  }
}

}  // namespace octet::linear

#else

namespace octet::linear {
void add_vnni_depthwise(DepthwiseKernels&) {}
}  // namespace octet::linear

#endif
