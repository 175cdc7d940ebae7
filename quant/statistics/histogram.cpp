#include "quant/statistics/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "octet/try.hpp"
#include "quant/json_util.hpp"

namespace octet {
namespace {

// A float has 24 significant bits: finer bins than this, relative to the greatest value, stay empty.
constexpr int kFinest = 24;
constexpr int kMinExponent = -149, kMaxExponent = 120;

int64_t grid_index(double x, int exponent) {
  return static_cast<int64_t>(std::floor(std::ldexp(x, -exponent)));
}

// The smallest exponent whose grid covers [lo, hi] with kBins bins. It grows with [lo, hi] and depends on
// nothing else.
int exponent_for(double lo, double hi) {
  const double reach = std::max(std::fabs(lo), std::fabs(hi));
  int e = reach == 0 ? kMinExponent : std::max(std::ilogb(reach) - kFinest, kMinExponent);
  if (hi > lo) e = std::max(e, std::ilogb(hi - lo) - std::ilogb(Histogram::kBins) - 1);
  while (grid_index(hi, e) - grid_index(lo, e) >= Histogram::kBins)
    ++e;
  return e;
}

int64_t shift_down(int64_t index, int by) {
  return by >= 63 ? (index < 0 ? -1 : 0) : index >> by;
}

}  // namespace

double Histogram::width() const {
  return std::ldexp(1.0, exponent_);
}

double Histogram::left(size_t bin) const {
  return std::ldexp(static_cast<double>(first_ + static_cast<int64_t>(bin)), exponent_);
}

void Histogram::coarsen(int exponent) {
  const int by = exponent - exponent_;
  if (by <= 0) return;
  exponent_ = exponent;
  if (counts_.empty()) return;
  const int64_t first = shift_down(first_, by);
  const int64_t last = shift_down(first_ + static_cast<int64_t>(counts_.size()) - 1, by);
  std::vector<int64_t> merged(static_cast<size_t>(last - first + 1), 0);
  for (size_t i = 0; i < counts_.size(); ++i)
    merged[static_cast<size_t>(shift_down(first_ + static_cast<int64_t>(i), by) - first)] += counts_[i];
  first_ = first;
  counts_ = std::move(merged);
}

// Make room for grid indices [first, last] of `exponent` at the least exponent that holds them and what is
// there already.
void Histogram::cover(int exponent, int64_t first, int64_t last) {
  if (counts_.empty()) {
    exponent_ = exponent;
    first_ = first;
    counts_.assign(static_cast<size_t>(last - first + 1), 0);
    return;
  }
  coarsen(exponent);
  for (;;) {
    const int by = exponent_ - exponent;
    const int64_t lo = std::min(first_, shift_down(first, by));
    const int64_t hi = std::max(first_ + static_cast<int64_t>(counts_.size()) - 1, shift_down(last, by));
    if (hi - lo < kBins) {
      std::vector<int64_t> wider(static_cast<size_t>(hi - lo + 1), 0);
      std::copy(counts_.begin(), counts_.end(), wider.begin() + (first_ - lo));
      first_ = lo;
      counts_ = std::move(wider);
      return;
    }
    coarsen(exponent_ + 1);
  }
}

void Histogram::add(std::span<const float> values, float lo, float hi) {
  if (values.empty()) return;
  const int e = exponent_for(static_cast<double>(lo), static_cast<double>(hi));
  cover(e, grid_index(static_cast<double>(lo), e), grid_index(static_cast<double>(hi), e));
  // x * 2^-e is exact in double for every float and every exponent in use, and below 2^26 (exponent_for).
  // Zeros are many after a ReLU: they are added in one go.
  const double inverse = std::ldexp(1.0, -exponent_);
  int64_t zeros = 0;
  for (float v : values) {
    if (v == 0.0f) {
      ++zeros;
      continue;
    }
    const double x = static_cast<double>(v) * inverse;
    const auto truncated = static_cast<int32_t>(x);
    const int64_t bin = truncated - (x < static_cast<double>(truncated) ? 1 : 0);
    ++counts_[static_cast<size_t>(bin - first_)];
  }
  if (zeros != 0) counts_[static_cast<size_t>(-first_)] += zeros;
  zeros_ += zeros;
  total_ += static_cast<int64_t>(values.size());
}

void Histogram::merge(const Histogram& other) {
  if (other.empty()) return;
  cover(other.exponent_, other.first_, other.first_ + static_cast<int64_t>(other.counts_.size()) - 1);
  const int by = exponent_ - other.exponent_;
  for (size_t i = 0; i < other.counts_.size(); ++i)
    counts_[static_cast<size_t>(shift_down(other.first_ + static_cast<int64_t>(i), by) - first_)] +=
        other.counts_[i];
  total_ += other.total_;
  zeros_ += other.zeros_;
}

nlohmann::json Histogram::save() const {
  return {{"exponent", exponent_}, {"first", first_}, {"counts", counts_}, {"zeros", zeros_}};
}

Status Histogram::load(const nlohmann::json& json) {
  constexpr int64_t kMaxIndex = int64_t{1} << 40, kMaxCount = int64_t{1} << 60;
  Histogram h;
  OCTET_ASSIGN(const int64_t exponent, json_int(json, "exponent", kMinExponent, kMaxExponent));
  OCTET_ASSIGN(h.first_, json_int(json, "first", -kMaxIndex, kMaxIndex));
  OCTET_ASSIGN(h.zeros_, json_int(json, "zeros", 0, kMaxCount));
  h.exponent_ = static_cast<int>(exponent);
  const auto counts = json.find("counts");
  if (counts == json.end() || !counts->is_array()) return Status::invalid("'counts' is not an array");
  if (counts->size() > kBins) return Status::invalid("'counts' is too long");
  for (const auto& c : *counts) {
    if (!c.is_number_integer() && !c.is_number_unsigned())
      return Status::invalid("'counts' holds something that is not an integer");
    const auto n = c.get<int64_t>();
    if (n < 0 || n > kMaxCount - h.total_) return Status::invalid("'counts' holds an impossible number");
    h.total_ += n;
    h.counts_.push_back(n);
  }
  if (h.zeros_ > h.total_) return Status::invalid("'zeros' is more than all counts");
  *this = std::move(h);
  return {};
}

}  // namespace octet
