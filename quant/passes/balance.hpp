// Balanced channels (the literature: migration of scales from activations to weights): activations rescaled
// by what they hold on data, so that every channel of a tensor uses the tensor's 8 bits; the operators that
// read it make that good in their weights, which have a scale per output channel where the tensor has only
// one. The idea of cross-layer equalization with activations in the place of weights. Xiao, Lin, Seznec, Wu,
// Demouth, Han: SmoothQuant, ICML 2023, moves difficulty from activations to weights in the same way, by a
// fixed share; here each tensor takes the share with the least expected noise.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "graph/rewriter.hpp"

namespace octet {

// What one channel of a tensor held.
struct ChannelStats {
  double least = 0, most = 0;  // never above or below 0
  double sum = 0, squares = 0;
  int64_t count = 0, nonzero = 0;

  void add(float x);
  double range() const;  // the greatest magnitude
  double variance() const;
};
using ChannelStatistics = std::map<ValueId, std::vector<ChannelStats>>;

// The values whose channels balance_channels() can rescale: outputs of linear operators with an activation
// that is at most a clamp, which reach nothing but linear operators, through what commutes with a positive
// factor per channel (ReLU, pooling, concatenation of channels, ...), by any number of ways.
std::vector<ValueId> rescalable_values(const Graph& g);

// By name of a value: its channels (last axis) were divided by 2^(exponent / kExponentSteps).
inline constexpr double kExponentSteps = 4;
using ChannelExponents = std::map<std::string, std::vector<int8_t>>;

// (Q19) Divide the channels of rescalable values by powers of their ranges, and multiply the weights that
// read them, where less noise is to be expected from 8 bits. The float function is the same on the data that
// the statistics are from; beyond, a channel of a bounded activation may be cut off earlier. Factors are
// rounded to quarters of an octave, so that they take a byte per channel in a file. One report entry per
// value. Declines, with `g` unchanged and no exponents, when a weight or bias would leave the range of float.
ChannelExponents balance_channels(Graph& g, const ChannelStatistics& statistics, FusionReport& report);
// The same with the exponents that it gave before.
ChannelExponents balance_channels(Graph& g, const ChannelExponents& exponents, FusionReport& report);

}  // namespace octet
