// Chooses the range with the least expected squared error of 8-bit quantization: rounding inside the range,
// clipping outside (MATH.md, Q4). Both ends are searched together.
//
// A calibration set is small, and its extremes say little about the data to come. So the tails, the outermost
// 2 % on either side, are not taken as they are but as a smooth distribution fitted to them: the range may
// end beyond the greatest value seen, or before it when that was an outlier.
#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/statistics/observers/observers.hpp"

namespace octet {
namespace {

constexpr double kTailShare = 0.02;
constexpr int64_t kFewest = 8;   // values that a tail is fitted to
constexpr int kCandidates = 96;  // ends of the range tried on either side
constexpr int kTailSteps = 256;
constexpr double kMseLevels = 255;
constexpr double kSnap = 0.02;  // so near to the extreme it is the extreme

// Values with weights, ascending outwards from 0, and what the response makes of them.
struct Points {
  std::vector<double> at, weight, response;
  // Sums over the points from i on: of weights, weight * response, weight * response^2.
  std::vector<double> s0, s1, s2;

  void sum_up() {
    s0.assign(at.size() + 1, 0);
    s1 = s2 = s0;
    for (size_t i = at.size(); i-- > 0;) {
      s0[i] = s0[i + 1] + weight[i];
      s1[i] = s1[i + 1] + weight[i] * response[i];
      s2[i] = s2[i + 1] + weight[i] * response[i] * response[i];
    }
  }
  // Squared error when everything beyond `end` becomes `value`.
  double beyond(double end, double value) const {
    const auto i = static_cast<size_t>(std::upper_bound(at.begin(), at.end(), end) - at.begin());
    return std::max(s2[i] - 2 * value * s1[i] + value * value * s0[i], 0.0);
  }
};

// Tail beyond u: its hazard starts at lambda and grows by slope, half of what it does for a normal
// distribution, so between an exponential and a normal tail.
struct Tail {
  double u = 0, count = 0, lambda = 0, slope = 0;

  bool fitted() const { return lambda > 0; }
  double survivors(double t) const { return count * std::exp(-lambda * t - 0.5 * slope * t * t); }
};

// `side` holds all values of one side; its outermost make the tail.
Tail fit_tail(const Points& side, int64_t total, double mean) {
  Tail t;
  const auto wanted =
      static_cast<double>(std::max(static_cast<int64_t>(kTailShare * static_cast<double>(total)), kFewest));
  double sum = 0, squares = 0;
  size_t i = side.at.size();
  while (i > 0 && t.count < wanted) {
    --i;
    t.count += side.weight[i];
    sum += side.weight[i] * side.at[i];
    squares += side.weight[i] * side.at[i] * side.at[i];
  }
  if (t.count == 0) return t;
  t.u = side.at[i];
  const double excess = sum / t.count - t.u;
  const double variance = squares / t.count - (sum / t.count) * (sum / t.count);
  // The squared mean excess is the variance for an exponential tail, a little more for a normal one, and
  // three times as much for a uniform one: that has a hard end, and nothing lies beyond it.
  if (!(excess > 0) || excess * excess > 2 * variance) return t;
  t.lambda = 0.95 / excess;  // 0.95: the mean excess of a tail that falls faster than an exponential is less
  t.slope = 0.5 * t.lambda / std::max(t.u - mean, excess);
  return t;
}

// The response on either side of 0, as a function of the distance from it.
class Curve {
 public:
  Curve(const Response& response, double sign) : response_(response), sign_(sign) {}
  std::vector<double> operator()(const std::vector<double>& distance) const {
    std::vector<double> y;
    y.reserve(distance.size());
    if (!response_) {
      for (double d : distance)
        y.push_back(sign_ * d);
      return y;
    }
    std::vector<float> x;
    x.reserve(distance.size());
    for (double d : distance)
      x.push_back(static_cast<float>(sign_ * d));
    for (float v : response_(x))
      y.push_back(std::isfinite(v) ? static_cast<double>(v) : 0.0);
    return y;
  }

