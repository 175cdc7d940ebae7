#include "quant/statistics/tensor_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "octet/try.hpp"
#include "quant/json_util.hpp"

namespace octet {
namespace {

constexpr int64_t kMaxValues = int64_t{1} << 60;
constexpr double kHorizon = 100;

bool is_data(float v) {
  return v > kFill && v <= std::numeric_limits<float>::max();
}

Result<RunningRange> load_running(const nlohmann::json& json) {
  RunningRange r;
  const auto it = json.find("average");
  if (it == json.end()) return r;
  constexpr double kMaxEnd = 3.4e38;
  OCTET_ASSIGN(r.steps, json_int(*it, "steps", 1, int64_t{1} << 40));
  OCTET_ASSIGN(r.min, json_real(*it, "min"));
  OCTET_ASSIGN(r.max, json_real(*it, "max"));
  if (r.min > r.max || std::fabs(r.min) > kMaxEnd || std::fabs(r.max) > kMaxEnd)
    return Status::invalid("'average' is not a range");
  return r;
}

}  // namespace

void RunningRange::add(float lo, float hi) {
  ++steps;
  const double weight = 1.0 / std::min(static_cast<double>(steps), kHorizon);
  min += (static_cast<double>(lo) - min) * weight;
  max += (static_cast<double>(hi) - max) * weight;
}

void RunningRange::merge(const RunningRange& other) {
  if (other.steps == 0) return;
  const double weight = static_cast<double>(other.steps) / static_cast<double>(steps + other.steps);
  min += (other.min - min) * weight;
  max += (other.max - max) * weight;
  steps += other.steps;
}

void TensorStatistics::observe(std::span<const float> values) {
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
        ++non_finite_.nan;
      } else if (std::isinf(v)) {
        ++non_finite_.infinite;
      } else {
        ++non_finite_.fill;
      }
    }
    values = finite_;
  }
  if (values.empty()) return;
  seen_.min = count_ == 0 ? lo : std::min(seen_.min, lo);
  seen_.max = count_ == 0 ? hi : std::max(seen_.max, hi);
  count_ += static_cast<int64_t>(values.size());
  histogram_.add(values, lo, hi);
  running_.add(lo, hi);
}

Status TensorStatistics::merge(const TensorStatistics& other) {
  if (count_ > kMaxValues - other.count_) return Status::exhausted("too many values to count");
  non_finite_.nan += other.non_finite_.nan;
  non_finite_.infinite += other.non_finite_.infinite;
  non_finite_.fill += other.non_finite_.fill;
  if (other.count_ == 0) return {};
  histogram_.merge(other.histogram_);
  running_.merge(other.running_);
  seen_.min = count_ == 0 ? other.seen_.min : std::min(seen_.min, other.seen_.min);
  seen_.max = count_ == 0 ? other.seen_.max : std::max(seen_.max, other.seen_.max);
  count_ += other.count_;
  return {};
}

Range TensorStatistics::share_at_ends() const {
  if (histogram_.empty()) return {};
  const auto share = [&](float x) {
    const double bin = std::floor((static_cast<double>(x) - histogram_.left(0)) / histogram_.width());
    if (!(bin >= 0 && bin < static_cast<double>(histogram_.counts().size()))) return 0.0f;
    return static_cast<float>(static_cast<double>(histogram_.counts()[static_cast<size_t>(bin)]) /
                              static_cast<double>(histogram_.total()));
  };
  return {share(extremes().min), share(extremes().max)};
}

nlohmann::json TensorStatistics::save(bool running) const {
  nlohmann::json json = {{"count", count_}};
  if (count_ != 0) {
    json["min"] = seen_.min;
    json["max"] = seen_.max;
    if (running) json["average"] = {{"steps", running_.steps}, {"min", running_.min}, {"max", running_.max}};
    json["histogram"] = histogram_.save();
  }
  if (non_finite_.nan != 0) json["nan"] = non_finite_.nan;
  if (non_finite_.infinite != 0) json["infinite"] = non_finite_.infinite;
  if (non_finite_.fill != 0) json["fill"] = non_finite_.fill;
  return json;
}

Status TensorStatistics::load(const nlohmann::json& json) {
  constexpr int64_t kMaxNonFinite = int64_t{1} << 50;
  TensorStatistics s;
  OCTET_ASSIGN(s.count_, json_int(json, "count", 0, kMaxValues));
  for (auto [key, target] : {std::pair{"nan", &s.non_finite_.nan},
                             {"infinite", &s.non_finite_.infinite},
                             {"fill", &s.non_finite_.fill}}) {
    if (!json.contains(key)) continue;
    OCTET_ASSIGN(*target, json_int(json, key, 0, kMaxNonFinite));
  }
  if (s.count_ != 0) {
    OCTET_ASSIGN(const double lo, json_real(json, "min"));
    OCTET_ASSIGN(const double hi, json_real(json, "max"));
    constexpr double kMaxEnd = std::numeric_limits<float>::max();
    if (lo > hi || lo < -kMaxEnd || hi > kMaxEnd) return Status::invalid("'min' and 'max' are not a range");
    s.seen_ = {static_cast<float>(lo), static_cast<float>(hi)};
    OCTET_ASSIGN(s.running_, load_running(json));
    const auto it = json.find("histogram");
    if (it == json.end()) return Status::invalid("'histogram' is missing");
    OCTET_TRY(s.histogram_.load(*it));
    if (s.histogram_.total() == 0) return Status::invalid("'histogram' is empty");
  }
  *this = std::move(s);
  return {};
}

}  // namespace octet
