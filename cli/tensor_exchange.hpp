// Quantization parameters and integer tensors of a model as a folder of .npy files with an index in JSON
// (tensors.json), and back.
#pragma once

#include <string>

#include "cli/command.hpp"
#include "octet/quantize.hpp"

namespace octet {

inline constexpr const char* kIndexName = "tensors.json";

// Write the parameters to a folder. Returns the index: tensors[{name, graph, index, dtype, shape, scale[],
// zero_point[], axis, block, file}], operators[{kind, inputs[], outputs[], intermediates[]}],
// channel_exponents{}.
Result<Json> write_parameters(const ModelParameters& parameters, const std::string& model,
                              const std::string& folder);

// Whatever the folder holds, the result is sound in itself or an error that names the tensor. Scales and zero
// points are numbers, lists of numbers, or names of .npy files in the folder.
Result<ModelParameters> read_parameters(const std::string& folder);

}  // namespace octet
