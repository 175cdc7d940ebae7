// Models in and out, as the verbs need it.
#pragma once

#include <cstdint>
#include <string>

#include "octet/model.hpp"
#include "octet/status.hpp"

namespace octet {

// Errors start with the path.
Result<Model> open_model(const std::string& path);

// Write `model` to `path`, whole or not at all; ".circle" and ".tflite" choose the format. Returns the size.
Result<int64_t> save_model(const Model& model, const std::string& path);

}  // namespace octet
