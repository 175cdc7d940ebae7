// What the two-operand arithmetic operators (and PRELU) share between their reference and fast kernels.
#pragma once

#include "kernels/broadcast.hpp"
#include "kernels/elementwise/loops.hpp"
#include "kernels/op_spec.hpp"

namespace octet {

// The operation on real numbers, and on float32 as TensorFlow Lite computes it: FLOOR_DIV rounds its quotient
// to float before the floor.
double binary_real(OpKind kind, double a, double b);
float binary_float(OpKind kind, float a, float b);

Broadcast broadcast_of(const NodeDesc& n);  // inputs 0 and 1 to output 0
Activation fused_of(const NodeDesc& n);     // none where the operator has none
bool is_clamp(const Activation& act);       // none or a pair of bounds: not tanh, not sign_bit

// Normative; every operator and type of this family.
KernelResult binary_reference(const NodeDesc& n, ThreadPool& pool);

// Fast kernels: loops over float32, int32 and int64; over 8 and 16 bits; a table for a known scalar operand;
// a table of all pairs of bytes.
KernelResult binary_plain_loop(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_quantized_loop(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_byte_table(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_pair_table(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_xnnpack(const NodeDesc& n, ThreadPool& pool);

// What the loops over quantized elements know.
struct QuantizedParams {
  int za = 0, zb = 0, zo = 0;
  float a = 1, b = 1, o = 1;  // factors of each operation in binary_loops.cpp
  float lo = 0, hi = 0;       // bounds of the result before the zero point is added
};
// The loop over quantized elements of a type; nullptr where the kind has none.
Broadcast::BlockFn portable_quantized_fn(OpKind kind, DType type);
// One of an instruction set with the same bits, where it has one for such factors; otherwise nullptr.
Broadcast::BlockFn byte_product_fn(const ElementwiseLoops& loops, OpKind kind, DType type,
                                   const QuantizedParams& p);

}  // namespace octet
