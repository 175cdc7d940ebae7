// NEON: widen, then multiply-add four lanes at a time; 4 rows x 4 vectors of sums for matrix products.
#if defined(__aarch64__) || defined(__arm__)
#include <arm_neon.h>
#include <type_traits>

#include "kernels/linear/finish.hpp"
#include "kernels/linear/loops.hpp"
#include "kernels/vector_loop.hpp"

// 32-bit ARM binaries are built for CPUs without NEON (Debian armhf): there these functions carry their
// target.
#if defined(__ARM_NEON)
#define OCTET_NEON
#else
#define OCTET_NEON __attribute__((target("fpu=neon")))
#endif

namespace octet::linear {
namespace {

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

}  // namespace

void add_neon(LinearLoops& loops) {
  loops.depthwise.s8 = {depthwise_row<int8_t, add_taps_neon<int8_t>>};
  loops.depthwise.u8 = {depthwise_row<uint8_t, add_taps_neon<uint8_t>>};
  loops.panels = {1, panel_tile<int8_t, sums_neon>, panel_tile<uint8_t, sums_neon>, row_sums_neon};
}

}  // namespace octet::linear

#endif
