// Decompositions of functions that have a builtin operator. A row of the table is a formula (formula.hpp) and
// the operator it becomes.
#pragma once

#include <string_view>
#include <vector>

#include "graph/rewriter.hpp"

namespace octet {

// Replace decompositions by the builtin they spell out (HARD_SWISH, GELU, SOFTMAX, LEAKY_RELU, PRELU,
// L2_NORMALIZATION). Part of fuse().
Result<FusionReport> recognize(Graph& g, NodeMarks* marks = nullptr);

// The formulas of the table, for the test that checks that each is well-formed.
std::vector<std::string_view> pattern_formulas();

}  // namespace octet
