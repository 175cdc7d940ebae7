// One entry of tensors.json. Internal to implant.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "octet/tensor.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

struct ImplantEntry {
  std::string name;
  size_t graph = 0;
  std::optional<size_t> index;  // tells tensors with the same name apart
  std::optional<DType> dtype;
  Quantization quant;
  std::string file;  // empty: no contents
};

// Whatever the text holds, the result is sound in itself or an error that names the tensor. Scales and zero
// points are numbers, lists of numbers, or names of .npy files in `folder`.
Result<std::vector<ImplantEntry>> read_index(const std::string& folder);

}  // namespace octet
