// Cuts off one value in ten thousand at either end.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "quant/statistics/observers/observers.hpp"

namespace octet {
namespace {

constexpr double kTail = 1e-4;

class Percentile final : public HistogramObserver {
 public:
  std::string_view name() const override { return "percentile"; }

 private:
  // Linear inside the bin that the quantile falls into.
  double quantile(double share) const {
    const Histogram& h = histogram();
    const double target = share * static_cast<double>(h.total());
    double before = 0;
    for (size_t i = 0; i < h.counts().size(); ++i) {
      const auto n = static_cast<double>(h.counts()[i]);
      if (n > 0 && before + n >= target) return h.left(i) + h.width() * std::max(target - before, 0.0) / n;
      before += n;
    }
    return h.left(h.counts().size());
  }
  Range estimate(const Response&) const override {
    const Range seen = extremes();
    const auto lo = static_cast<double>(seen.min), hi = static_cast<double>(seen.max);
    return {static_cast<float>(std::clamp(quantile(kTail), lo, hi)),
            static_cast<float>(std::clamp(quantile(1 - kTail), lo, hi))};
  }
};

}  // namespace

std::unique_ptr<Observer> make_percentile_observer() {
  return std::make_unique<Percentile>();
}

}  // namespace octet
