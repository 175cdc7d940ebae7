// Pooling over blocks of channels that the compiler turns into vectors.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/linear/loops.hpp"
#include "kernels/linear/pool_2d.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet::pool {
namespace {

constexpr int64_t kBlock = 32;  // channels at a time

using linear::kAverageLanes;
using linear::kMaxTaps;

template <class T, class Acc, Mode mode>
void accumulate(Acc* acc, const T* x, int64_t channels, Acc zero) {
  const auto add = [&](int64_t c) {
    const Acc v = static_cast<Acc>(x[c]) - zero;
    if constexpr (mode == Mode::max)
      acc[c] = acc[c] > v ? acc[c] : v;
    else if constexpr (mode == Mode::l2)
      acc[c] += v * v;
    else
      acc[c] += v;
  };
  if (channels == kBlock) {
    for (int64_t c = 0; c < kBlock; ++c)
      add(c);
  } else {
    for (int64_t c = 0; c < channels; ++c)
      add(c);
  }
}

template <Mode mode>
void finish(const Pooling& p, const float* acc, int64_t count, int64_t channels, float* y) {
  for (int64_t c = 0; c < channels; ++c) {
    float v = acc[c];
    if constexpr (mode != Mode::max) v /= static_cast<float>(count);
    if constexpr (mode == Mode::l2) v = std::sqrt(v);
    y[c] = v;
  }
  if (p.act.none()) return;
  for (int64_t c = 0; c < channels; ++c)
    y[c] = apply(p.act, y[c]);
}

// The average of integers, (sum - count * x_zero) * ratio / count: with equal scales one correctly rounded
// division, so exactly the reference's result.
template <Mode mode, class T>
void finish(const Pooling& p, const int32_t* acc, int64_t count, int64_t channels, T* y) {
  const auto zero = static_cast<int32_t>(p.x.zero_point), y_zero = static_cast<int32_t>(p.y.zero_point);
  if (mode == Mode::max && p.keeps_scale()) {
    for (int64_t c = 0; c < channels; ++c)
      y[c] = static_cast<T>(std::min(std::max(acc[c], p.bounds.lo), p.bounds.hi));
    return;
  }
  const int32_t shift = mode == Mode::max       ? zero
                        : mode == Mode::average ? zero * static_cast<int32_t>(count)
                                                : 0;
  const float n = mode == Mode::max ? 1.0f : static_cast<float>(count);
  const float ratio = p.x.scale / p.y.scale;
  const auto lo = static_cast<float>(p.bounds.lo - y_zero), hi = static_cast<float>(p.bounds.hi - y_zero);
  for (int64_t c = 0; c < channels; ++c) {
    float v = static_cast<float>(acc[c] - shift);
    if constexpr (mode == Mode::l2)
      v = std::sqrt(v / n) * ratio;
    else
      v = v * ratio / n;
    y[c] = static_cast<T>(round_small(std::min(std::max(v, lo), hi)) + y_zero);
  }
}

template <class T, Mode mode>
void run(const Pooling& p, const RunArgs& args) {
  using Acc = std::conditional_t<std::is_same_v<T, float>, float, int32_t>;
  constexpr Acc start = mode == Mode::max ? std::numeric_limits<Acc>::lowest() : Acc{0};
  // Squares are those of real numbers; for the others finish() takes the zero point off.
  const Acc zero = mode == Mode::l2 ? static_cast<Acc>(p.x.zero_point) : Acc{0};
  const auto* x = static_cast<const T*>(args.in[0]);
  auto* y = static_cast<T*>(args.out[0]);
  args.pool.for_range(static_cast<size_t>(p.batch * p.out_h), 1, [&](size_t begin, size_t end) {
    alignas(64) Acc acc[kBlock];
    for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row) {
      const Span h = clip(row % p.out_h, p.stride_h, p.top, p.filter_h, p.in_h);
      const T* image = x + row / p.out_h * p.in_h * p.in_w * p.channels;
      for (int64_t ow = 0; ow < p.out_w; ++ow) {
        const Span w = clip(ow, p.stride_w, p.left, p.filter_w, p.in_w);
        const int64_t count = (h.end - h.begin) * (w.end - w.begin);
        for (int64_t c = 0; c < p.channels; c += kBlock) {
          const int64_t width = std::min(kBlock, p.channels - c);
          std::fill_n(acc, kBlock, start);
          for (int64_t ih = h.begin; ih < h.end; ++ih)
            for (int64_t iw = w.begin; iw < w.end; ++iw)
              accumulate<T, Acc, mode>(acc, image + (ih * p.in_w + iw) * p.channels + c, width, zero);
          finish<mode>(p, acc, count, width, y + (row * p.out_w + ow) * p.channels + c);
        }
      }
    }
  });
}

