// Cuts off one value in ten thousand at either end.
#include <algorithm>

#include "quant/statistics/observers/observers.hpp"

namespace octet {
namespace {

constexpr double kCutOff = 1e-4;

// Linear inside the bin that the quantile falls into.
double quantile(const Histogram& h, double share) {
  const double target = share * static_cast<double>(h.total());
  double before = 0;
  for (size_t i = 0; i < h.counts().size(); ++i) {
    const auto n = static_cast<double>(h.counts()[i]);
    if (n > 0 && before + n >= target) return h.left(i) + h.width() * std::max(target - before, 0.0) / n;
    before += n;
  }
  return h.left(h.counts().size());
}

}  // namespace

Range percentile_range(const TensorStatistics& s, const Response& /*response*/) {
  const Range seen = s.extremes();
  const auto lo = static_cast<double>(seen.min), hi = static_cast<double>(seen.max);
  return {static_cast<float>(std::clamp(quantile(s.histogram(), kCutOff), lo, hi)),
          static_cast<float>(std::clamp(quantile(s.histogram(), 1 - kCutOff), lo, hi))};
}

}  // namespace octet
