// Dead-channel reuse: channels that a network never uses are put to use. Each becomes a copy of a channel
// whose rounding errors harm most, the copies lie a fraction of a quantization step apart, and their reader
// takes the average. Two copies half a step apart round like one of 9 bits, and nothing becomes larger or
// slower. Batch normalization leaves such channels behind: its weight decay drives whole scales to zero.
// Splitting channels for the sake of quantization is from Zhao, Hu, Dotzel, De Sa, Zhang: Improving Neural
// Network Quantization without Retraining using Outlier Channel Splitting, ICML 2019; there it makes networks
// wider.
#pragma once

#include "graph/rewriter.hpp"

namespace octet {

// For every convolution or fully connected operator with a bounded activation whose output goes, past at most
// one depthwise convolution, into another one. The float function changes by no more than a fraction of a
// step of 8 bits, and only where the activation clamps. One report entry per operator that changed.
Result<FusionReport> use_spare_channels(Graph& g);

}  // namespace octet
