// Options of custom operators: a FlexBuffers map of scalars.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "octet/status.hpp"

namespace octet {

// The numbers (and booleans, as 0 and 1) of the map, by key; strings and nested values are left out. The
// bytes may be hostile.
Result<std::map<std::string, double>> read_custom_options(std::span<const uint8_t> bytes);

}  // namespace octet
