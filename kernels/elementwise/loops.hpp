// The inner loops of element-wise operators that compilers do not make by themselves, with a version per
// instruction set. All versions give equal bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/broadcast.hpp"
#include "kernels/cpu.hpp"
#include "octet/tensor.hpp"
#include "schema/ir/op_kind.hpp"

namespace octet {

// out[i] = table[in[i]] with 256 bytes, aligned to 64; in and out may be the same.
using LookUpLoop = void (*)(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n);
void look_up_portable(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n);

struct ElementwiseLoops {
  LookUpLoop look_up = look_up_portable;
  // The loop over bytes of an operator that multiplies; its params are QuantizedParams. nullptr, or returns
  // it, where the compiler's own loop is as fast.
  Broadcast::BlockFn (*byte_product)(OpKind kind, DType type) = nullptr;
};
// The best that a CPU can do.
ElementwiseLoops elementwise_loops_of(const Cpu& cpu);
// Those of this CPU.
const ElementwiseLoops& elementwise_loops();

// What one instruction set has to offer in the place of weaker ones; a file each in isa/.
#if defined(__x86_64__)
void add_avx2(ElementwiseLoops& loops);
void add_avx512(ElementwiseLoops& loops);
void add_avx512_vbmi(ElementwiseLoops& loops);
#elif defined(__aarch64__)
void add_neon(ElementwiseLoops& loops);
#endif

}  // namespace octet
