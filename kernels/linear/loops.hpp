// The inner loops of convolutions, matrix products and pools, with a version per instruction set. All
// versions give equal bits. A set of loops says which layout its weights are packed in.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.hpp"

namespace octet::linear {

inline constexpr int64_t kLanes = 16;  // output channels of one block

// Where element k of row or column `i` lies in a block `width` wide whose k stand `together` side by side,
// for instructions that add that many products.
inline constexpr int64_t packed_index(int64_t k, int64_t i, int64_t width, int64_t together) {
  return (k / together * width + i) * together + k % together;
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
  int64_t taps;  // a multiple of DepthwiseLoops::Rows::together; the last ones may have weights of zero
  int64_t pixels;
  const void* weights;  // one block, packed as the loop asks
  const void* bias;     // one block: int32 with the input's zero point folded in, or float
  Requant requant;      // float: only lo and hi
  std::byte* out;
  ptrdiff_t out_step;
  int64_t width;  // channels to store, at most kLanes
};

struct DepthwiseLoops {
  using Row = void (*)(const DepthwiseRow&);
  // Loops over integers and how their weights are packed: by packed_index() with k = tap, i = channel.
  struct Rows {
    Row row = nullptr;
    int64_t together = 1;
    bool bytes = false;  // weights are int8, and x + 128 is what they are multiplied with; otherwise int16
    // For pairs of neighbouring pixels that read the same taps: after the weights of the taps that stand
    // together for the first pixel of a pair come those for the second. `pixels` is even. nullptr where there
    // is none.
    Row pairs = nullptr;
  };
  Rows s8, u8;
  Rows s8_bytes;      // for int8 weights; row is nullptr where the CPU has no such instruction
  Row f32 = nullptr;  // weights [tap][kLanes]
};

// ---------------------------------------------------------------------------------------------------------
// Matrix products of bytes. Both sides are widened to int16 with their zero points taken off and packed into
// panels, so that the inner loop is multiply-adds and nothing else.

inline constexpr int64_t kPanelRows = 4;  // rows of the left side in one panel; kLanes columns on the right

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
struct PanelLoops {
  int64_t together = 1;  // panels are packed by packed_index()
  void (*s8)(const PanelJob&) = nullptr;
  void (*u8)(const PanelJob&) = nullptr;
  // acc[i * kLanes + lane] = sum over k of rows[i][k] * right[k][lane], exact as long as none leaves int32.
  // The kPanelRows rows are not packed; `depth` is even.
  void (*row_sums)(const int16_t* const* rows, const int16_t* right, int64_t depth, int32_t* acc) = nullptr;
};
// ---------------------------------------------------------------------------------------------------------

// A row of averages of bytes, kAverageLanes channels: (sum - shift) * ratio / divisor. Tap t of pixel p is at
// base + p * step + offsets[t]; sums of up to kMaxTaps taps fit in 16 bits.
inline constexpr int64_t kAverageLanes = 16, kMaxTaps = 128;
struct AverageRow {
  const std::byte* base;
  ptrdiff_t step;
  const ptrdiff_t* offsets;
  int64_t taps, pixels;
  int32_t shift;         // zero point times taps
  float ratio, divisor;  // s_x / s_y and the number of taps
  float lo, hi;          // bounds of the output minus its zero point
  int32_t zero;
  std::byte* out;
  ptrdiff_t out_step;
  int64_t width;  // channels to store
};
struct AverageLoops {
  void (*s8)(const AverageRow&) = nullptr;
  void (*u8)(const AverageRow&) = nullptr;
};

// ---------------------------------------------------------------------------------------------------------

struct LinearLoops {
  DepthwiseLoops depthwise;
  PanelLoops panels;
  AverageLoops averages;
};
// The best that a CPU can do.
LinearLoops linear_loops_of(const Cpu& cpu);
// Those of this CPU.
const LinearLoops& linear_loops();

// What one instruction set has to offer in the place of weaker ones; a file each in isa/.
#if defined(__x86_64__) || defined(__i386__)
void add_avx2(LinearLoops& loops);
void add_avx_vnni(LinearLoops& loops);
void add_avx512_vnni(LinearLoops& loops);
#elif defined(__aarch64__) || defined(__arm__)
void add_neon(LinearLoops& loops);
#endif

}  // namespace octet::linear
