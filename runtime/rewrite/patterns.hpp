// Groups of operators that together are one function: the second rule table. A row is a formula
// (formula.hpp) and what it becomes.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/rewrite/rewriter.hpp"

namespace octet {

// Nodes that form one function without being one builtin (a normalization): the quantizer keeps them
// together, so that no square is held in 8 bits.
struct Pattern {
  std::string_view name;      // "layer norm", "instance norm", "rms norm", "norm"
  std::vector<NodeId> nodes;  // in graph order
  ValueId input = kNoValue, output = kNoValue;
  std::vector<int64_t> axes;  // that are normalized over, from the front
  double epsilon = 0;
  bool centered = true;                       // false: no mean is subtracted
  ValueId gamma = kNoValue, beta = kNoValue;  // constants, when the affine part belongs to the group
};

// Replace decompositions by the builtin they spell out (HARD_SWISH, GELU, SOFTMAX, LEAKY_RELU, PRELU,
// L2_NORMALIZATION). Part of fuse().
Result<FusionReport> recognize(Graph& g);
// Find the groups that no builtin stands for.
std::vector<Pattern> find_patterns(const Graph& g);

// The formulas of both tables, for the test that checks that each is well-formed.
std::vector<std::string_view> pattern_formulas();

}  // namespace octet
