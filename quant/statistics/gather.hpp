// One pass over the data: every sample is read once, whatever the number of graphs that it runs through.
#pragma once

#include <functional>
#include <memory>
#include <span>

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

// All of `samples`: those that are held out are kept and not run; the others set ranges, and some are kept
// for corrections and choices. `hold_out`: false when there are other samples to measure on. Samples that
// `statistics` has already (position()) are passed over. `checkpoint` is called after each sample and may
// save what there is.
Status gather(std::span<const ModelData* const> graphs, SampleSource& samples, bool hold_out,
              Statistics& statistics, const GatherOptions& options,
              const std::function<Status()>& checkpoint = nullptr);

}  // namespace octet
