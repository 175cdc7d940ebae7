// Depthwise convolution of int8 with instructions that add four products of bytes (VNNI), 256 bits wide: four
// taps of a channel at a time. Bytes are made unsigned by adding 128, which the bias takes off again.
#if defined(__x86_64__) || defined(__i386__)
#include <cstring>
#include <immintrin.h>

#include "kernels/linear/loops.hpp"

#define OCTET_AVX_VNNI __attribute__((target("avx2,fma,avxvnni")))

namespace octet::linear {
namespace {

OCTET_AVX_VNNI inline __m128i load_tap(const std::byte* base, const ptrdiff_t* offset) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + *offset));
}

struct Interleaved {
  __m256i lo, hi;  // channels 0..7 and 8..15, the bytes of each channel's four taps side by side
};
OCTET_AVX_VNNI inline Interleaved interleave(const std::byte* base, const ptrdiff_t* offsets) {
  const __m128i x0 = load_tap(base, offsets), x1 = load_tap(base, offsets + 1);
  const __m128i x2 = load_tap(base, offsets + 2), x3 = load_tap(base, offsets + 3);
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

}  // namespace

void add_avx_vnni(LinearLoops& loops) {
  loops.depthwise.s8_bytes = {avx_quads, 4, true, avx_pairs};
}

}  // namespace octet::linear

#endif
