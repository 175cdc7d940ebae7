// Reading JSON that somebody else wrote, without trusting any of it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "octet/status.hpp"

namespace octet {

// Parse; errors say where. Depth and size are bounded by the text itself.
Result<nlohmann::json> parse_json(std::string_view text);

// Members of an object. Errors name the key.
Result<int64_t> json_int(const nlohmann::json& object, const char* key, int64_t lo, int64_t hi);
Result<double> json_real(const nlohmann::json& object, const char* key);  // finite
Result<std::string> json_string(const nlohmann::json& object, const char* key);

// Whole files. write_file goes through a temporary file beside `path`, so that readers never see half of it.
Result<std::string> read_file(const std::string& path);
Status write_file(const std::string& path, std::string_view text);

}  // namespace octet
