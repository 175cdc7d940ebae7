// Quantization parameters in JSON, as documents and folders of tensors have them.
#pragma once

#include <nlohmann/json.hpp>

#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// {"scale", "zero_point"}: numbers, or lists with "axis" or "block"; null for none.
nlohmann::ordered_json quantization_json(const Quantization& q);
// The reverse: finite positive scales, whole zero points, as many of one as of the other.
Result<Quantization> quantization_from(const nlohmann::ordered_json& json);

Result<DType> dtype_from(const nlohmann::ordered_json& object, const char* key);

}  // namespace octet
