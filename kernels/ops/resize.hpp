// RESIZE_BILINEAR: what the portable kernels and the XNNPACK lowering share.
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

// Inferred output, checks included.
Result<InferredShapes> infer_resize(const NodeDesc& n);
KernelResult create_resize_bilinear_xnnpack(const NodeDesc& n, ThreadPool& pool);

}  // namespace octet
