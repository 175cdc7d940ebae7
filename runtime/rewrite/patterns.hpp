// Groups of operators that together are one function: the second rule table.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/rewrite/rewriter.hpp"

namespace octet {

// Nodes that form one function without being one builtin (a normalization): kept together by the quantizer.
struct Pattern {
  std::string_view name;      // "layer norm"
  std::vector<NodeId> nodes;  // in graph order
  ValueId input = kNoValue, output = kNoValue;
};

// Replace decompositions by the builtin they spell out (HARD_SWISH, GELU, SOFTMAX, LEAKY_RELU, PRELU,
// L2_NORMALIZATION).
Result<FusionReport> recognize(Graph& g);
// Find the groups that no builtin stands for.
std::vector<Pattern> find_patterns(const Graph& g);

}  // namespace octet
