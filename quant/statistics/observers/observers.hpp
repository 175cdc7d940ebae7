// The observers, one file each. Use make_observer().
#pragma once

#include <memory>

#include "quant/statistics/histogram.hpp"
#include "quant/statistics/observer.hpp"

namespace octet {

std::unique_ptr<Observer> make_minmax_observer();
std::unique_ptr<Observer> make_moving_average_observer();
std::unique_ptr<Observer> make_percentile_observer();
std::unique_ptr<Observer> make_mse_observer();
std::unique_ptr<Observer> make_entropy_observer();

// What the observers that choose from a histogram share.
class HistogramObserver : public Observer {
 public:
  Range share_at_ends() const final;

 protected:
  void accept(std::span<const float> values, Range r) final { histogram_.add(values, r.min, r.max); }
  void merge_same(const Observer& other) final {
    histogram_.merge(static_cast<const HistogramObserver&>(other).histogram_);
  }
  void save_more(nlohmann::json& json) const final;
  Status load_more(const nlohmann::json& json) final;

  const Histogram& histogram() const { return histogram_; }

 private:
  Histogram histogram_;
};

}  // namespace octet