 private:
  const Response& response_;
  double sign_;
};

// One side of 0: candidates for the range's end, and what each costs.
struct Side {
  std::vector<double> end;
  std::vector<double> clipped;  // squared error of what lies beyond
  std::vector<double> rounded;  // sum of squared slopes of the response inside: times scale^2 / 12
};

Side make_side(Points points, double extreme, int64_t total, double mean, double bin, const Curve& curve) {
  if (extreme <= 0 || points.at.empty()) return {{0.0}, {0.0}, {0.0}};
  const Tail tail = fit_tail(points, total, mean);
  Side side;
  const double from = extreme / kCandidates, to = extreme + (tail.fitted() ? 4 * 0.95 / tail.lambda : 0);
  for (int i = 0; i < kCandidates; ++i)
    side.end.push_back(from + (to - from) * i / (kCandidates - 1));
  side.end.push_back(0);
  side.end.push_back(extreme);
  std::sort(side.end.begin(), side.end.end());
  const std::vector<double> value = curve(side.end);

  points.response = curve(points.at);
  points.sum_up();
  Points modelled;
  if (tail.fitted()) {
    const double step = 12 * 0.95 / tail.lambda / kTailSteps;
    for (int i = 0; i < kTailSteps; ++i) {
      modelled.at.push_back(tail.u + (i + 0.5) * step);
      modelled.weight.push_back(tail.survivors(i * step) - tail.survivors((i + 1) * step));
    }
    modelled.response = curve(modelled.at);
    modelled.sum_up();
  }
  // Slope of the response in each bin, from its ends.
  std::vector<double> low = points.at, high = points.at;
  for (size_t i = 0; i < low.size(); ++i) {
    low[i] = std::max(low[i] - bin / 2, 0.0);
    high[i] += bin / 2;
  }
  const std::vector<double> at_low = curve(low), at_high = curve(high);
  std::vector<double> slopes(points.at.size() + 1, 0);
  for (size_t i = 0; i < points.at.size(); ++i) {
    const double slope = (at_high[i] - at_low[i]) / (high[i] - low[i]);
    slopes[i + 1] = slopes[i] + points.weight[i] * slope * slope;
  }
  for (size_t c = 0; c < side.end.size(); ++c) {
    const double end = side.end[c];
    double error = points.beyond(end, value[c]);
    // Never less than what was really seen.
    if (tail.fitted() && end >= tail.u) error = std::max(error, modelled.beyond(end, value[c]));
    side.clipped.push_back(error);
    const auto inside = std::upper_bound(points.at.begin(), points.at.end(), end) - points.at.begin();
    side.rounded.push_back(slopes[static_cast<size_t>(inside)]);
  }
  return side;
}

}  // namespace

Range mse_range(const TensorStatistics& s, const Response& response) {
  const Histogram& h = s.histogram();
  const Range seen = s.extremes();
  const double most = std::max(static_cast<double>(seen.max), 0.0);
  const double least = std::max(-static_cast<double>(seen.min), 0.0);
  Points up, down;
  double mean = 0;
  for (size_t i = 0; i < h.counts().size(); ++i) {
    // Values that are exactly 0 have no rounding error.
    const bool has_zeros = h.left(i) <= 0 && h.left(i) + h.width() > 0;
    const auto n = static_cast<double>(h.counts()[i] - (has_zeros ? h.zeros() : 0));
    if (n <= 0) continue;
    const double x = std::clamp(h.middle(i), -least, most);
    mean += n * x / static_cast<double>(h.total());
    Points& points = x < 0 ? down : up;
    points.at.push_back(std::fabs(x));
    points.weight.push_back(n);
  }
  std::reverse(down.at.begin(), down.at.end());
  std::reverse(down.weight.begin(), down.weight.end());
  const Side hi = make_side(std::move(up), most, h.total(), mean, h.width(), Curve(response, 1));
  const Side lo = make_side(std::move(down), least, h.total(), -mean, h.width(), Curve(response, -1));
  double best = -1;
  size_t best_lo = 0, best_hi = 0;
  for (size_t i = lo.end.size(); i-- > 0;)
    for (size_t j = hi.end.size(); j-- > 0;) {
      const double scale = (hi.end[j] + lo.end[i]) / kMseLevels;
      const double error =
          (lo.rounded[i] + hi.rounded[j]) * scale * scale / 12 + lo.clipped[i] + hi.clipped[j];
      if (best >= 0 && error > best) continue;  // of equal errors the narrower range
      best = error;
      best_lo = i;
      best_hi = j;
    }
  const auto snapped = [](double end, double extreme) {
    return std::fabs(end - extreme) <= kSnap * extreme ? extreme : end;
  };
  const double low = snapped(lo.end[best_lo], least), high = snapped(hi.end[best_hi], most);
  // A response that is the same everywhere leaves no range at all.
  if (low == 0 && high == 0) return seen;
  return {static_cast<float>(-low), static_cast<float>(high)};
}

}  // namespace octet
