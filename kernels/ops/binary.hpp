// What the two-operand arithmetic operators (and PRELU) share between their reference and fast kernels.
#pragma once

#include "kernels/broadcast.hpp"
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
KernelResult binary_plain_octet(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_quantized_octet(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_table_octet(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_pairs_octet(const NodeDesc& n, ThreadPool& pool);
KernelResult binary_xnnpack(const NodeDesc& n, ThreadPool& pool);

}  // namespace octet
