// Cross-layer equalization: weights are rescaled between neighbouring convolutions so that every channel of
// the tensor between them has a similar range, which 8 bits then serve equally well. The float function is
// unchanged. Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization and
// Bias Correction, ICCV 2019.
#pragma once

#include "graph/rewriter.hpp"

namespace octet {

// act(s x) = s act(x) for s > 0; null is no activation.
bool commutes_with_factors(const Activation* act);
// f(s x) = s f(x) for s > 0 in each channel of the last axis, which stays the last axis; x is the first input
// alone. PAD may pad that axis, too.
bool is_homogeneous(const Node& n);

// Rescale every pair that allows it (ReLU or nothing between, one consumer) until the scales settle. One
// report entry per pair that changed.
Status equalize(Graph& g, FusionReport& report);

}  // namespace octet
