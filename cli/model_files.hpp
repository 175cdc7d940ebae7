// Models in and out, as the verbs need it.
#pragma once

#include <memory>
#include <string>

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

using ModelPtr = std::shared_ptr<const ModelData>;

// Errors start with the path.
Result<ModelPtr> load_model(const std::string& path);

// Write `model` to `path`, whole or not at all; ".circle" and ".tflite" choose the format. Returns the size.
Result<int64_t> save_model(const ModelData& model, const std::string& path);

// A graph of a model with the inputs and outputs in the order, and under the names, of a signature.
struct EntryPoint {
  int32_t graph = 0;
  std::vector<int32_t> inputs, outputs;  // positions in the graph's inputs and outputs
  std::vector<std::string> input_names, output_names;
};
// The signature called `key`, or the main graph when `key` is empty.
Result<EntryPoint> entry_point(const ModelData& model, const std::string& key);

}  // namespace octet
