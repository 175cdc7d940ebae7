// NEON of 64-bit ARM: a table of 256 bytes lies in sixteen registers.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/elementwise/loops.hpp"

namespace octet {
namespace {

// vqtbl4q gives 0, and vqtbx4q leaves the lane alone, where an index is beyond the 64 bytes of its table.
void look_up_neon(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n) {
  const uint8x16x4_t t0 = vld1q_u8_x4(table), t1 = vld1q_u8_x4(table + 64);
  const uint8x16x4_t t2 = vld1q_u8_x4(table + 128), t3 = vld1q_u8_x4(table + 192);
  const uint8x16_t step = vdupq_n_u8(64);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    uint8x16_t x = vld1q_u8(in + i);
    uint8x16_t y = vqtbl4q_u8(t0, x);
    x = vsubq_u8(x, step);
    y = vqtbx4q_u8(y, t1, x);
    x = vsubq_u8(x, step);
    y = vqtbx4q_u8(y, t2, x);
    x = vsubq_u8(x, step);
    vst1q_u8(out + i, vqtbx4q_u8(y, t3, x));
  }
  look_up_portable(table, in + i, out + i, n - i);
}

}  // namespace

void add_neon(ElementwiseLoops& loops) {
  loops.look_up = look_up_neon;
}

}  // namespace octet

#endif
