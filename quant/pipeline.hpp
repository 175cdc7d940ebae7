// Steps of quantize() that have a file of their own. Internal to quant/.
#pragma once

#include "quant/assign.hpp"
#include "quant/quantize.hpp"

namespace octet {

// One attempt, with what it took.
struct Quantized {
  std::shared_ptr<Model> model;
  Assignment assignment;
  ForcedFloat forced;  // the given ones and those whose int8 form no kernel takes
};

// Assign, materialize, verify; nodes that no kernel takes in int8 become float, and again.
Result<Quantized> quantize_once(const PreparedModel& prepared, const Calibration& calibration,
                                const Recipe& recipe, ForcedFloat forced);

// Shift biases by the mean error of their operators' outputs, channel by channel, measured on the samples:
// Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization and Bias
// Correction, ICCV 2019, section 4.2.
inline constexpr int64_t kCorrectionSamples = 64;
Status correct_biases(const PreparedModel& prepared, Quantized& q, const QuantizeOptions& options);

// float16, weight-only and dynamic: only constants change.
Result<QuantizeResult> quantize_weights(const PreparedModel& prepared, const Recipe& recipe);

}  // namespace octet