// Averages of bytes, a run of output pixels at a time. A window that leaves the input has fewer taps.
void average_bytes(const Pooling& p, const RunArgs& args) {
  const auto* x = static_cast<const std::byte*>(args.in[0]);
  auto* y = static_cast<std::byte*>(args.out[0]);
  const auto row_kernel =
      p.dtype == DType::int8 ? linear::linear_loops().averages.s8 : linear::linear_loops().averages.u8;
  // Columns [left, right) have their windows inside the input's width.
  const int64_t left = std::min(p.out_w, (p.left + p.stride_w - 1) / p.stride_w);
  const int64_t room = p.in_w - p.filter_w + p.left;
  const int64_t right = room < 0 ? left : std::clamp(room / p.stride_w + 1, left, p.out_w);
  args.pool.for_range(static_cast<size_t>(p.batch * p.out_h), 1, [&](size_t begin, size_t end) {
    ptrdiff_t offsets[kMaxTaps];
    for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row) {
      const Span h = clip(row % p.out_h, p.stride_h, p.top, p.filter_h, p.in_h);
      const std::byte* image = x + row / p.out_h * p.in_h * p.in_w * p.channels;
      const auto run = [&](int64_t from, int64_t count) {
        if (count <= 0) return;
        const Span w = clip(from, p.stride_w, p.left, p.filter_w, p.in_w);
        int64_t taps = 0;
        for (int64_t ih = h.begin; ih < h.end; ++ih)
          for (int64_t iw = w.begin; iw < w.end; ++iw)
            offsets[taps++] = (ih * p.in_w + iw) * p.channels;
        for (int64_t c = 0; c < p.channels; c += kAverageLanes)
          row_kernel({.base = image + c,
                      .step = static_cast<ptrdiff_t>(p.stride_w * p.channels),
                      .offsets = offsets,
                      .taps = taps,
                      .pixels = count,
                      .shift = static_cast<int32_t>(p.x.zero_point * taps),
                      .ratio = p.x.scale / p.y.scale,
                      .divisor = static_cast<float>(taps),
                      .lo = static_cast<float>(p.bounds.lo - p.y.zero_point),
                      .hi = static_cast<float>(p.bounds.hi - p.y.zero_point),
                      .zero = static_cast<int32_t>(p.y.zero_point),
                      .out = y + (row * p.out_w + from) * p.channels + c,
                      .out_step = static_cast<ptrdiff_t>(p.channels),
                      .width = std::min(kAverageLanes, p.channels - c)});
      };
      for (int64_t ow = 0; ow < left; ++ow)
        run(ow, 1);
      run(left, right - left);
      for (int64_t ow = right; ow < p.out_w; ++ow)
        run(ow, 1);
    }
  });
}

template <class T>
void run(const Pooling& p, const RunArgs& args) {
  if (p.mode == Mode::max) return run<T, Mode::max>(p, args);
  if (p.mode == Mode::l2) return run<T, Mode::l2>(p, args);
  run<T, Mode::average>(p, args);
}

}  // namespace

KernelResult create_window_rows(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const Pooling p, pooling_of(n));
  // Sums of bytes stay exact in float's 24 bits, those of their squares in 32.
  const int64_t area = std::min(p.filter_h, p.in_h) * std::min(p.filter_w, p.in_w);
  if (p.dtype == DType::int16) return Status::declined("int16");
  if (p.dtype != DType::float32 && area > (int64_t{1} << 15)) return Status::declined("a very large window");
  if (p.mode == Mode::average && p.dtype != DType::float32 && area <= kMaxTaps)
    return make_kernel([p](const RunArgs& args) -> Status {
      average_bytes(p, args);
      return {};
    });
  return make_kernel([p](const RunArgs& args) -> Status {
    switch (p.dtype) {
      case DType::int8: run<int8_t>(p, args); break;
      case DType::uint8: run<uint8_t>(p, args); break;
      default: run<float>(p, args);
    }
    return {};
  });
}

}  // namespace octet::pool
