// What a model file says beside its graphs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octet/export.hpp"

namespace octet {

enum class Format : uint8_t { tflite, circle };
// "tflite", "circle"
OCTET_API std::string_view name_of(Format f);

// A graph of a model with names of its own for the inputs and outputs.
struct Signature {
  std::string key;
  int32_t graph = 0;
  // Name and position in the graph's inputs / outputs (positions, unlike ids, survive every rewrite).
  std::vector<std::pair<std::string, int32_t>> inputs, outputs;
};

}  // namespace octet
