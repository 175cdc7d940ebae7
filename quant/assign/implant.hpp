// Quantization parameters by tensor: out of a quantized model, and into the float model it was made of.
#pragma once

#include <memory>

#include "octet/quantize.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

Result<ModelParameters> parameters_of(const ModelData& file);

struct ImplantedData {
  std::shared_ptr<const ModelData> model;
  int64_t tensors = 0, contents = 0, biases = 0;  // as in octet/quantize.hpp
};
Result<ImplantedData> implant(const ModelData& source, const ModelParameters& parameters);

}  // namespace octet
