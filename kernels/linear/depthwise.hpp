// Octet's own depthwise convolution: any window, dilation and multiplier, int8, uint8 and float.
#pragma once

#include "kernels/linear/convolution.hpp"

namespace octet::linear {

// Weights [tap][output channel], constant. covers_depthwise() says beforehand whether the kernel takes a
// case.
Status covers_depthwise(const NodeDesc& n, const Convolution& c);
// Whether this CPU has instructions for the case that make it faster than XNNPACK's kernels.
bool has_fast_depthwise(const Convolution& c);
KernelResult octet_depthwise(const NodeDesc& n, const Convolution& c);

}  // namespace octet::linear
