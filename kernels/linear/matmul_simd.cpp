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
// Any CPU.

// acc[row][lane] = sum over k of left[row][k] * right[k][lane]
void sums(const int16_t* left, const int16_t* right, int64_t depth, int32_t* acc) {
  std::fill_n(acc, kPanelRows * kLanes, 0);
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t i = 0; i < kPanelRows; ++i) {
      const int32_t x = left[panel_index(k, i, kPanelRows)];
      for (int64_t j = 0; j < kLanes; ++j)
        acc[i * kLanes + j] += x * right[panel_index(k, j, kLanes)];
    }
}

void row_sums(const int16_t* const* rows, const int16_t* right, int64_t depth, int32_t* acc) {
  std::fill_n(acc, kPanelRows * kLanes, 0);
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t i = 0; i < kPanelRows; ++i) {
      const int32_t x = rows[i][k];
      for (int64_t j = 0; j < kLanes; ++j)
        acc[i * kLanes + j] += x * right[panel_index(k, j, kLanes)];
    }
}

template <class T, void (*sum)(const int16_t*, const int16_t*, int64_t, int32_t*)>
void portable(const PanelJob& job) {
  alignas(64) int32_t acc[kPanelRows * kLanes];
  sum(job.left, job.right, job.depth, acc);
  auto* out = reinterpret_cast<T*>(job.out);
  for (int64_t i = 0; i < kPanelRows * kLanes; ++i) {
    const float v = static_cast<float>(acc[i]) * job.scale;
    out[i] = static_cast<T>(round_small(std::min(std::max(v, job.lo), job.hi)) + job.zero);
  }
}

#if defined(OCTET_HAS_NEON)
// ---------------------------------------------------------------------------------------------------------
// NEON: 4 rows x 4 vectors of sums.

OCTET_NEON void sums_neon(const int16_t* left, const int16_t* right, int64_t depth, int32_t* acc) {
  int32x4_t a[kPanelRows][4];
  for (auto& row : a)
    for (int32x4_t& v : row)
      v = vdupq_n_s32(0);
  for (int64_t k = 0; k < depth; ++k, left += kPanelRows, right += kLanes) {
    const int16x8_t r0 = vld1q_s16(right), r1 = vld1q_s16(right + 8);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRows; ++i) {
      a[i][0] = vmlal_n_s16(a[i][0], vget_low_s16(r0), left[i]);
      a[i][1] = vmlal_n_s16(a[i][1], vget_high_s16(r0), left[i]);
      a[i][2] = vmlal_n_s16(a[i][2], vget_low_s16(r1), left[i]);
      a[i][3] = vmlal_n_s16(a[i][3], vget_high_s16(r1), left[i]);
    }
  }
  for (int64_t i = 0; i < kPanelRows; ++i)
    for (int64_t j = 0; j < 4; ++j)
      vst1q_s32(acc + i * kLanes + j * 4, a[i][j]);
}

OCTET_NEON void row_sums_neon(const int16_t* const* rows, const int16_t* right, int64_t depth, int32_t* acc) {
  int32x4_t a[kPanelRows][4];
  for (auto& row : a)
    for (int32x4_t& v : row)
      v = vdupq_n_s32(0);
  for (int64_t k = 0; k < depth; ++k, right += kLanes) {
    const int16x8_t r0 = vld1q_s16(right), r1 = vld1q_s16(right + 8);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRows; ++i) {
      a[i][0] = vmlal_n_s16(a[i][0], vget_low_s16(r0), rows[i][k]);
      a[i][1] = vmlal_n_s16(a[i][1], vget_high_s16(r0), rows[i][k]);
      a[i][2] = vmlal_n_s16(a[i][2], vget_low_s16(r1), rows[i][k]);
      a[i][3] = vmlal_n_s16(a[i][3], vget_high_s16(r1), rows[i][k]);
    }
  }
  for (int64_t i = 0; i < kPanelRows; ++i)
    for (int64_t j = 0; j < 4; ++j)
      vst1q_s32(acc + i * kLanes + j * 4, a[i][j]);
}
#endif

#if defined(__x86_64__) || defined(__i386__)
// ---------------------------------------------------------------------------------------------------------
// AVX2: two k of eight lanes per multiply-add; 4 rows x 2 vectors of sums stay in registers.

#define OCTET_MATMUL_AVX2 __attribute__((target("avx2")))

OCTET_MATMUL_AVX2 inline __m256i requantize8(__m256i acc, const PanelJob& job) {
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_set1_ps(job.scale));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(job.lo)), _mm256_set1_ps(job.hi));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(job.zero));
}

