// One model, ready to be run on the samples of a dataset.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/args.hpp"
#include "cli/model_files.hpp"
#include "octet/executor.hpp"

namespace octet {

struct SessionOptions {
  PlanOptions exec;
  std::string signature;
  std::vector<std::string> resize;  // "name=1x128x128x3", or a shape alone for the only input
  bool keep_state = false;          // variables live on from sample to sample
};

// Data files come in the order of the signature's inputs, and so do outputs.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(Model model, const std::vector<std::string>& files,
                                               const DataOptions& data, const SessionOptions& options);

  const Model& model() const { return model_; }
  Dataset& data() { return data_; }
  int64_t size() const { return data_.size(); }
  // Run sample `i`. Errors name the file.
  Status run(int64_t i);
  size_t outputs() const { return exec_.plan().outputs().size(); }
  ConstTensorView output(size_t i) const { return exec_.output(i); }
  const std::string& output_name(size_t i) const { return exec_.plan().outputs()[i].name; }

 private:
  Session(Model model, Dataset data, SampleBuffers buffers, Executor exec, bool keep_state)
      : model_(std::move(model)),
        data_(std::move(data)),
        buffers_(std::move(buffers)),
        exec_(std::move(exec)),
        keep_state_(keep_state) {}

  Model model_;
  Dataset data_;
  SampleBuffers buffers_;
  Executor exec_;
  bool keep_state_;
};

// The inputs of a signature (empty: of the main graph), with `resize` applied.
Result<std::vector<InputSpec>> resized_inputs(const Model& model, const std::string& signature,
                                              const std::vector<std::string>& resize);

}  // namespace octet
