// Numbers that describe measured times honestly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace octet {

struct Latency {
  double min = 0, median = 0, mean = 0, p90 = 0, p99 = 0, stddev = 0;
  double low = 0, high = 0;  // 95 % confidence interval of the median
};

// Percentiles by nearest rank. The interval is between order statistics (binomial, normal approximation), so
// nothing is assumed of the distribution.
Latency latency_of(std::vector<double> samples);

// Whether the last runs are no faster than those before them: the medians of the last two windows of `window`
// runs differ by less than `tolerance` (a share).
bool is_steady(const std::vector<double>& samples, size_t window, double tolerance);

}  // namespace octet
