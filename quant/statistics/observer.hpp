// Observers: how the range to quantize is chosen from a tensor's statistics. Every observer reads the same
// statistics, so another one can be tried without the data.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "octet/recipe.hpp"
#include "quant/statistics/tensor_statistics.hpp"

namespace octet {

// What the only reader of a tensor makes of each of its values: what an element-wise operator computes.
using Response = std::function<std::vector<float>(const std::vector<float>&)>;

struct Observer {
  std::string_view name;
  // Only called with count() > 0. Observers that weigh errors weigh those of the response, if it is not
  // empty.
  Range (*estimate)(const TensorStatistics&, const Response&);
  // It looks at how often values occur, so values that are frequent by themselves (a clamp's bound) matter.
  bool counts = true;

  // The range to quantize, finite and ordered; {0, 0} when no finite value was seen.
  Range range(const TensorStatistics& s, const Response& response = nullptr) const;
};

// Fails on an unknown name, and says which ones there are.
Result<const Observer*> find_observer(std::string_view name);

}  // namespace octet
