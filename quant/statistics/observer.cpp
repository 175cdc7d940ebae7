#include "quant/statistics/observer.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <limits>

#include "quant/statistics/observers/observers.hpp"

namespace octet {
namespace {

constexpr std::array kObservers = {
    Observer{"minmax", minmax_range, false},  Observer{"moving-average", moving_average_range, false},
    Observer{"percentile", percentile_range}, Observer{"mse", mse_range},
    Observer{"entropy", entropy_range},
};
constexpr auto kNames = [] {
  std::array<std::string_view, kObservers.size()> names;
  for (size_t i = 0; i < names.size(); ++i)
    names[i] = kObservers[i].name;
  return names;
}();

}  // namespace

Range Observer::range(const TensorStatistics& s, const Response& response) const {
  if (s.count() == 0) return {};
  const Range r = estimate(s, response);
  // A loaded file may hold anything; a range is finite and ordered whatever it held.
  constexpr float kMaxEnd = std::numeric_limits<float>::max();
  const float lo = std::clamp(r.min, -kMaxEnd, kMaxEnd), hi = std::clamp(r.max, -kMaxEnd, kMaxEnd);
  return {std::min(lo, hi), std::max(lo, hi)};
}

std::span<const std::string_view> observer_names() {
  return kNames;
}

Result<const Observer*> find_observer(std::string_view name) {
  for (const Observer& o : kObservers)
    if (o.name == name) return &o;
  return Status::invalid(fmt::format("no observer '{}'; there are {}", name, fmt::join(kNames, ", ")));
}

}  // namespace octet
