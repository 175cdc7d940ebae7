// Quantization parameters and integer tensors of a model as a folder of .npy files with an index in JSON
// (tensors.json), and back.
#pragma once

#include <string>

#include "cli/command.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

inline constexpr const char* kIndexName = "tensors.json";

// Write every tensor that has scale and zero point, and every integer constant. Returns the index:
// tensors[{name, graph, index, dtype, shape, scale[], zero_point[], axis, file}].
Result<Json> extract_tensors(const ModelData& model, const std::string& folder);

struct ImplantCounts {
  int64_t tensors = 0;   // entries of the index
  int64_t contents = 0;  // constants with new contents
  int64_t biases = 0;    // computed, because the index had none
};

// Put the folder's tensors into `model`. A float tensor that the index gives an integer type becomes one; its
// contents are quantized when there is no file; biases that are missing are computed from the scales of input
// and weights; where an integer tensor is read by an operator that stays in float, a DEQUANTIZE is put
// between. Errors name the tensor.
Result<ImplantCounts> implant_tensors(ModelData& model, const std::string& folder);

}  // namespace octet
