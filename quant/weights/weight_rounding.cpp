#include "quant/weights/weight_rounding.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/quant_math.hpp"
#include "quant/assign/scales.hpp"

namespace octet {
namespace {

using linear::Geometry;

// Position in the weights of output channel `out` and term `k` of its group.
size_t weight_index(const Geometry& g, int64_t out, int64_t k) {
  return static_cast<size_t>(out * g.w_out + k / g.group_in() * g.w_tap + k % g.group_in() * g.w_in);
}

double nearest(double w, double scale, double levels) {
  return std::clamp(round_even(w / scale), -levels, levels);
}

// A symmetric matrix, and the order in which its terms are rounded: those that matter most first.
struct Moments {
  int64_t n = 0;
  std::vector<double> h;  // n x n
  double at(int64_t i, int64_t j) const { return h[static_cast<size_t>(i * n + j)]; }
  double& at(int64_t i, int64_t j) { return h[static_cast<size_t>(i * n + j)]; }
};

Moments moments_of(const WindowMoments& m, int64_t group, int64_t b, bool centered) {
  const int64_t first = b * m.block;
  Moments r;
  r.n = std::min(m.block, m.terms() - first);
  r.h.resize(static_cast<size_t>(r.n * r.n));
  const double* p = m.products.data() + m.block_begin(group, b);
  const auto count = static_cast<double>(std::max<int64_t>(m.sampled, 1));
  for (int64_t i = 0; i < r.n; ++i)
    for (int64_t j = i; j < r.n; ++j) {
      double v = p[i * m.block + j] / count;
      if (centered) v -= m.sampled_mean(group, first + i) * m.sampled_mean(group, first + j);
      r.at(i, j) = r.at(j, i) = v;
    }
  return r;
}

std::vector<int64_t> by_weight(const Moments& m) {
  std::vector<int64_t> order(static_cast<size_t>(m.n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return m.at(a, a) > m.at(b, b); });
  return order;
}

// The upper triangular U with U' U = inverse of H, rows and columns of H in `order`: H = R R' with R upper
// triangular, and U is R's inverse. Nothing when H is not positive definite with this damping.
std::vector<double> factor(const Moments& m, const std::vector<int64_t>& order, double damping) {
  const int64_t n = m.n;
  std::vector<double> r(static_cast<size_t>(n * n), 0.0), u(r.size(), 0.0);
  for (int64_t j = n - 1; j >= 0; --j) {
    const double* rj = r.data() + j * n;
    for (int64_t i = j; i >= 0; --i) {
      double* ri = r.data() + i * n;
      double v = m.at(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
      if (i == j) v += damping;
      for (int64_t k = j + 1; k < n; ++k)
        v -= ri[k] * rj[k];
      if (i == j) {
        if (!(v > 0)) return {};
        ri[j] = std::sqrt(v);
      } else {
        ri[j] = v / rj[j];
      }
    }
  }
  for (int64_t i = n - 1; i >= 0; --i) {
    double* ui = u.data() + i * n;
    const double* ri = r.data() + i * n;
    ui[i] = 1 / ri[i];
    for (int64_t k = i + 1; k < n; ++k) {
      const double f = -ri[k] / ri[i];
      const double* uk = u.data() + k * n;
      for (int64_t j = k; j < n; ++j)
        ui[j] += f * uk[j];
    }
  }
  return u;
}

std::vector<double> factor_damped(const Moments& m, const std::vector<int64_t>& order) {
  double trace = 0;
  for (int64_t i = 0; i < m.n; ++i)
    trace += m.at(i, i);
  if (!(trace > 0) || !std::isfinite(trace)) return {};
  // One per cent of the mean: inputs that hardly vary in the data do so elsewhere.
  for (double share = 0.01; share < 100; share *= 10)
    if (auto u = factor(m, order, share * trace / static_cast<double>(m.n)); !u.empty()) return u;
  return {};
}

// e' H e
double error_of(const Moments& m, const std::vector<double>& e) {
  double sum = 0;
  for (int64_t i = 0; i < m.n; ++i) {
    double row = 0;
    for (int64_t j = 0; j < m.n; ++j)
      row += m.at(i, j) * e[static_cast<size_t>(j)];
    sum += row * e[static_cast<size_t>(i)];
  }
  return sum;
}

// Integers for one output channel's terms of a block.
std::vector<double> round_terms(std::vector<double> w, const std::vector<double>& scale, double levels,
                                const Moments& m, const std::vector<int64_t>& order,
                                const std::vector<double>& u) {
  const auto n = static_cast<size_t>(m.n);
  std::vector<double> plain(n), better(n), e(n);
  for (size_t i = 0; i < n; ++i) {
    plain[i] = nearest(w[i], scale[i], levels);
    e[i] = w[i] - scale[i] * plain[i];
  }
  if (u.empty()) return plain;
  const double plain_error = error_of(m, e);
  const std::vector<double> real = w;
  for (size_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(order[i]);
    const double* row = u.data() + i * n;
    better[at] = nearest(w[at], scale[at], levels);
    const double left = (w[at] - scale[at] * better[at]) / row[i];
    for (size_t j = i + 1; j < n; ++j)
      w[static_cast<size_t>(order[j])] -= left * row[j];
  }
  for (size_t i = 0; i < n; ++i)
    e[i] = real[i] - scale[i] * better[i];
  return error_of(m, e) < plain_error ? better : plain;
}

// Per output channel: the sum of weight(i, channel) times the mean that weight i meets.
template <class F>
std::vector<double> mean_sums(const WindowMeans& m, const F& weight) {
  const Geometry& g = m.g;
  std::vector<double> sums(static_cast<size_t>(g.out_channels), 0.0);
  for (int64_t o = 0; o < g.out_channels; ++o)
    for (int64_t k = 0; k < g.terms(); ++k)
      sums[static_cast<size_t>(o)] += weight(weight_index(g, o, k), o) * m.mean(o / g.group_out(), k);
  return sums;
}

}  // namespace

std::vector<int8_t> compensated_rounding(std::span<const float> weights, const WeightSteps& steps,
                                         const WindowMoments& m, bool centered, ThreadPool& pool) {
  const Geometry& g = m.g();
  const Channels channels = channels_of(steps.shape, steps.quant);
  std::vector<int8_t> result(weights.size());
  const auto round_block = [&](int64_t group, int64_t b, ThreadPool& inner) {
    const Moments moments = moments_of(m, group, b, centered);
    const std::vector<int64_t> order = by_weight(moments);
    const std::vector<double> u = factor_damped(moments, order);
    const int64_t first = b * m.block, out = group * g.group_out();
    inner.for_range(static_cast<size_t>(g.group_out()), 4, [&](size_t begin, size_t end) {
      for (auto o = static_cast<int64_t>(begin); o < static_cast<int64_t>(end); ++o) {
        std::vector<double> w, scale;
        for (int64_t i = 0; i < moments.n; ++i) {
          const size_t at = weight_index(g, out + o, first + i);
          w.push_back(static_cast<double>(weights[at]));
          scale.push_back(static_cast<double>(steps.quant.at(channels.of(static_cast<int64_t>(at))).scale));
        }
        const auto q = round_terms(std::move(w), scale, steps.levels, moments, order, u);
        for (int64_t i = 0; i < moments.n; ++i)
          result[weight_index(g, out + o, first + i)] = static_cast<int8_t>(q[static_cast<size_t>(i)]);
      }
    });
  };
  // Either many small groups (depthwise) or few with much to do in each.
  if (g.groups > 1) {
    ThreadPool alone(1);
    pool.for_range(static_cast<size_t>(g.groups), 1, [&](size_t begin, size_t end) {
      for (auto group = static_cast<int64_t>(begin); group < static_cast<int64_t>(end); ++group)
        for (int64_t b = 0; b < m.blocks(); ++b)
          round_block(group, b, alone);
    });
  } else {
    for (int64_t b = 0; b < m.blocks(); ++b)
      round_block(0, b, pool);
  }
  return result;
}

std::vector<double> mean_outputs(std::span<const float> weights, const WindowMeans& m) {
  return mean_sums(m, [&](size_t i, int64_t) { return static_cast<double>(weights[i]); });
}

std::vector<double> mean_outputs(std::span<const int8_t> weights, std::span<const double> scale,
                                 const WindowMeans& m) {
  return mean_sums(m, [&](size_t i, int64_t channel) {
    return scale[static_cast<size_t>(channel)] * static_cast<double>(weights[i]);
  });
}

}  // namespace octet
