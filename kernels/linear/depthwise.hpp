// Octet's own depthwise convolution: any window, dilation and multiplier, int8, uint8 and float.
#pragma once

#include "kernels/linear/convolution.hpp"

namespace octet::linear {

// Weights [tap][output channel], constant.
KernelResult octet_depthwise(const NodeDesc& n, const Convolution& c);

}  // namespace octet::linear
