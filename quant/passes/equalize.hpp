// Cross-layer equalization: weights are rescaled between neighbouring convolutions so that every channel of
// the tensor between them has a similar range, which 8 bits then serve equally well. The float function is
// unchanged. Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization and
// Bias Correction, ICCV 2019.
#pragma once

#include "graph/rewriter.hpp"

namespace octet {

// act(s x) = s act(x) for s > 0; null is no activation.
bool commutes_with_factors(const Activation* act);
// A positive factor on a channel (last axis) of x comes out of `n` as it went in, on the same channel; all
// that `n` reads besides is constant.
bool keeps_factors(const Graph& g, const Node& n, ValueId x);

// Rescale every pair that allows it (ReLU or nothing between, one consumer) until the scales settle. One
// report entry per pair that changed.
Status equalize(Graph& g, FusionReport& report);

}  // namespace octet
