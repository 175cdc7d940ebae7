// A graph of a model, entered directly or by a signature. Internal to api/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octet/model.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Inputs and outputs in the order, and under the names, that the caller sees.
struct EntryPoint {
  int32_t graph = 0;
  std::vector<int32_t> input_at, output_at;  // positions in the graph's inputs and outputs
  std::vector<TensorInfo> inputs, outputs;
};

// The signature of this name, or graph `graph` as it is when the name is empty.
Result<EntryPoint> entry_point(const ModelData& model, const std::string& signature, int32_t graph = 0);

// "a, b", or "none".
std::string names_of(const std::vector<TensorInfo>& infos);

}  // namespace octet
