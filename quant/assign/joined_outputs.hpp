// Outputs that are joined from pieces of different ranges: boxes in pixels beside scores up to 1. In integers
// all would share the scale of the greatest piece, and the small ones would be lost.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "quant/statistics/tensor_statistics.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// The operators that join such outputs and whatever stands between them and the output: they only move
// values, or shift and scale them by constants. Done in float, behind a DEQUANTIZE, they leave every piece
// its own scale. `range`: of computed values. Each output by itself.
struct JoinedOutput {
  ValueId output = kNoValue;
  std::vector<NodeId> operators;
};
std::vector<JoinedOutput> joined_outputs(const Graph& g, const std::function<Range(ValueId)>& range);

}  // namespace octet
