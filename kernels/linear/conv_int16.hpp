// Convolutions and matrix products that XNNPACK has no kernels for: of 16-bit activations with constant 8-bit
// weights, and of 8-bit ones with weights that have zero points.
#pragma once

#include "kernels/linear/convolution.hpp"

namespace octet::linear {

// One group, or with 16-bit activations as many as channels (depthwise without multiplier); any window,
// stride, dilation, transposed too. Equal to the reference bit for bit.
KernelResult convolution_int16(const NodeDesc& n, const Convolution& c, ThreadPool& pool);

}  // namespace octet::linear
