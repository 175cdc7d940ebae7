// Extremes of each sample, averaged with exponential forgetting: r += (x - r) / 100, and the plain mean while
// fewer than 100 samples were seen. Less sensitive to a single odd sample than min/max.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "octet/try.hpp"
#include "quant/json_util.hpp"
#include "quant/statistics/observers/observers.hpp"

namespace octet {
namespace {

constexpr double kHorizon = 100;

class MovingAverage final : public Observer {
 public:
  std::string_view name() const override { return "moving-average"; }

 private:
  void accept(std::span<const float>, Range r) override {
    ++steps_;
    const double weight = 1.0 / std::min(static_cast<double>(steps_), kHorizon);
    lo_ += (static_cast<double>(r.min) - lo_) * weight;
    hi_ += (static_cast<double>(r.max) - hi_) * weight;
  }
  // Forgetting has an order, merging has none: both sides count by their number of samples.
  void merge_same(const Observer& other) override {
    const auto& o = static_cast<const MovingAverage&>(other);
    const double weight = static_cast<double>(o.steps_) / static_cast<double>(steps_ + o.steps_);
    lo_ += (o.lo_ - lo_) * weight;
    hi_ += (o.hi_ - hi_) * weight;
    steps_ += o.steps_;
  }
  Range estimate(const Response&) const override {
    return {static_cast<float>(lo_), static_cast<float>(hi_)};
  }
  void save_more(nlohmann::json& json) const override {
    json["average"] = {{"steps", steps_}, {"min", lo_}, {"max", hi_}};
  }
  Status load_more(const nlohmann::json& json) override {
    const auto it = json.find("average");
    if (it == json.end()) return Status::invalid("'average' is missing");
    constexpr double kMost = 3.4e38;
    OCTET_ASSIGN(steps_, json_int(*it, "steps", 1, int64_t{1} << 40));
    OCTET_ASSIGN(lo_, json_real(*it, "min"));
    OCTET_ASSIGN(hi_, json_real(*it, "max"));
    if (lo_ > hi_ || std::fabs(lo_) > kMost || std::fabs(hi_) > kMost)
      return Status::invalid("'average' is not a range");
    return {};
  }

  int64_t steps_ = 0;
  double lo_ = 0, hi_ = 0;
};

}  // namespace

std::unique_ptr<Observer> make_moving_average_observer() {
  return std::make_unique<MovingAverage>();
}

}  // namespace octet
