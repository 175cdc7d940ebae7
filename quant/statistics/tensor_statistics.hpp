// Streaming statistics of the values that one tensor takes: everything that any observer chooses a range
// from.
//
// Bounded memory whatever the number of samples, the same result on every machine. Apart from the moving
// average, merged statistics are exactly what one pass over all samples would have gathered, in any order.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "octet/status.hpp"
#include "quant/statistics/histogram.hpp"

namespace octet {

struct Range {
  float min = 0, max = 0;

  friend bool operator==(const Range&, const Range&) = default;
};

// Values at or below this are fills ("minus infinity" of a PADV2 or a mask), not data: they saturate.
inline constexpr float kFill = -1e30f;

// Values that are no data. Counted, excluded from the range, reported by name.
struct NonFiniteCounts {
  int64_t nan = 0, infinite = 0, fill = 0;

  bool any() const { return nan != 0 || infinite != 0 || fill != 0; }
  friend bool operator==(const NonFiniteCounts&, const NonFiniteCounts&) = default;
};

// Extremes of each sample, averaged with exponential forgetting: r += (x - r) / 100, and the plain mean while
// fewer than 100 samples were seen.
struct RunningRange {
  int64_t steps = 0;
  double min = 0, max = 0;

  void add(float lo, float hi);
  // Forgetting has an order, merging has none: both sides count by their number of samples.
  void merge(const RunningRange& other);
};

class TensorStatistics {
 public:
  // One tensor of one sample. Order inside the tensor does not matter.
  void observe(std::span<const float> values);
  Status merge(const TensorStatistics& other);

  int64_t count() const { return count_; }  // finite values seen
  Range extremes() const { return count_ == 0 ? Range{} : seen_; }
  const NonFiniteCounts& non_finite() const { return non_finite_; }
  const Histogram& histogram() const { return histogram_; }
  const RunningRange& running() const { return running_; }
  // Shares of all values that lie at the least and at the greatest one: many where something was clamped.
  Range share_at_ends() const;

  // `running`: with the moving average, which alone depends on the order of the samples.
  nlohmann::json save(bool running) const;
  // Whatever the JSON holds, the result is valid or an error.
  Status load(const nlohmann::json& json);

 private:
  Range seen_;
  int64_t count_ = 0;
  NonFiniteCounts non_finite_;
  Histogram histogram_;
  RunningRange running_;
  std::vector<float> finite_;  // scratch
};

}  // namespace octet
