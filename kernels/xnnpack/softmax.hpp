// float32 SOFTMAX on XNNPACK.
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

KernelResult softmax_xnnpack(const NodeDesc& n, ThreadPool& pool);

}  // namespace octet