// 4 rows x 2 vectors of sums; pair(i, k) is the address of elements k and k + 1 of row i.
template <class Pair>
OCTET_MATMUL_AVX2 inline void accumulate(const Pair& pair, const int16_t* right, int64_t depth,
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

OCTET_MATMUL_AVX2 void row_sums_avx2(const int16_t* const* rows, const int16_t* right, int64_t depth,
                                     int32_t* acc) {
  __m256i a[kPanelRows][2];
  accumulate([rows](int64_t i, int64_t k) { return rows[i] + k; }, right, depth, a);
  for (int64_t i = 0; i < kPanelRows; ++i)
    for (int64_t j = 0; j < 2; ++j)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + i * kLanes + j * 8), a[i][j]);
}

// VNNI: two k of all lanes per instruction; two sums a row, so that none waits for the last.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void row_sums_vnni(const int16_t* const* rows,
                                                                          const int16_t* right, int64_t depth,
                                                                          int32_t* acc) {
  __m512i a[kPanelRows], b[kPanelRows];
  for (int64_t i = 0; i < kPanelRows; ++i)
    a[i] = b[i] = _mm512_setzero_si512();
  int32_t pair;
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4, right += 4 * kLanes) {
    const __m512i r0 = _mm512_loadu_si512(right), r1 = _mm512_loadu_si512(right + 2 * kLanes);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRows; ++i) {
      std::memcpy(&pair, rows[i] + k, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), r0);
      std::memcpy(&pair, rows[i] + k + 2, sizeof(pair));
      b[i] = _mm512_dpwssd_epi32(b[i], _mm512_set1_epi32(pair), r1);
    }
  }
  for (int64_t i = 0; i < kPanelRows; ++i) {
    if (k < depth) {
      std::memcpy(&pair, rows[i] + k, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), _mm512_loadu_si512(right));
    }
    _mm512_storeu_si512(acc + i * kLanes, _mm512_add_epi32(a[i], b[i]));
  }
}

// The same of packed rows, requantized.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void vnni(const PanelJob& job) {
  __m512i a[kPanelRows], b[kPanelRows];
  for (int64_t i = 0; i < kPanelRows; ++i)
    a[i] = b[i] = _mm512_setzero_si512();
  const int16_t *left = job.left, *right = job.right;
  int32_t pair;
  int64_t k = 0;
  for (; k + 4 <= job.depth; k += 4, left += 4 * kPanelRows, right += 4 * kLanes) {
    const __m512i r0 = _mm512_loadu_si512(right), r1 = _mm512_loadu_si512(right + 2 * kLanes);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRows; ++i) {
      std::memcpy(&pair, left + 2 * i, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), r0);
      std::memcpy(&pair, left + 2 * kPanelRows + 2 * i, sizeof(pair));
      b[i] = _mm512_dpwssd_epi32(b[i], _mm512_set1_epi32(pair), r1);
    }
  }
  const __m512 scale = _mm512_set1_ps(job.scale), lo = _mm512_set1_ps(job.lo), hi = _mm512_set1_ps(job.hi);
  for (int64_t i = 0; i < kPanelRows; ++i) {
    if (k < job.depth) {
      std::memcpy(&pair, left + 2 * i, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), _mm512_loadu_si512(right));
    }
    // The forms with a mask: gcc 12 takes its own header's plain ones for uninitialized.
    const __m512 sum = _mm512_maskz_cvtepi32_ps(0xffff, _mm512_add_epi32(a[i], b[i]));
    const __m512 v =
        _mm512_maskz_min_ps(0xffff, _mm512_maskz_max_ps(0xffff, _mm512_mul_ps(sum, scale), lo), hi);
    const __m512i q = _mm512_add_epi32(_mm512_maskz_cvtps_epi32(0xffff, v), _mm512_set1_epi32(job.zero));
    // Clamped already, so that taking the low bytes is the conversion.
    _mm_storeu_si128(reinterpret_cast<__m128i*>(job.out + i * kLanes), _mm512_maskz_cvtepi32_epi8(0xffff, q));
  }
}

template <class T>
OCTET_MATMUL_AVX2 void avx2(const PanelJob& job) {
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
#endif

}  // namespace

const PanelKernels& panel_kernels() {
  static const PanelKernels kernels = [] {
    PanelKernels k{portable<int8_t, sums>, portable<uint8_t, sums>, row_sums};
#if defined(OCTET_HAS_NEON)
    if (cpu_has_neon()) k = {portable<int8_t, sums_neon>, portable<uint8_t, sums_neon>, row_sums_neon};
#endif
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_supports("avx2")) k = {avx2<int8_t>, avx2<uint8_t>, row_sums_avx2};
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw"))
      k = {vnni, vnni, row_sums_vnni};
#endif
    return k;
  }();
  return kernels;
}

}  // namespace octet::linear
