// The tables of the 8-bit SOFTMAX, and the sum over a row with a version per instruction set. All versions
// give equal bits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu.hpp"
#include "kernels/vector_loop.hpp"

namespace octet::softmax {

// What the 8-bit kernel knows before it sees data. Index: greatest q of the row minus q.
struct Table {
  static constexpr double kOne = 2147483648.0;          // exp(0) in fixed point
  std::array<uint32_t, 256> exp{};                      // exp(-index * beta * scale) * kOne
  std::array<std::array<uint8_t, 256>, 4> exp_bytes{};  // the same, a table per byte
  // SOFTMAX: exp; LOG_SOFTMAX: -index * beta * scale / output scale. Backwards and twice, so that the terms
  // for consecutive q begin at one place.
  std::array<float, 512> scaled{};
  float out_scale = 1;
  int zero_point = 0, lo = 0, hi = 0;
  bool log = false;

  // The output whose part without the row's sum is `x`, with `term` made from that sum.
  OCTET_INLINE uint8_t value(float x, float term) const {
    const float y = log ? x - term : x * term;
    const float clamped =
        std::min(std::max(y, static_cast<float>(lo - zero_point)), static_cast<float>(hi - zero_point));
    return static_cast<uint8_t>(round_small(clamped) + zero_point);
  }
};

// Of one row, whose bytes XOR `flip` are unsigned: the greatest, and the sum of exp below it. The sum is of
// integers, so it is the same in any order.
struct Summary {
  uint8_t greatest = 0;
  uint64_t sum = 0;
};

struct Loops {
  Summary (*summarize)(const Table& t, const uint8_t* in, size_t n, uint8_t flip) = nullptr;
};
// The best that a CPU can do.
Loops loops_of(const Cpu& cpu);

Summary summarize_portable(const Table& t, const uint8_t* in, size_t n, uint8_t flip);

// What one instruction set has to offer in the place of the portable loop; a file each in isa/.
#if defined(__x86_64__)
void add_avx512_vbmi(Loops& loops);
#endif

}  // namespace octet::softmax
