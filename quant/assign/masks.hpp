// Masks that are added: what they push a sum below what counts of it saturates there, however large they are.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "quant/statistics/tensor_statistics.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Per value: elements below this make every sum that they are in count for nothing, so a range need not hold
// them. `range`: of computed values and of constants. A value with other readers than such sums has none.
std::vector<std::optional<float>> masking_bounds(const Graph& g, const std::function<Range(ValueId)>& range);

}  // namespace octet
