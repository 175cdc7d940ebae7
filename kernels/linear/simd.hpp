// Inner loops with one version per instruction set, chosen once at start-up. All versions give equal bits.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace octet::linear {

inline constexpr int64_t kLanes = 16;  // output channels of one block

// Nearest integer of |x| < 2^22, half to even: adding 1.5 * 2^23 leaves the integer in the low bits. Unlike
// lrintf it vectorizes.
inline int32_t round_small(float x) {
  return std::bit_cast<int32_t>(x + 12582912.0f) - 0x4B400000;
}

// (Q7) for a block of channels. Bounds are those of the output minus its zero point.
struct Requant {
  const float* scale;  // per channel, whole blocks
  float lo, hi;
  int32_t zero;
};

// A row of output pixels of a depthwise convolution, kLanes channels. Tap t of pixel p is at
// base + p * step + offsets[t] (bytes).
struct DepthwiseRow {
  const std::byte* base;
  ptrdiff_t step;
  const ptrdiff_t* offsets;
  int64_t taps;  // integers: even, the last one may have weights of zero
  int64_t pixels;
  const void* weights;  // one block, packed by depthwise_index()
  const void* bias;     // one block: int32 with the input's zero point folded in, or float
  Requant requant;      // float: only lo and hi
  std::byte* out;
  ptrdiff_t out_step;
  int64_t width;  // channels to store, at most kLanes
};

// Where the weight of tap `t` and lane `c` lies in an int16 block.
#if defined(__x86_64__) || defined(__i386__)
inline constexpr int64_t depthwise_index(int64_t t, int64_t c) {
  return (t / 2 * kLanes + c) * 2 + t % 2;  // pairs of taps side by side, for pmaddwd
}
#else
inline constexpr int64_t depthwise_index(int64_t t, int64_t c) {
  return t * kLanes + c;
}
#endif

// Where the weight of tap `t` and lane `c` lies in an int8 block: taps side by side in fours, for
// instructions that add four products of bytes.
inline constexpr int64_t depthwise_quad_index(int64_t t, int64_t c) {
  return (t / 4 * kLanes + c) * 4 + t % 4;
}

struct DepthwiseKernels {
  void (*s8)(const DepthwiseRow&);
  void (*u8)(const DepthwiseRow&);
  void (*f32)(const DepthwiseRow&);  // weights [tap][kLanes]
  // int8 with int8 weights in the order of depthwise_quad_index(), taps a multiple of four; multiplies x +
  // 128. nullptr where the CPU has no such instruction.
  void (*s8_quads)(const DepthwiseRow&) = nullptr;
  // For pairs of neighbouring pixels that read the same taps: after the weights of each four (`quads`) or two
  // taps for the first pixel of a pair come those for the second. `pixels` is even. nullptr where there is
  // none.
  void (*s8_quad_pairs)(const DepthwiseRow&) = nullptr;
  void (*s8_pairs)(const DepthwiseRow&) = nullptr;  // int16 weights, as for s8
  void (*u8_pairs)(const DepthwiseRow&) = nullptr;
};
const DepthwiseKernels& depthwise_kernels();
// Fills in what multiplies bytes, where this CPU can.
void add_vnni_depthwise(DepthwiseKernels& k);

// ---------------------------------------------------------------------------------------------------------
// Matrix products of bytes. Both sides are widened to int16 with their zero points taken off and packed into
// panels, so that the inner loop is multiply-adds and nothing else.

inline constexpr int64_t kPanelRows = 4;  // rows of the left side in one panel; kLanes columns on the right

// Where element k of row (left) or column (right) `i` lies in a panel of `depth` elements, depth even.
#if defined(__x86_64__) || defined(__i386__)
inline constexpr int64_t panel_index(int64_t k, int64_t i, int64_t width) {
  return (k / 2 * width + i) * 2 + k % 2;  // pairs of k side by side, for pmaddwd
}
#else
inline constexpr int64_t panel_index(int64_t k, int64_t i, int64_t width) {
  return k * width + i;
}
#endif

// out[row][lane] = requantized sum over k of left[row][k] * right[k][lane]; `depth` is even. One scale for
// all.
struct PanelJob {
  const int16_t* left;
  const int16_t* right;
  int64_t depth;
  float scale, lo, hi;  // bounds of the output minus its zero point
  int32_t zero;
  std::byte* out;  // kPanelRows * kLanes bytes
};
struct PanelKernels {
  void (*s8)(const PanelJob&);
  void (*u8)(const PanelJob&);
  // acc[i * kLanes + lane] = sum over k of rows[i][k] * right[k][lane], exact as long as none leaves int32.
  // The kPanelRows rows are not packed; `depth` is even.
  void (*row_sums)(const int16_t* const* rows, const int16_t* right, int64_t depth, int32_t* acc);
};
const PanelKernels& panel_kernels();

}  // namespace octet::linear
