// Octet's own depthwise convolution: any window, dilation and multiplier, int8, uint8 and float.
#pragma once

#include "kernels/linear/convolution.hpp"

namespace octet::linear {

// Weights [tap][output channel], constant.
KernelResult row_depthwise(const NodeDesc& n, const Convolution& c);
// About how many picoseconds a multiply-accumulate takes on this CPU with activations of a type.
double row_depthwise_rate(const Geometry& g, DType activations);

}  // namespace octet::linear
