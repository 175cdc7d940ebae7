// Structural comparison of models, for tests.
#pragma once

#include <string>

#include "schema/ir/graph.hpp"

namespace octet::test {

// The first difference in words, or "" when both models say the same: everything but `path`, `file_bytes`,
// `notes`, where constants live, and the names of source operators.
std::string diff(const ModelData& a, const ModelData& b);
inline bool equal(const ModelData& a, const ModelData& b) {
  return diff(a, b).empty();
}

}  // namespace octet::test
