// A histogram of bounded size that adapts to its data without losing a count.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "octet/status.hpp"

namespace octet {

// Bin k of width w = 2^exponent holds the values in [k w, (k + 1) w). When values no longer fit in kBins
// bins, the width doubles and neighbours are added up; the grid is absolute, so the state depends only on
// which values were seen: not on their order, not on how they were split between merged histograms.
class Histogram {
 public:
  static constexpr int kBins = 2048;

  // `lo` and `hi` are the extremes of `values`, all finite.
  void add(std::span<const float> values, float lo, float hi);
  void merge(const Histogram& other);

  bool empty() const { return counts_.empty(); }
  double width() const;
  // Bins in use, from the lowest that was ever touched to the highest.
  std::span<const int64_t> counts() const { return counts_; }
  double left(size_t bin) const;  // where bin `bin` of counts() begins
  double middle(size_t bin) const { return left(bin) + width() / 2; }
  int64_t total() const { return total_; }
  // Values that are exactly 0. They sit in one bin with others, but quantize without any error.
  int64_t zeros() const { return zeros_; }

  nlohmann::json save() const;
  Status load(const nlohmann::json& json);

 private:
  void cover(int exponent, int64_t first, int64_t last);
  void coarsen(int exponent);

  int exponent_ = 0;
  int64_t first_ = 0;  // grid index of counts_[0]
  std::vector<int64_t> counts_;
  int64_t total_ = 0, zeros_ = 0;
};

}  // namespace octet
