#include "cli/bench_stats.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octet {
namespace {

double nearest_rank(const std::vector<double>& sorted, double share) {
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

double median_of(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const size_t n = v.size();
  return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

}  // namespace

Latency latency_of(std::vector<double> samples) {
  Latency l;
  if (samples.empty()) return l;
  std::sort(samples.begin(), samples.end());
  const double n = static_cast<double>(samples.size());
  l.min = samples.front();
  l.median = median_of(samples);
  l.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / n;
  l.p90 = nearest_rank(samples, 0.90);
  l.p99 = nearest_rank(samples, 0.99);
  double squares = 0;
  for (double s : samples)
    squares += (s - l.mean) * (s - l.mean);
  l.stddev = samples.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
  // The median lies between these ranks in 95 % of all experiments: n/2 -+ 1.96 sqrt(n)/2.
  const double half = 0.98 * std::sqrt(n);
  const double lo = std::max(1.0, std::floor(n / 2 - half)), hi = std::min(n, std::ceil(n / 2 + 1 + half));
  l.low = samples[static_cast<size_t>(lo) - 1];
  l.high = samples[static_cast<size_t>(hi) - 1];
  return l;
}

bool is_steady(const std::vector<double>& samples, size_t window, double tolerance) {
  if (samples.size() < 2 * window) return false;
  const auto end = samples.end();
  const auto w = static_cast<ptrdiff_t>(window);
  const double before = median_of({end - 2 * w, end - w}), now = median_of({end - w, end});
  return std::abs(before - now) <= tolerance * before;
}

}  // namespace octet
