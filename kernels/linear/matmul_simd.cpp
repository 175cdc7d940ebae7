#include <algorithm>
#include <cstring>

#include "kernels/linear/simd.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace octet::linear {
namespace {

#if defined(__ARM_NEON)
void portable(const int16_t* left, const int16_t* right, int64_t depth, int32_t* acc) {
  int32x4_t a[kPanelRows][4];
  for (auto& row : a)
    for (int32x4_t& v : row)
      v = vdupq_n_s32(0);
  for (int64_t k = 0; k < depth; ++k, left += kPanelRows, right += kLanes) {
    const int16x8_t r0 = vld1q_s16(right), r1 = vld1q_s16(right + 8);
    const int16x4_t l = vld1_s16(left);
    const auto row = [&](int32x4_t* v, int16_t x) {
      v[0] = vmlal_n_s16(v[0], vget_low_s16(r0), x);
      v[1] = vmlal_n_s16(v[1], vget_high_s16(r0), x);
      v[2] = vmlal_n_s16(v[2], vget_low_s16(r1), x);
      v[3] = vmlal_n_s16(v[3], vget_high_s16(r1), x);
    };
    row(a[0], vget_lane_s16(l, 0));
    row(a[1], vget_lane_s16(l, 1));
    row(a[2], vget_lane_s16(l, 2));
    row(a[3], vget_lane_s16(l, 3));
  }
  for (int64_t i = 0; i < kPanelRows; ++i)
    for (int64_t j = 0; j < 4; ++j)
      vst1q_s32(acc + i * kLanes + j * 4, a[i][j]);
}
#else
void portable(const int16_t* left, const int16_t* right, int64_t depth, int32_t* acc) {
  std::fill_n(acc, kPanelRows * kLanes, 0);
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t i = 0; i < kPanelRows; ++i) {
      const int32_t x = left[panel_index(k, i, kPanelRows)];
      for (int64_t j = 0; j < kLanes; ++j)
        acc[i * kLanes + j] += x * right[panel_index(k, j, kLanes)];
    }
}
#endif

#if defined(__x86_64__) || defined(__i386__)
// Two k of eight lanes per multiply-add: 4 rows x 2 vectors of sums stay in registers.
__attribute__((target("avx2"))) void avx2(const int16_t* left, const int16_t* right, int64_t depth,
                                          int32_t* acc) {
  __m256i a[kPanelRows][2];
  for (auto& row : a)
    row[0] = row[1] = _mm256_setzero_si256();
  for (int64_t k = 0; k < depth; k += 2, left += 2 * kPanelRows, right += 2 * kLanes) {
    const __m256i r0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right));
    const __m256i r1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + 16));
    for (int64_t i = 0; i < kPanelRows; ++i) {
      int32_t pair;
      std::memcpy(&pair, left + 2 * i, sizeof(pair));
      const __m256i l = _mm256_set1_epi32(pair);
      a[i][0] = _mm256_add_epi32(a[i][0], _mm256_madd_epi16(l, r0));
      a[i][1] = _mm256_add_epi32(a[i][1], _mm256_madd_epi16(l, r1));
    }
  }
  for (int64_t i = 0; i < kPanelRows; ++i) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + i * kLanes), a[i][0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + i * kLanes + 8), a[i][1]);
  }
}
#endif

}  // namespace

PanelProduct panel_product() {
#if defined(__x86_64__) || defined(__i386__)
  if (__builtin_cpu_supports("avx2")) return avx2;
#endif
  return portable;
}

}  // namespace octet::linear
