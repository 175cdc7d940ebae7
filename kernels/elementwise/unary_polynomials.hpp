// 16-bit element-wise functions as polynomials of the third degree, for tensors that are too small for a
// table of all values.
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

// Declines where the function is not smooth enough.
KernelResult unary_polynomials(const NodeDesc& n, ThreadPool& pool);

}  // namespace octet
