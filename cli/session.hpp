// One model, ready to be run on the samples of a dataset.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/args.hpp"
#include "cli/model_files.hpp"

namespace octet {

struct SessionOptions {
  GraphExecutorOptions exec;
  std::string signature;
  std::vector<std::string> resize;  // "name=1x128x128x3", or a shape alone for the only input
  bool keep_state = false;          // variables live on from sample to sample
};

// Data files come in the order of the entry point's inputs, and so do outputs.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(ModelPtr model, const std::vector<std::string>& files,
                                               const DataOptions& data, const SessionOptions& options);

  const ModelData& model() const { return *model_; }
  Dataset& data() { return *data_; }
  int64_t size() const { return data_->size(); }
  // Run sample `i`. Errors name the file.
  Status run(int64_t i);
  size_t outputs() const { return entry_.outputs.size(); }
  ConstTensorView output(size_t i) const { return exec_->output(static_cast<size_t>(entry_.outputs[i])); }
  const std::string& output_name(size_t i) const { return entry_.output_names[i]; }

 private:
  ModelPtr model_;
  EntryPoint entry_;
  std::vector<InputSpec> inputs_;
  std::optional<Dataset> data_;
  std::optional<SampleBuffers> buffers_;
  std::unique_ptr<GraphExecutor> exec_;
  std::vector<ConstTensorView> views_;  // in graph order
  bool keep_state_ = false;
};

// The inputs of an entry point, with `resize` applied.
Result<std::vector<InputSpec>> resized_inputs(const ModelData& model, const EntryPoint& entry,
                                              const std::vector<std::string>& resize);

}  // namespace octet
