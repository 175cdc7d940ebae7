// What the windows of linear operators hold on real data: means and second moments of the numbers that meet
// each weight. Rounding weights and correcting biases (weight_rounding.hpp) start from them.
#pragma once

#include <optional>
#include <vector>

#include "kernels/linear/convolution.hpp"
#include "kernels/thread_pool.hpp"
#include "runtime/executor.hpp"

namespace octet {

// Of one operator. Terms are (tap, input channel), the order in which a window is read; a group's second
// moments are kept for blocks of neighbouring terms, so that memory stays bounded.
struct WindowMoments {
  linear::Geometry g;
  std::optional<Affine> held_as;      // how the quantized operator holds its input; nothing: in float
  int64_t block = 0;                  // terms of a block; the last one of a group may have fewer
  int64_t windows = 0;                // in the means
  int64_t sampled = 0;                // in the second moments: windows spread evenly over each sample
  std::vector<double> sum, held_sum;  // [tap][input channel]: of the real input, of what is held
  std::vector<double> sampled_sum;    // [group][term]: of what is held, over the sampled windows
  std::vector<double> products;       // [group][block][i][j], j >= i

  int64_t terms() const { return g.terms(); }
  int64_t blocks() const { return (terms() + block - 1) / block; }
  // Position of (group, term) in `sum` and `held_sum`.
  size_t index(int64_t group, int64_t term) const {
    return static_cast<size_t>(term / g.group_in() * g.in_channels + group * g.group_in() +
                               term % g.group_in());
  }
  double mean(int64_t group, int64_t term) const { return sum[index(group, term)] / count(windows); }
  double held_mean(int64_t group, int64_t term) const { return held_sum[index(group, term)] / count(windows); }
  double sampled_mean(int64_t group, int64_t term) const {
    return sampled_sum[static_cast<size_t>(group * terms() + term)] / count(sampled);
  }
  // The products of block b of a group, `block` rows of `block` numbers.
  double* block_of(int64_t group, int64_t b) {
    return products.data() + (group * blocks() + b) * block * block;
  }
  const double* block_of(int64_t group, int64_t b) const {
    return products.data() + (group * blocks() + b) * block * block;
  }

 private:
  static double count(int64_t n) { return static_cast<double>(std::max<int64_t>(n, 1)); }
};

// An operator to watch: `input` is the float value it reads.
struct WatchedWindows {
  ValueId input = kNoValue;
  linear::Geometry g;
  std::optional<Affine> held_as;
};

// Gathers the moments of all watched operators while samples run through the float graph.
class MomentsTap final : public Tap {
 public:
  // `samples`: how many there will be about; `pool` outlives the tap.
  MomentsTap(size_t values, const std::vector<WatchedWindows>& watched, int64_t samples, ThreadPool& pool);
  void on_value(ValueId id, const ConstTensorView& view) override;
  const WindowMoments& operator[](size_t i) const { return moments_[i]; }

 private:
  void add(WindowMoments& m, const float* x);
  void add_means(WindowMoments& m, const float* x) const;
  void add_products(WindowMoments& m);

  ThreadPool& pool_;
  int64_t samples_;
  std::vector<std::vector<size_t>> readers_;  // per value: indices into moments_
  std::vector<WindowMoments> moments_;
  std::vector<float> held_;
  std::vector<double> rows_;
};

}  // namespace octet
