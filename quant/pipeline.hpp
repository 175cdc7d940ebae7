// Steps of quantize() that have a file of their own. Internal to quant/.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "quant/assign/assign.hpp"
#include "quant/assign/materialize.hpp"
#include "quant/quantize.hpp"
#include "quant/statistics/moments.hpp"

namespace octet {

// One attempt, with what it took.
struct Quantized {
  std::shared_ptr<ModelData> model;
  Assignment assignment;
  std::vector<NodeId> source;  // Materialized::source
  std::vector<Forced> forced;  // the given ones and those whose integer form no kernel takes
};

// What operators whose weights alone shrink meet on the samples.
class WeightMoments {
 public:
  // Null when there is nothing to gather, or nothing to gather it from.
  static Result<std::unique_ptr<WeightMoments>> gather(const PreparedModel& prepared, const Recipe& recipe,
                                                       const QuantizeOptions& options);
  // Of a node of the prepared graph; null when it was not watched or nothing was seen.
  const WindowMoments* of(NodeId node) const;
  ThreadPool& pool() const { return pool_; }

 private:
  explicit WeightMoments(int threads) : pool_(threads) {}
  mutable ThreadPool pool_;
  std::map<NodeId, size_t> index_;
  std::optional<MomentsTap> tap_;
};

// Assign, materialize, verify, shrink; nodes that no kernel takes in int16 become int8, those it does not
// take in int8 float, and again.
Result<Quantized> quantize_once(const PreparedModel& prepared, const Calibration& calibration,
                                const Recipe& recipe, std::vector<Forced> forced,
                                const WeightMoments* moments = nullptr);

// Shrink the weights of float operators as the recipe wants them. With `moments` they are rounded so that
// their errors cancel, and biases shifted, as far as the recipe wants that. Returns what a user should know.
std::vector<Finding> shrink_weights(const PreparedModel& prepared, Materialized& m, const Recipe& recipe,
                                    const WeightMoments* moments);

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
Result<QuantizeResult> quantize_weights(const PreparedModel& prepared, const Recipe& recipe,
                                        const QuantizeOptions& options);

// Runs samples through the float graph for `tap`.
Status watch_samples(const ModelData& model, const QuantizeOptions& options, Tap& tap);
inline constexpr int64_t kRefineSamples = 128;  // at most

// The bias that makes up for what the mean output lacks (in real numbers).
Constant shifted(const Value& bias, const std::vector<double>& lack);

// The error of a result against the float model, with layers.
Result<Comparison> measure(const PreparedModel& prepared, const ModelData& quantized,
                           const QuantizeOptions& o);

}  // namespace octet
