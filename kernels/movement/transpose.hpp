// TRANSPOSE: what the portable kernel and the XNNPACK lowering share.
#pragma once

#include <vector>

#include "kernels/op_spec.hpp"

namespace octet {

// Axis of the input for each axis of the output, checked to be a permutation; input 1 must be known.
Result<std::vector<int>> permutation_of(const NodeDesc& n);
KernelResult create_transpose_xnnpack(const NodeDesc& n, ThreadPool& pool);

}  // namespace octet
