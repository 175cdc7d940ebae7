// float32 unary operators on XNNPACK's vectorized kernels.
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

KernelResult unary_xnnpack(const NodeDesc& n, ThreadPool& pool);

}  // namespace octet
