// Errors of tensors, as tables and JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "octet/compare.hpp"

namespace octet {

Json errors_json(const std::vector<TensorError>& errors);
// The first `most` of them.
std::string errors_table(const std::vector<TensorError>& errors, const std::string& what, size_t most);

}  // namespace octet
