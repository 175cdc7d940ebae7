// Errors of tensors, as tables and JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "octet/compare.hpp"

namespace octet {

// The worst part of all outputs.
Json worst_json(const Comparison& c);
Json errors_json(const std::vector<TensorError>& errors);
// The first `most` of them.
std::string errors_table(const std::vector<TensorError>& errors, const std::string& what, size_t most);

}  // namespace octet
