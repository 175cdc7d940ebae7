// Data files as the quantizer wants them.
#pragma once

#include <string>
#include <vector>

#include "cli/args.hpp"
#include "octet/model.hpp"
#include "octet/samples.hpp"

namespace octet {

// Part of a dataset as samples: every `step`th of [first, end).
class DatasetSource final : public SampleSource {
 public:
  DatasetSource(Dataset& data, const std::vector<InputSpec>& inputs, int64_t first, int64_t end,
                int64_t step = 1)
      : data_(data), buffers_(inputs, data.shapes()), first_(first), end_(end), step_(step), at_(first) {}
  Result<bool> next(std::vector<ConstTensorView>& sample) override;
  Status rewind() override {
    at_ = first_;
    return {};
  }
  int64_t size() const override { return end_ > first_ ? (end_ - first_ + step_ - 1) / step_ : 0; }

 private:
  Dataset& data_;
  SampleBuffers buffers_;
  int64_t first_, end_, step_, at_;
};

// Data files as samples of a model. Errors name the file.
struct OpenData {
  std::vector<InputSpec> inputs;
  Dataset dataset;

  // For a graph of the model, in the order of its inputs.
  static Result<OpenData> open(const Model& model, const std::vector<std::string>& files,
                               const DataOptions& options, size_t graph = 0);
  // All of them, or those of one shard of several.
  DatasetSource samples(int64_t shard = 0, int64_t shards = 1) {
    return {dataset, inputs, shard, dataset.size(), shards};
  }
};

// The graph of a signature; 0, the main one, without. Error when there is none of that name.
Result<size_t> graph_of(const Model& model, const std::string& signature);

// A bar for every phase of long work.
Progress phase_bars();

}  // namespace octet
