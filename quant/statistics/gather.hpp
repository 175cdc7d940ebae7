// One pass over the data: every sample is read once, whatever the number of graphs that it runs through.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "quant/statistics/sample_source.hpp"
#include "quant/statistics/statistics.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

class CustomOps;  // kernels/custom.hpp

struct GatherOptions {
  int threads = 1;
  Progress progress;
  std::shared_ptr<const CustomOps> custom_ops;  // the program's custom operators; may be null
};

// Adds what the float values of `graphs` hold on samples. One gatherer serves many samples.
class Gatherer {
 public:
  Gatherer(std::span<const ModelData* const> graphs, const GatherOptions& options);
  ~Gatherer();
  // One sample, through every graph; what the values hold is added to `values`.
  Status run(const std::vector<ConstTensorView>& sample, ValueStatistics& values);

 private:
  class GraphTap;
  std::vector<std::unique_ptr<GraphTap>> taps_;
};

// One pass over one part of the data, sample by sample. Samples that are held out are kept and set no ranges;
// the others set ranges, and some are kept for corrections and choices.
class StatisticsPass {
 public:
  // `hold_out`: false when there are other samples to measure on. Error when `so_far` was gathered from other
  // graphs.
  static Result<std::unique_ptr<StatisticsPass>> begin(std::span<const ModelData* const> graphs,
                                                       bool hold_out, StatisticsStore so_far,
                                                       const GatherOptions& options);
  // The sample at store().position() of this part of the data.
  Status add(const std::vector<ConstTensorView>& sample);
  StatisticsStore& store() { return store_; }

 private:
  StatisticsPass(std::span<const ModelData* const> graphs, bool hold_out, StatisticsStore so_far,
                 const GatherOptions& options)
      : gatherer_(graphs, options), hold_out_(hold_out), store_(std::move(so_far)) {}
  Gatherer gatherer_;
  bool hold_out_;
  StatisticsStore store_;
  std::optional<SamplePlan> plan_;
};

}  // namespace octet
