// Streaming statistics of the values a tensor takes, and the range they ask for.
//
// Every observer needs bounded memory whatever the number of samples, gives the same result on every machine,
// and can be merged with another one of its kind: merge(a, b) sees what one observer would have seen.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "octet/status.hpp"

namespace octet {

struct Range {
  float min = 0, max = 0;

  friend bool operator==(const Range&, const Range&) = default;
};

// Values at or below this are fills ("minus infinity" of a PADV2 or a mask), not data: they saturate.
inline constexpr float kFill = -1e30f;

// What was seen beside data. Counted, excluded from the range, reported by name.
struct Oddities {
  int64_t nan = 0, infinite = 0, fill = 0;

  bool any() const { return nan != 0 || infinite != 0 || fill != 0; }
  friend bool operator==(const Oddities&, const Oddities&) = default;
};

// What the only reader of a tensor makes of each of its values: what an element-wise operator computes.
using Response = std::function<std::vector<float>(const std::vector<float>&)>;

class Observer {
 public:
  virtual ~Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  virtual std::string_view name() const = 0;
  // One tensor of one sample. Order inside the tensor does not matter.
  void observe(std::span<const float> values);
  // Fails when the other one is of a different kind.
  Status merge(const Observer& other);
  // The range to quantize; {0, 0} when no finite value was seen. With a response, observers that weigh errors
  // weigh those of the response.
  Range range(const Response& response = nullptr) const;
  // Shares of all values that lie at the least and at the greatest one, as far as that is known: many where
  // something was clamped.
  virtual Range share_at_ends() const { return {}; }

  int64_t count() const { return count_; }  // finite values seen
  Range extremes() const { return count_ == 0 ? Range{} : seen_; }
  const Oddities& oddities() const { return odd_; }

  nlohmann::json save() const;
  // Whatever the JSON holds, the result is a valid observer or an error.
  Status load(const nlohmann::json& json);

 protected:
  Observer() = default;
  // `values` are finite and not fills, at least one; `r` are their extremes.
  virtual void accept(std::span<const float> values, Range r) = 0;
  virtual void merge_same(const Observer& other) = 0;
  // Only called with count() > 0; `response` may be empty.
  virtual Range estimate(const Response& response) const = 0;
  virtual void save_more(nlohmann::json& json) const = 0;
  virtual Status load_more(const nlohmann::json& json) = 0;

 private:
  Range seen_;
  int64_t count_ = 0;
  Oddities odd_;
  std::vector<float> finite_;  // scratch
};

// The observer that calibrate and quantize take unless told otherwise.
inline constexpr std::string_view kDefaultObserver = "mse";

// "minmax", "moving-average", "percentile", "mse", "entropy".
std::span<const std::string_view> observer_names();
// Fails on an unknown name, and says which ones there are.
Result<std::unique_ptr<Observer>> make_observer(std::string_view name);

}  // namespace octet
