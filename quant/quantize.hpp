// From a float model to a quantized one: the one pipeline. A result is a function of the model, the recipe
// and the statistics (statistics/statistics.hpp), which hold all that was seen of the data.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "octet/quantize.hpp"
#include "quant/assign/document.hpp"
#include "quant/pipeline.hpp"
#include "quant/prepare.hpp"
#include "quant/recipe.hpp"
#include "quant/statistics/gather.hpp"
#include "quant/statistics/statistics.hpp"

namespace octet {

struct QuantizedData {
  std::shared_ptr<const ModelData> model;
  // What the figures are of: made in the same way without the held-out samples, which `model` was made with,
  // too.
  std::shared_ptr<const ModelData> measured;
  QuantizeReport report;
  AssignmentDocument assignment;  // gives the same bytes again: apply()
};

// A figure of the caller's that must not be too high: accuracy that is lost, say.
struct LossLimit {
  std::function<Result<double>(const std::shared_ptr<const ModelData>& candidate)> loss;  // empty: no limit
  double limit = 0;
  std::string reason;  // "to meet --max-drop 1", for operators that are promoted for its sake
};

struct QuantizeOptions {
  int threads = 1;
  Progress progress;
  std::shared_ptr<const CustomOps> custom_ops;  // the program's custom operators; may be null
  HeldOutSamples held_out;                      // none: those that the statistics keep
  const SampleSet* correction = nullptr;        // null: what the statistics keep for corrections
  LossLimit loss;
};

// Everything that follows from statistics. Error when they lack a tensor: they were gathered from another
// model, or with flags that changed it. Schemes without integer activations can do with none.
Result<QuantizedData> quantize(const ModelData& source, const StatisticsStore& statistics,
                               const Recipe& recipe, const QuantizeOptions& options = {});

// Gathers the statistics that quantize() wants, in one pass over the samples.
struct GatherScope {
  bool hold_out = true;           // keep some samples apart to measure on
  int64_t shard = 0, shards = 1;  // the samples are those of this shard
  int64_t total = -1;             // samples of all shards; -1: not known
};
class StatisticsGatherer {
 public:
  // Error when `so_far` was gathered from another model or from another part of the data.
  static Result<StatisticsGatherer> begin(const ModelData& source, const Recipe& recipe,
                                          const GatherScope& scope, const GatherOptions& options,
                                          StatisticsStore so_far = {});
  // The next sample: the first `store().position()` of the part are known already.
  Status add(const std::vector<ConstTensorView>& sample) { return pass_->add(sample); }
  const StatisticsStore& store() const { return pass_->store(); }
  StatisticsStore& store() { return pass_->store(); }

 private:
  StatisticsGatherer(std::vector<Variant> variants, std::unique_ptr<StatisticsPass> pass)
      : variants_(std::move(variants)), pass_(std::move(pass)) {}
  std::vector<Variant> variants_;  // their graphs are run
  std::unique_ptr<StatisticsPass> pass_;
};

// All of a source. `scope.total` of -1 is the source's size. `checkpoint` is called after each sample and may
// save what there is.
Result<StatisticsStore> gather_statistics(
    const ModelData& source, SampleSource& samples, const Recipe& recipe, const GatherScope& scope,
    const GatherOptions& options, StatisticsStore so_far = {},
    const std::function<Status(const StatisticsStore&)>& checkpoint = nullptr);

// Both: samples split themselves into those that set ranges, correct, select and measure (sample_plan.hpp).
Result<QuantizedData> quantize(const ModelData& source, SampleSource& samples, const Recipe& recipe,
                               const QuantizeOptions& options = {});

// The model that a document describes; no data is needed. Error when it does not fit the source.
Result<std::shared_ptr<const ModelData>> apply(const ModelData& source, const AssignmentDocument& assignment);
// The same with a report; figures are measured on `held_out` if there is any.
Result<QuantizedData> result_of(const ModelData& source, AssignmentDocument assignment,
                                HeldOutSamples held_out, const StepOptions& options);

}  // namespace octet
