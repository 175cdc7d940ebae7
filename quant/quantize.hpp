// From a float model to a quantized one: the one pipeline. A result is a function of the model, the recipe
// and the statistics (statistics/statistics.hpp), which hold all that was seen of the data.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quant/assign/document.hpp"
#include "quant/measure/compare.hpp"
#include "quant/pipeline.hpp"
#include "quant/prepare.hpp"
#include "quant/recipe.hpp"
#include "quant/statistics/gather.hpp"
#include "quant/statistics/statistics.hpp"

namespace octet {

struct Fallback {
  std::string op;               // name of the operator
  std::string kind;             // "CONV_2D"
  DType type = DType::float32;  // what it computes in instead
  std::string reason;
};

struct QuantizeReport {
  int64_t input_bytes = 0, output_bytes = 0;  // of the serialized models
  int ops_int8 = 0, ops_int16 = 0;            // by their activations
  int ops_float = 0;  // that compute in float; the QUANTIZE and DEQUANTIZE at borders do not count
  int ops_other = 0;  // that see indices, shapes or booleans only
  std::vector<Fallback> fallback;
  std::map<std::string, int> fusions;
  std::string fusion_text;
  std::vector<Finding> findings;
  // What the figures below were measured on: nothing was set or chosen with these samples, unless there was
  // one sample in all (held_out is false then).
  struct {
    int64_t samples = 0;
    bool held_out = false;
  } measured_on;
  std::optional<Comparison> error;  // against the source, with layers; when there were samples
  int64_t calibration_samples = 0;
  std::optional<double> loss;  // of the caller's metric, as it was when the search ended
  bool target_met = true;      // of the recipe's min_sqnr_db and of the metric
};

struct QuantizeResult {
  std::shared_ptr<const ModelData> model;
  // What the figures are of: made in the same way without the held-out samples, which `model` was made with,
  // too.
  std::shared_ptr<const ModelData> measured;
  QuantizeReport report;
  AssignmentDocument assignment;  // gives the same bytes again: apply()
};

// A figure of the caller's that must not be too high: accuracy that is lost, say.
struct LossLimit {
  std::function<Result<double>(const ModelData& candidate)> loss;  // empty: no limit
  double limit = 0;
  std::string reason;  // "to meet --max-drop 1", for operators that are promoted for its sake
};

struct QuantizeOptions {
  int threads = 1;
  Progress progress;
  std::shared_ptr<const CustomOps> custom_ops;  // the program's custom operators; may be null
  HeldOutSamples held_out;                      // none: those that the statistics keep
  LossLimit loss;
};

// Everything that follows from statistics. Error when they lack a tensor: they were gathered from another
// model, or with flags that changed it. Schemes without integer activations can do with none.
Result<QuantizeResult> quantize(const ModelData& source, const Statistics& statistics, const Recipe& recipe,
                                const QuantizeOptions& options = {});

// The statistics that quantize() wants: one pass over the samples. `hold_out`: keep some apart to measure on.
// With `scope` of a shard, `samples` are those of the shard.
struct GatherScope {
  bool hold_out = true;
  int64_t shard = 0, shards = 1;
  int64_t total = -1;  // samples of all shards; -1: those of `samples`
};
Result<Statistics> gather_statistics(const ModelData& source, SampleSource& samples, const Recipe& recipe,
                                     const GatherScope& scope, const GatherOptions& options,
                                     Statistics so_far = {},
                                     const std::function<Status(const Statistics&)>& checkpoint = nullptr);

// Both: samples split themselves into those that set ranges, correct, select and measure (sample_plan.hpp).
Result<QuantizeResult> quantize(const ModelData& source, SampleSource& samples, const Recipe& recipe,
                                const QuantizeOptions& options = {});

// The model that a document describes; no data is needed. Error when it does not fit the source.
Result<std::shared_ptr<const ModelData>> apply(const ModelData& source, const AssignmentDocument& assignment);
// The same with a report; figures are measured on `held_out` if there is any.
Result<QuantizeResult> result_of(const ModelData& source, AssignmentDocument assignment,
                                 HeldOutSamples held_out, const StepOptions& options);

}  // namespace octet
