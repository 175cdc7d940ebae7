#include "quant/statistics/moments.hpp"

#include <algorithm>

#include "kernels/quant_math.hpp"
#include "quant/reals.hpp"

namespace octet {
namespace {

using linear::Geometry;

constexpr int64_t kMomentBlock = 256, kLeastBlock = 32;
constexpr int64_t kBudget = int64_t{8} << 20;  // numbers in all blocks of all operators: 64 MB

int64_t block_for(const Geometry& g, int64_t most) {
  const int64_t blocks = (g.terms() + most - 1) / most;
  return (g.terms() + blocks - 1) / blocks;
}

int64_t numbers_for(const Geometry& g, int64_t most) {
  const int64_t block = block_for(g, most);
  return g.groups * ((g.terms() + block - 1) / block) * block * block;
}

// Calls f(tap, first element of the input pixel) for every tap of output position (b, od, oh, ow) that lies
// inside the input.
template <class F>
void each_tap(const Geometry& g, int64_t window, const F& f) {
  const int64_t ow = window % g.out[2], oh = window / g.out[2] % g.out[1];
  const int64_t od = window / g.out[2] / g.out[1] % g.out[0], b = window / g.pixels_out();
  for (int64_t kd = 0; kd < g.kernel[0]; ++kd) {
    const auto id = g.source(0, od, kd);
    if (!id) continue;
    for (int64_t kh = 0; kh < g.kernel[1]; ++kh) {
      const auto ih = g.source(1, oh, kh);
      if (!ih) continue;
      for (int64_t kw = 0; kw < g.kernel[2]; ++kw) {
        const auto iw = g.source(2, ow, kw);
        if (!iw) continue;
        const int64_t pixel = ((b * g.in[0] + *id) * g.in[1] + *ih) * g.in[2] + *iw;
        f((kd * g.kernel[1] + kh) * g.kernel[2] + kw, pixel * g.in_channels);
      }
    }
  }
}

}  // namespace

WindowMeans::WindowMeans(const Geometry& geometry)
    : g(geometry), sum(static_cast<size_t>(g.taps() * g.in_channels), 0.0) {}

void WindowMeans::add(std::span<const float> input, ThreadPool& pool) {
  if (static_cast<int64_t>(input.size()) != g.batch * g.pixels_in() * g.in_channels) return;
  const float* x = input.data();
  // What a tap reads of all windows are whole lines, and of each line the same positions: lines are summed
  // for each column of the kernel first, then these sums for each of its rows and planes.
  const int64_t channels = g.in_channels, numbers = g.kernel[2] * channels;
  std::vector<double> line_sums(static_cast<size_t>(g.batch * g.in[0] * g.in[1] * numbers), 0.0);
  pool.for_range(static_cast<size_t>(g.batch * g.in[0] * g.in[1]), 4, [&](size_t begin, size_t end) {
    for (size_t line = begin; line < end; ++line) {
      const float* from = x + static_cast<int64_t>(line) * g.in[2] * channels;
      for (int64_t kw = 0; kw < g.kernel[2]; ++kw) {
        double* to = line_sums.data() + static_cast<int64_t>(line) * numbers + kw * channels;
        for (int64_t ow = 0; ow < g.out[2]; ++ow)
          if (const auto iw = g.source(2, ow, kw))
            for (int64_t c = 0; c < channels; ++c)
              to[c] += static_cast<double>(from[*iw * channels + c]);
      }
    }
  });
  pool.for_range(static_cast<size_t>(g.kernel[0] * g.kernel[1]), 1, [&](size_t begin, size_t end) {
    for (auto k = static_cast<int64_t>(begin); k < static_cast<int64_t>(end); ++k)
      for (int64_t o = 0; o < g.batch * g.out[0] * g.out[1]; ++o) {
        const int64_t oh = o % g.out[1], od = o / g.out[1] % g.out[0], b = o / g.out[1] / g.out[0];
        const auto id = g.source(0, od, k / g.kernel[1]), ih = g.source(1, oh, k % g.kernel[1]);
        if (!id || !ih) continue;
        const double* from = line_sums.data() + ((b * g.in[0] + *id) * g.in[1] + *ih) * numbers;
        double* to = sum.data() + k * numbers;
        for (int64_t i = 0; i < numbers; ++i)
          to[i] += from[i];
      }
  });
  windows += g.batch * g.pixels_out();
}

WindowMoments::WindowMoments(const Geometry& g, std::optional<Affine> held_as, int64_t block, DType held_type)
    : held_as(held_as),
      held_type(held_type),
      real(g),
      held(g),
      block(block),
      sampled_sum(real.sum.size(), 0.0),
      products(static_cast<size_t>(g.groups * blocks() * block * block), 0.0) {}

MomentsTap::MomentsTap(size_t values, const std::vector<WatchedWindows>& watched, int64_t samples,
                       ThreadPool& pool)
    : pool_(pool), samples_(std::max<int64_t>(samples, 1)), readers_(values) {
  int64_t most = kMomentBlock, total = 0;
  do {
    total = 0;
    for (const WatchedWindows& w : watched)
      total += numbers_for(w.g, most);
    if (total <= kBudget) break;
    most /= 2;
  } while (most >= kLeastBlock);
  for (const WatchedWindows& w : watched) {
    readers_[static_cast<size_t>(w.input)].push_back(moments_.size());
    moments_.emplace_back(w.g, w.held_as, block_for(w.g, std::max(most, kLeastBlock)), w.held_type);
  }
}

void MomentsTap::on_value(ValueId id, const ConstTensorView& view) {
  for (size_t i : readers_[static_cast<size_t>(id)]) {
    WindowMoments& m = moments_[i];
    // A sample of another size has windows of its own; it is left out.
    if (view.shape.elements() == m.g().batch * m.g().pixels_in() * m.g().in_channels && all_finite(view))
      add(m, view.as<float>());
  }
}

void MomentsTap::add(WindowMoments& m, const float* x) {
  const auto n = static_cast<size_t>(m.g().batch * m.g().pixels_in() * m.g().in_channels);
  held_.assign(x, x + n);
  const auto hold = [&]<class T>(T) {
    pool_.for_range(n, 4096, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i)
        held_[i] =
            static_cast<float>(dequantize(quantize<T>(static_cast<double>(x[i]), *m.held_as), *m.held_as));
    });
  };
  if (m.held_as && m.held_type == DType::int16)
    hold(int16_t{});
  else if (m.held_as)
    hold(int8_t{});
  m.real.add({x, n}, pool_);
  m.held.add(held_, pool_);
  add_products(m);
}

