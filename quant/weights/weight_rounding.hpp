// Integer weights whose errors cancel on real data, and biases that take up what remains.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/statistics/moments.hpp"

namespace octet {

// The integers that weights may become: zero point 0, so many levels on each side.
struct WeightSteps {
  Quantization quant;
  Shape shape;
  double levels = 127;
};

// (Q13) Round `weights` (float) to multiples of their scales so that the squared error of the
// operator's outputs over the windows of `m` is small: one term after the other is rounded, and the error it
// leaves is taken up by the terms that follow, weighted by how the inputs go together. A channel keeps its
// nearest integers where those are the better ones. `centered`: a bias takes up the mean error, so only the
// rest counts. Hassibi, Stork: Second Order Derivatives for Network Pruning: Optimal Brain Surgeon, NIPS
// 1992; Frantar, Ashkboos, Hoefler, Alistarh: GPTQ, ICLR 2023.
std::vector<int8_t> compensated_rounding(std::span<const float> weights, const WeightSteps& steps,
                                         const WindowMoments& m, bool centered, ThreadPool& pool);

// (Q14) The mean output of each channel, without bias, of an operator whose windows have these means.
std::vector<double> mean_outputs(std::span<const float> weights, const WindowMeans& m);
std::vector<double> mean_outputs(std::span<const int8_t> weights, std::span<const double> scale,
                                 const WindowMeans& m);

}  // namespace octet
