#include "quant/statistics/observer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

#include "octet/try.hpp"
#include "quant/json_util.hpp"
#include "quant/statistics/observers/observers.hpp"

namespace octet {
namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<Observer> (*make)();
};
constexpr std::array kRows = {
    Row{"minmax", make_minmax_observer},         Row{"moving-average", make_moving_average_observer},
    Row{"percentile", make_percentile_observer}, Row{"mse", make_mse_observer},
    Row{"entropy", make_entropy_observer},
};
constexpr auto kNames = [] {
  std::array<std::string_view, kRows.size()> names;
  for (size_t i = 0; i < names.size(); ++i)
    names[i] = kRows[i].name;
  return names;
}();

constexpr int64_t kMaxCount = int64_t{1} << 60;

bool is_data(float v) {
  return v > kFill && v <= std::numeric_limits<float>::max();
}

}  // namespace

void Observer::observe(std::span<const float> values) {
  float lo = std::numeric_limits<float>::infinity(), hi = -lo;
  bool clean = true;
  for (float v : values) {
    clean &= is_data(v);
    lo = v < lo ? v : lo;
    hi = v > hi ? v : hi;
  }
  if (!clean) {
    finite_.clear();
    lo = std::numeric_limits<float>::infinity();
    hi = -lo;
    for (float v : values) {
      if (is_data(v)) {
        finite_.push_back(v);
        lo = std::min(lo, v);
        hi = std::max(hi, v);
      } else if (std::isnan(v)) {
        ++odd_.nan;
      } else if (std::isinf(v)) {
        ++odd_.infinite;
      } else {
        ++odd_.fill;
      }
    }
    values = finite_;
  }
  if (values.empty()) return;
  seen_.min = count_ == 0 ? lo : std::min(seen_.min, lo);
  seen_.max = count_ == 0 ? hi : std::max(seen_.max, hi);
  count_ += static_cast<int64_t>(values.size());
  accept(values, {lo, hi});
}

Status Observer::merge(const Observer& other) {
  if (name() != other.name())
    return Status::invalid(
        fmt::format("statistics of observers '{}' and '{}' cannot be merged", name(), other.name()));
  if (count_ > kMaxCount - other.count_) return Status::exhausted("too many values to count");
  odd_.nan += other.odd_.nan;
  odd_.infinite += other.odd_.infinite;
  odd_.fill += other.odd_.fill;
  if (other.count_ == 0) return {};
  merge_same(other);
  seen_.min = count_ == 0 ? other.seen_.min : std::min(seen_.min, other.seen_.min);
  seen_.max = count_ == 0 ? other.seen_.max : std::max(seen_.max, other.seen_.max);
  count_ += other.count_;
  return {};
}

Range Observer::range(const Response& response) const {
  if (count_ == 0) return {};
  const Range r = estimate(response);
  // A loaded file may hold anything; a range is finite and ordered whatever it held.
  constexpr float kMost = std::numeric_limits<float>::max();
  const float lo = std::clamp(r.min, -kMost, kMost), hi = std::clamp(r.max, -kMost, kMost);
  return {std::min(lo, hi), std::max(lo, hi)};
}

nlohmann::json Observer::save() const {
  nlohmann::json json = {{"count", count_}};
  if (count_ != 0) {
    json["min"] = seen_.min;
    json["max"] = seen_.max;
    save_more(json);
  }
  if (odd_.nan != 0) json["nan"] = odd_.nan;
  if (odd_.infinite != 0) json["infinite"] = odd_.infinite;
  if (odd_.fill != 0) json["fill"] = odd_.fill;
  return json;
}

Status Observer::load(const nlohmann::json& json) {
  constexpr int64_t kMaxOdd = int64_t{1} << 50;
  OCTET_ASSIGN(const int64_t count, json_int(json, "count", 0, kMaxCount));
  Oddities odd;
  for (auto [key, target] : {std::pair{"nan", &odd.nan}, {"infinite", &odd.infinite}, {"fill", &odd.fill}}) {
    if (!json.contains(key)) continue;
    OCTET_ASSIGN(*target, json_int(json, key, 0, kMaxOdd));
  }
  if (count != 0) {
    OCTET_ASSIGN(const double lo, json_real(json, "min"));
    OCTET_ASSIGN(const double hi, json_real(json, "max"));
    constexpr double kMost = std::numeric_limits<float>::max();
    if (lo > hi || lo < -kMost || hi > kMost) return Status::invalid("'min' and 'max' are not a range");
    OCTET_TRY(load_more(json));
    seen_ = {static_cast<float>(lo), static_cast<float>(hi)};
  }
  count_ = count;
  odd_ = odd;
  return {};
}

Range HistogramObserver::share_at_ends() const {
  if (histogram_.empty()) return {};
  auto share = [&](float x) {
    const double bin = std::floor((static_cast<double>(x) - histogram_.left(0)) / histogram_.width());
    if (!(bin >= 0 && bin < static_cast<double>(histogram_.counts().size()))) return 0.0f;
    return static_cast<float>(static_cast<double>(histogram_.counts()[static_cast<size_t>(bin)]) /
                              static_cast<double>(histogram_.total()));
  };
  return {share(extremes().min), share(extremes().max)};
}

void HistogramObserver::save_more(nlohmann::json& json) const {
  json["histogram"] = histogram_.save();
}

Status HistogramObserver::load_more(const nlohmann::json& json) {
  const auto it = json.find("histogram");
  if (it == json.end()) return Status::invalid("'histogram' is missing");
  OCTET_TRY(histogram_.load(*it));
  if (histogram_.total() == 0) return Status::invalid("'histogram' is empty");
  return {};
}

std::span<const std::string_view> observer_names() {
  return kNames;
}

Result<std::unique_ptr<Observer>> make_observer(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.make();
  return Status::invalid(fmt::format("no observer '{}'; there are {}", name, fmt::join(kNames, ", ")));
}

}  // namespace octet
