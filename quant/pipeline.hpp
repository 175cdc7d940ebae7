// Steps of quantize() that have a file of their own. Internal to quant/.
#pragma once

#include "quant/assign.hpp"
#include "quant/moments.hpp"
#include "quant/quantize.hpp"

namespace octet {

// One attempt, with what it took.
struct Quantized {
  std::shared_ptr<Model> model;
  Assignment assignment;
  std::vector<NodeId> source;  // Materialized::source
  std::vector<Forced> forced;  // the given ones and those whose integer form no kernel takes
};

// Assign, materialize, verify; nodes that no kernel takes in int16 become int8, those it does not
// take in int8 float, and again.
Result<Quantized> quantize_once(const PreparedModel& prepared, const Calibration& calibration,
                                const Recipe& recipe, std::vector<Forced> forced);

// A linear operator of a quantized graph and what it came from.
struct WeightSite {
  const Value* real = nullptr;  // its float weights
  ValueId weights = kNoValue;   // int8, in the quantized graph; read by this operator alone
  size_t input_slot = 0;        // of the operator: what meets the weights
  ValueId bias = kNoValue;  // int32, int64 or float there; likewise; kNoValue when there is none to change
  WatchedWindows windows;   // of the float graph
};
// The sites of an integer graph.
std::vector<WeightSite> weight_sites(const PreparedModel& prepared, const Quantized& q);
// Round the weights of all sites so that their errors cancel on the samples, and shift biases by the mean
// error that is left (weight_rounding.hpp); either as the recipe says.
Status refine_weights(const PreparedModel& prepared, Graph& quantized, const std::vector<WeightSite>& sites,
                      const Recipe& recipe, const QuantizeOptions& options);

// float16, weight-only and dynamic: only constants change.
Result<QuantizeResult> quantize_weights(const PreparedModel& prepared, const Recipe& recipe);

}  // namespace octet
