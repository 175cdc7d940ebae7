#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/linear/pool_2d.hpp"
#include "kernels/linear/simd.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace octet::pool {
namespace {

template <class T>
void portable(const AverageRow& r) {
  for (int64_t p = 0; p < r.pixels; ++p) {
    int16_t sum[kAverageLanes] = {};
    alignas(16) T y[kAverageLanes];
    for (int64_t t = 0; t < r.taps; ++t) {
      const auto* x = reinterpret_cast<const T*>(r.base + p * r.step + r.offsets[t]);
      for (int64_t c = 0; c < kAverageLanes; ++c)
        sum[c] = static_cast<int16_t>(sum[c] + x[c]);
    }
    for (int64_t c = 0; c < kAverageLanes; ++c) {
      const float v = static_cast<float>(sum[c] - r.shift) * r.ratio / r.divisor;
      y[c] = static_cast<T>(linear::round_small(std::min(std::max(v, r.lo), r.hi)) + r.zero);
    }
    std::memcpy(r.out + p * r.out_step, y, static_cast<size_t>(r.width));
  }
}

#if defined(__x86_64__) || defined(__i386__)
#define OCTET_POOL_AVX2 __attribute__((target("avx2")))

OCTET_POOL_AVX2 inline __m256i average8(__m128i sums, const AverageRow& r) {
  const __m256i sum = _mm256_sub_epi32(_mm256_cvtepi16_epi32(sums), _mm256_set1_epi32(r.shift));
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(r.ratio));
  v = _mm256_div_ps(v, _mm256_set1_ps(r.divisor));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(r.lo)), _mm256_set1_ps(r.hi));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(r.zero));
}

template <class T>
OCTET_POOL_AVX2 void avx2(const AverageRow& r) {
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
#endif

}  // namespace

const AverageKernels& average_kernels() {
  static const AverageKernels kernels = [] {
    AverageKernels k{portable<int8_t>, portable<uint8_t>};
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_supports("avx2")) k = {avx2<int8_t>, avx2<uint8_t>};
#endif
    return k;
  }();
  return kernels;
}

}  // namespace octet::pool
