// Models and data as the verbs take them that are not clients of the public headers yet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/args.hpp"
#include "quant/statistics/sample_source.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

using ModelPtr = std::shared_ptr<const ModelData>;

// Errors start with the path.
Result<ModelPtr> load_model(const std::string& path);
// Write `model` to `path`, whole or not at all; ".circle" and ".tflite" choose the format. Returns the size.
Result<int64_t> save_model(const ModelData& model, const std::string& path);

std::vector<InputSpec> input_specs(const Graph& g);

// Part of a dataset as the quantizer wants it: every `step`th sample of [first, end).
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

// A bar for every phase of long work.
Progress phase_bars();

}  // namespace octet
