// Options that several verbs take, and what they mean to the layers below.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/data/dataset.hpp"
#include "octet/executor.hpp"

namespace octet {

// As many as there are CPUs for this process, at most 8.
int default_threads();

void add_model_option(Options& options, std::string& model);

// --threads, --backend
struct ExecArgs {
  int threads = default_threads();
  std::string backend{"xnnpack"};

  PlanOptions options() const;
};
void add_exec_options(Options& options, ExecArgs& args);
void add_threads_option(Options& options, int& threads);

// How data files are read.
struct DataArgs {
  std::string mean, std, scale, resize, crop, raw_type;
  bool bgr = false;

  Result<DataOptions> options() const;
};
// --mean, --std, ... ; the option with the files themselves differs from verb to verb.
void add_data_options(Options& options, DataArgs& args);
// The files: --data or --input, given once per graph input.
void add_files_option(Options& options, const std::string& name, std::vector<std::string>& files);

// "1,2.5,1/255" as numbers.
Result<std::vector<double>> parse_numbers(const std::string& text);
// "1x224x224x3" as a shape.
Result<Shape> parse_shape(const std::string& text);

// Buffers for one sample of a dataset.
class SampleBuffers {
 public:
  SampleBuffers(const std::vector<InputSpec>& inputs, const std::vector<Shape>& shapes);
  // Read sample `i`.
  Status read(Dataset& data, int64_t i);
  const std::vector<ConstTensorView>& views() const { return views_; }

 private:
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<TensorView> targets_;
  std::vector<ConstTensorView> views_;
};

// {"name", "shape", "dtype"} of a tensor.
Json tensor_json(const std::string& name, const Shape& shape, DType dtype);

}  // namespace octet
