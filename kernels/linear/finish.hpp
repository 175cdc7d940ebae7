// Loops of which only the sums are left to an instruction set; the rest is vectorized by the compiler.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/linear/loops.hpp"
#include "kernels/vector_loop.hpp"

namespace octet::linear {

// `add` puts the products of all taps onto the bias.
template <class T, void (*add)(const DepthwiseRow&, const std::byte*, int32_t*)>
void depthwise_row(const DepthwiseRow& r) {
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

// `sum` makes the sums of a whole tile.
template <class T, void (*sum)(const int16_t*, const int16_t*, int64_t, int32_t*)>
void panel_tile(const PanelJob& job) {
  alignas(64) int32_t acc[kPanelRows * kLanes];
  sum(job.left, job.right, job.depth, acc);
  auto* out = reinterpret_cast<T*>(job.out);
  for (int64_t i = 0; i < kPanelRows * kLanes; ++i) {
    const float v = static_cast<float>(acc[i]) * job.scale;
    out[i] = static_cast<T>(round_small(std::min(std::max(v, job.lo), job.hi)) + job.zero);
  }
}

}  // namespace octet::linear
