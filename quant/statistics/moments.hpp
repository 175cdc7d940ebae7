// What the windows of linear operators hold on real data: means and second moments of the numbers that meet
// each weight. Rounding weights and correcting biases (weight_rounding.hpp) start from them.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "kernels/linear/convolution.hpp"
#include "kernels/thread_pool.hpp"
#include "runtime/executor.hpp"

namespace octet {

// The mean over all windows of what each term meets. Terms are (tap, input channel), the order in which a
// window is read.
struct WindowMeans {
  linear::Geometry g;
  int64_t windows = 0;
  std::vector<double> sum;  // [tap][input channel]

  explicit WindowMeans(const linear::Geometry& geometry);
  // One input. One of another size than the geometry's has windows of its own and is left out.
  void add(std::span<const float> input, ThreadPool& pool);
  double mean(int64_t group, int64_t term) const {
    const int64_t tap = term / g.group_in(), channel = group * g.group_in() + term % g.group_in();
    return sum[static_cast<size_t>(tap * g.in_channels + channel)] /
           static_cast<double>(std::max<int64_t>(windows, 1));
  }
};

// Of one operator: the means of the real input and of what the quantized operator holds of it, and the second
// moments of the latter within a group, for blocks of neighbouring terms, so that memory stays bounded.
struct WindowMoments {
  std::optional<Affine> held_as;    // how the quantized operator holds its input; nothing: in float
  DType held_type = DType::int8;    // likewise: int8 or int16
  WindowMeans real, held;           // over all windows
  int64_t block = 0;                // terms of a block; the last one of a group may have fewer
  int64_t sampled = 0;              // windows in what follows, spread evenly over each sample
  std::vector<double> sampled_sum;  // [group][term]
  std::vector<double> products;     // [group][block][i][j], j >= i

  WindowMoments(const linear::Geometry& g, std::optional<Affine> held_as, int64_t block,
                DType held_type = DType::int8);
  const linear::Geometry& g() const { return real.g; }
  int64_t terms() const { return g().terms(); }
  int64_t blocks() const { return (terms() + block - 1) / block; }
  double sampled_mean(int64_t group, int64_t term) const {
    return sampled_sum[static_cast<size_t>(group * terms() + term)] /
           static_cast<double>(std::max<int64_t>(sampled, 1));
  }
  // The products of block b of a group: `block` rows of `block` numbers.
  size_t block_begin(int64_t group, int64_t b) const {
    return static_cast<size_t>((group * blocks() + b) * block * block);
  }
};

// An operator to watch: `input` is the float value it reads.
struct WatchedWindows {
  ValueId input = kNoValue;
  linear::Geometry g;
  std::optional<Affine> held_as;
  DType held_type = DType::int8;
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
  void add_products(WindowMoments& m);

  ThreadPool& pool_;
  int64_t samples_;
  std::vector<std::vector<size_t>> readers_;  // per value: indices into moments_
  std::vector<WindowMoments> moments_;
  std::vector<float> held_;
  std::vector<double> rows_;
};

}  // namespace octet
