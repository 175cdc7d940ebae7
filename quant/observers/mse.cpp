// Chooses the range with the least expected squared error of 8-bit quantization: rounding inside the range,
// clipping outside (MATH.md, Q4). Both ends are searched together.
//
// A calibration set is small, and its extremes say little about the data to come. So the tails, the outermost
// 2 % on either side, are not taken as they are but as a smooth distribution fitted to them: the range may
// end beyond the greatest value seen, or before it when that was an outlier.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "quant/observers/observers.hpp"

namespace octet {
namespace {

constexpr double kTailShare = 0.02;
constexpr int64_t kFewest = 8;   // values that a tail is fitted to
constexpr int kCandidates = 96;  // ends of the range tried on either side
constexpr double kLevels = 255;

// One side of the distribution: values x >= 0 counted outwards, as bins of the histogram.
struct Side {
  std::vector<double> at, count;  // distance of bin middles from 0, ascending; how many
  double extreme = 0;
};

// Candidates for one end of the range and the summed squared clipping error of each.
struct Ends {
  std::vector<double> at, error;
};

// Tail beyond u: a share of values whose hazard starts at lambda and grows by slope, half of what it does for
// a normal distribution, so between an exponential and a normal tail.
struct Tail {
  double u = 0, count = 0, lambda = 0, slope = 0, reach = 0;

  // 2 * integral of (x - end) * survivors(x) over x > end, for all ends at once: summed from the far end in.
  std::vector<double> errors(const std::vector<double>& ends) const {
    constexpr int kSteps = 512;
    const double step = reach / kSteps;
    std::vector<double> table(kSteps + 1, 0.0);
    double survivors = 0;
    for (int i = kSteps - 1; i >= 0; --i) {
      const double t = (static_cast<double>(i) + 0.5) * step;
      survivors += count * std::exp(-lambda * t - 0.5 * slope * t * t) * step;
      table[static_cast<size_t>(i)] = table[static_cast<size_t>(i) + 1] + 2 * survivors * step;
    }
    std::vector<double> result;
    for (double end : ends) {
      const double at = std::clamp((end - u) / step, 0.0, static_cast<double>(kSteps));
      const auto i = std::min(static_cast<size_t>(at), static_cast<size_t>(kSteps - 1));
      const double part = at - static_cast<double>(i);
      result.push_back(table[i] * (1 - part) + table[i + 1] * part);
    }
    return result;
  }
};

Tail fit_tail(const Side& side, int64_t total, double mean) {
  Tail t;
  double n = 0, sum = 0;
  const double wanted =
      static_cast<double>(std::max(static_cast<int64_t>(kTailShare * static_cast<double>(total)), kFewest));
  size_t i = side.at.size();
  while (i > 0 && n < wanted) {
    --i;
    n += side.count[i];
    sum += side.count[i] * side.at[i];
  }
  if (n == 0) return t;
  const double u = i < side.at.size() ? side.at[i] : 0;
  const double excess = sum / n - u;
  t.u = u;
  t.count = n;
  if (!(excess > 0)) return t;
  t.lambda = 0.95 / excess;  // 0.95: the mean excess of a tail that falls faster than an exponential is less
  t.slope = 0.5 * t.lambda / std::max(u - mean, excess);
  t.reach = 12 * excess;
  return t;
}

Ends candidates(const Side& side, int64_t total, double mean) {
  if (side.extreme <= 0) return {{0.0}, {0.0}};
  const Tail tail = fit_tail(side, total, mean);
  Ends ends;
  const double from = 0.25 * side.extreme, to = side.extreme + (tail.lambda > 0 ? 4 * 0.95 / tail.lambda : 0);
  for (int i = 0; i < kCandidates; ++i)
    ends.at.push_back(from + (to - from) * i / (kCandidates - 1));
  // The extreme itself is always one of them.
  ends.at.push_back(side.extreme);
  std::sort(ends.at.begin(), ends.at.end());
  const std::vector<double> modelled =
      tail.lambda > 0 ? tail.errors(ends.at) : std::vector<double>(ends.at.size(), 0.0);
  // Never less than what was really seen: sum over bins beyond the end of count * (x - end)^2.
  std::vector<double> n(side.at.size() + 1, 0), s1(n), s2(n);
  for (size_t i = side.at.size(); i-- > 0;) {
    n[i] = n[i + 1] + side.count[i];
    s1[i] = s1[i + 1] + side.count[i] * side.at[i];
    s2[i] = s2[i + 1] + side.count[i] * side.at[i] * side.at[i];
  }
  for (size_t c = 0; c < ends.at.size(); ++c) {
    const double end = ends.at[c];
    const auto i =
        static_cast<size_t>(std::upper_bound(side.at.begin(), side.at.end(), end) - side.at.begin());
    const double seen = std::max(s2[i] - 2 * end * s1[i] + end * end * n[i], 0.0);
    ends.error.push_back(end >= tail.u ? std::max(seen, modelled[c]) : seen);
  }
  return ends;
}

class Mse final : public HistogramObserver {
 public:
  std::string_view name() const override { return "mse"; }

 private:
  Range estimate() const override {
    const Histogram& h = histogram();
    const Range seen = extremes();
    Side up, down;
    up.extreme = std::max(static_cast<double>(seen.max), 0.0);
    down.extreme = std::max(-static_cast<double>(seen.min), 0.0);
    double mean = 0;
    for (size_t i = 0; i < h.counts().size(); ++i) {
      const double x = std::clamp(h.middle(i), -down.extreme, up.extreme);
      const auto n = static_cast<double>(h.counts()[i]);
      mean += n * x / static_cast<double>(h.total());
      if (n == 0) continue;
      Side& side = x < 0 ? down : up;
      side.at.push_back(std::fabs(x));
      side.count.push_back(n);
    }
    std::reverse(down.at.begin(), down.at.end());
    std::reverse(down.count.begin(), down.count.end());
    const Ends hi = candidates(up, h.total(), mean), lo = candidates(down, h.total(), -mean);
    // (Q4) Values that are exactly 0 have no rounding error; the others on average scale^2 / 12.
    const auto rounded = static_cast<double>(h.total() - h.zeros());
    double best = -1;
    size_t best_lo = 0, best_hi = 0;
    for (size_t i = lo.at.size(); i-- > 0;)
      for (size_t j = hi.at.size(); j-- > 0;) {
        const double scale = (hi.at[j] + lo.at[i]) / kLevels;
        const double error = rounded * scale * scale / 12 + lo.error[i] + hi.error[j];
        if (best >= 0 && error >= best) continue;
        best = error;
        best_lo = i;
        best_hi = j;
      }
    return {static_cast<float>(-lo.at[best_lo]), static_cast<float>(hi.at[best_hi])};
  }
};

}  // namespace

std::unique_ptr<Observer> make_mse_observer() {
  return std::make_unique<Mse>();
}

}  // namespace octet
