#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/linear/simd.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif
#include "kernels/linear/simd_arm.hpp"

namespace octet::linear {
namespace {

// ---------------------------------------------------------------------------------------------------------
// Any CPU: loops over a fixed number of lanes, which compilers turn into vectors.

template <class T>
void add_taps(const DepthwiseRow& r, const std::byte* base, int32_t* acc) {
  const auto* w = static_cast<const int16_t*>(r.weights);
  for (int64_t t = 0; t < r.taps; ++t) {
    const auto* x = reinterpret_cast<const T*>(base + r.offsets[t]);
    for (int64_t c = 0; c < kLanes; ++c)
      acc[c] += static_cast<int32_t>(x[c]) * w[depthwise_index(t, c)];
  }
}

// `add` puts the products of all taps onto the bias.
template <class T, void (*add)(const DepthwiseRow&, const std::byte*, int32_t*)>
void portable(const DepthwiseRow& r) {
  const auto* bias = static_cast<const int32_t*>(r.bias);
  for (int64_t p = 0; p < r.pixels; ++p) {
    alignas(64) int32_t acc[kLanes];
    alignas(16) T y[kLanes];
    std::copy_n(bias, kLanes, acc);
    add(r, r.base + p * r.step, acc);
    for (int64_t c = 0; c < kLanes; ++c) {
      const float v = static_cast<float>(acc[c]) * r.requant.scale[c];
      y[c] = static_cast<T>(round_small(std::min(std::max(v, r.requant.lo), r.requant.hi)) + r.requant.zero);
    }
    std::memcpy(r.out + p * r.out_step, y, static_cast<size_t>(r.width));
  }
}

void portable_float(const DepthwiseRow& r) {
  const auto* bias = static_cast<const float*>(r.bias);
  for (int64_t p = 0; p < r.pixels; ++p) {
    alignas(64) float acc[kLanes];
    std::copy_n(bias, kLanes, acc);
    const auto* w = static_cast<const float*>(r.weights);
    for (int64_t t = 0; t < r.taps; ++t, w += kLanes) {
      const auto* x = reinterpret_cast<const float*>(r.base + p * r.step + r.offsets[t]);
      for (int64_t c = 0; c < kLanes; ++c)
        acc[c] += x[c] * w[c];
    }
    for (int64_t c = 0; c < kLanes; ++c)
      acc[c] = std::min(std::max(acc[c], r.requant.lo), r.requant.hi);
    std::memcpy(r.out + p * r.out_step, acc, static_cast<size_t>(r.width) * sizeof(float));
  }
}

#if defined(OCTET_HAS_NEON)
// ---------------------------------------------------------------------------------------------------------
// NEON: widen, then multiply-add four lanes at a time.

OCTET_NEON inline void add_products(int32x4_t* a, int16x8_t x0, int16x8_t x1, const int16_t* w) {
  const int16x8_t w0 = vld1q_s16(w), w1 = vld1q_s16(w + 8);
  a[0] = vmlal_s16(a[0], vget_low_s16(x0), vget_low_s16(w0));
  a[1] = vmlal_s16(a[1], vget_high_s16(x0), vget_high_s16(w0));
  a[2] = vmlal_s16(a[2], vget_low_s16(x1), vget_low_s16(w1));
  a[3] = vmlal_s16(a[3], vget_high_s16(x1), vget_high_s16(w1));
}

template <class T>
OCTET_NEON void add_taps_neon(const DepthwiseRow& r, const std::byte* base, int32_t* acc) {
  const auto* w = static_cast<const int16_t*>(r.weights);
  int32x4_t a[4];
  for (int i = 0; i < 4; ++i)
    a[i] = vld1q_s32(acc + 4 * i);
  for (int64_t t = 0; t < r.taps; ++t, w += kLanes) {
    if constexpr (std::is_same_v<T, int8_t>) {
      const int8x16_t x = vld1q_s8(reinterpret_cast<const int8_t*>(base + r.offsets[t]));
      add_products(a, vmovl_s8(vget_low_s8(x)), vmovl_s8(vget_high_s8(x)), w);
    } else {
      const uint8x16_t x = vld1q_u8(reinterpret_cast<const uint8_t*>(base + r.offsets[t]));
      add_products(a, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x))),
                   vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(x))), w);
    }
  }
  for (int i = 0; i < 4; ++i)
    vst1q_s32(acc + 4 * i, a[i]);
}
#endif

#if defined(__x86_64__) || defined(__i386__)
// ---------------------------------------------------------------------------------------------------------
// AVX2: two taps of eight channels per multiply-add. Interleaving the bytes of two taps and then widening
// them gives pairs in channel order.

#define OCTET_AVX2 __attribute__((target("avx2,fma")))

template <class T>
OCTET_AVX2 inline __m256i widen(__m128i bytes) {
  if constexpr (std::is_same_v<T, int8_t>)
    return _mm256_cvtepi8_epi16(bytes);
  else
    return _mm256_cvtepu8_epi16(bytes);
}

OCTET_AVX2 inline __m256i requantize8(__m256i acc, const float* scale, const Requant& q) {
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(scale));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(q.lo)), _mm256_set1_ps(q.hi));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(q.zero));
}

template <class T>
OCTET_AVX2 inline void store(__m256i lo, __m256i hi, const DepthwiseRow& r, std::byte* out) {
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
OCTET_AVX2 void avx2(const DepthwiseRow& r) {
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
OCTET_AVX2 void avx2_pairs(const DepthwiseRow& r) {
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
OCTET_AVX2 void avx2_float(const DepthwiseRow& r) {
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
#endif

}  // namespace

const DepthwiseKernels& depthwise_kernels() {
  static const DepthwiseKernels kernels = [] {
    DepthwiseKernels k{portable<int8_t, add_taps<int8_t>>, portable<uint8_t, add_taps<uint8_t>>,
                       portable_float};
#if defined(OCTET_HAS_NEON)
    if (cpu_has_neon()) {
      k.s8 = portable<int8_t, add_taps_neon<int8_t>>;
      k.u8 = portable<uint8_t, add_taps_neon<uint8_t>>;
    }
#endif
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      k = {.s8 = avx2<int8_t>,
           .u8 = avx2<uint8_t>,
           .f32 = avx2_float,
           .s8_pairs = avx2_pairs<int8_t>,
           .u8_pairs = avx2_pairs<uint8_t>};
    add_vnni_depthwise(k);
#endif
    return k;
  }();
  return kernels;
}

}  // namespace octet::linear
