// Convolutions and matrix products of 16-bit activations with constant 8-bit weights, which XNNPACK has no
// kernels for.
#pragma once

#include "kernels/linear/convolution.hpp"

namespace octet::linear {

// One group, or as many as channels (depthwise without multiplier); any window, stride, dilation, transposed
// too. Equal to the reference bit for bit.
KernelResult convolution_int16(const NodeDesc& n, const Convolution& c, ThreadPool& pool);

}  // namespace octet::linear