void MomentsTap::add_products(WindowMoments& m) {
  const Geometry& g = m.g();
  const int64_t windows = g.batch * g.pixels_out(), terms = g.terms();
  // Some times as many rows as a block has terms, spread over the samples.
  const int64_t wanted = std::max<int64_t>(1024, 6 * m.block);
  const int64_t count = std::min(windows, (wanted + samples_ - 1) / samples_);
  const int64_t row = g.groups * terms;
  rows_.assign(static_cast<size_t>(count * row), 0.0);
  // Other samples look at other windows: a Weyl sequence, by the golden ratio.
  const auto turn = static_cast<int64_t>(static_cast<uint32_t>(m.sampled) * 2654435769U >> 16);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t window = std::min((k * 65536 + turn) * windows / (count * 65536), windows - 1);
    double* to = rows_.data() + k * row;
    each_tap(g, window, [&](int64_t tap, int64_t first) {
      for (int64_t c = 0; c < g.in_channels; ++c)
        to[c / g.group_in() * terms + tap * g.group_in() + c % g.group_in()] =
            static_cast<double>(held_[static_cast<size_t>(first + c)]);
    });
    for (int64_t i = 0; i < row; ++i)
      m.sampled_sum[static_cast<size_t>(i)] += to[i];
  }
  m.sampled += count;
  pool_.for_range(static_cast<size_t>(row), 4, [&](size_t begin, size_t end) {
    for (auto r = static_cast<int64_t>(begin); r < static_cast<int64_t>(end); ++r) {
      const int64_t group = r / terms, term = r % terms, b = term / m.block, i = term % m.block;
      const int64_t first = b * m.block, size = std::min(m.block, terms - first);
      double* products = m.products.data() + m.block_begin(group, b) + i * m.block;
      for (int64_t k = 0; k < count; ++k) {
        const double* x = rows_.data() + k * row + group * terms + first;
        const double xi = x[i];
        if (xi == 0) continue;  // often: behind a ReLU
        for (int64_t j = i; j < size; ++j)
          products[j] += xi * x[j];
      }
    }
  });
}

}  // namespace octet
