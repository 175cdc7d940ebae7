// Chooses the clip that changes the distribution least: the Kullback-Leibler divergence between the histogram
// clipped to [-t, t] and the same quantized to 256 levels (Migacz, "8-bit inference with TensorRT", GTC 2017,
// extended to ranges that are not symmetric: a side that ends before t keeps its own end).
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/statistics/observers/observers.hpp"

namespace octet {
namespace {

constexpr int kLevels = 256;
constexpr int kEntropySteps = 100;  // candidates: 1 %, 2 %, ... of the extremes
constexpr int kFirstStep = 10;

// Divergence between bins [first, last) with the tails added to their end bins, and its 256-level version.
double divergence(const Histogram& h, size_t first, size_t last) {
  const auto counts = h.counts();
  // Exact zeros quantize without any loss; after a ReLU they would drown everything else.
  const auto count = [&](size_t i) {
    const bool has_zeros = h.left(i) <= 0 && h.left(i) + h.width() > 0;
    return static_cast<double>(counts[i] - (has_zeros ? h.zeros() : 0));
  };
  std::vector<double> p(last - first);
  for (size_t i = 0; i < counts.size(); ++i)
    p[std::clamp(i, first, last - 1) - first] += count(i);
  const double total = std::max(static_cast<double>(h.total() - h.zeros()), 1.0);
  const size_t bins = p.size();
  double sum = 0;
  for (size_t level = 0; level < kLevels; ++level) {
    const size_t begin = level * bins / kLevels, end = (level + 1) * bins / kLevels;
    double inside = 0;
    size_t used = 0;
    for (size_t i = begin; i < end; ++i) {
      // The levels see only what lies inside the range; what is clipped shows as a difference.
      inside += count(first + i);
      used += p[i] > 0 ? 1 : 0;
    }
    for (size_t i = begin; i < end; ++i) {
      if (p[i] == 0) continue;
      const double q = std::max(inside / static_cast<double>(used), 1e-3);
      sum += p[i] / total * std::log(p[i] / q);
    }
  }
  return sum;
}

}  // namespace

Range entropy_range(const TensorStatistics& s, const Response& /*response*/) {
  const Range seen = s.extremes();
  const Histogram& h = s.histogram();
  const double lo = std::min(static_cast<double>(seen.min), 0.0);
  const double hi = std::max(static_cast<double>(seen.max), 0.0);
  const size_t bins = h.counts().size();
  const double reach = std::max(-lo, hi);
  double best = std::numeric_limits<double>::infinity();
  Range chosen{static_cast<float>(lo), static_cast<float>(hi)};
  const auto bin_of = [&](double x) {
    const double b = (x - h.left(0)) / h.width();
    return static_cast<size_t>(std::clamp(b, 0.0, static_cast<double>(bins)));
  };
  // From the widest down: of equal divergences the widest range wins.
  for (int step = kEntropySteps; step >= kFirstStep; --step) {
    const double t = reach * static_cast<double>(step) / kEntropySteps;
    const double low = std::max(lo, -t), high = std::min(hi, t);
    const size_t first = std::min(bin_of(low), bins - 1);
    const size_t last = std::min(std::max(bin_of(high) + 1, first + 1), bins);
    if (last - first < kLevels) break;
    const double d = divergence(h, first, last);
    if (d >= best) continue;
    best = d;
    chosen = {static_cast<float>(low), static_cast<float>(high)};
  }
  return chosen;
}

}  // namespace octet
