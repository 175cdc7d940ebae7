#include "kernels/linear/row_depthwise.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "kernels/linear/loops.hpp"
#include "kernels/packed.hpp"
#include "octet/try.hpp"

namespace octet::linear {
namespace {

constexpr int64_t kMaxTaps = 256;

// int8 weights that are bytes also without their zero points.
bool fits_bytes(const NodeDesc& n, const Convolution& c) {
  if (c.num.form != Form::int8) return false;
  const auto w = n.in[c.slots.w].as<int8_t>();
  for (size_t i = 0; i < w.size(); ++i) {
    const int32_t v = w[i] - c.num.w_zero[i % static_cast<size_t>(c.g.out_channels)];
    if (v < -128 || v > 127) return false;
  }
  return true;
}

// Neighbouring output pixels read the same input pixels, one tap later.
bool neighbours_share(const Geometry& g) {
  return g.stride[2] == 1 && g.dilation[2] == 1 && g.kernel[2] > 1;
}

// The taps of neighbouring output pixels lie at equal distances, so one list of offsets serves a whole run of
// pixels. Where the window leaves the input, taps read from a row of zero points instead: the inner loop has
// no branches. With a multiplier, every input channel is first repeated as often as it has outputs.
class RowDepthwise final : public Kernel {
 public:
  RowDepthwise(const NodeDesc& n, Convolution c) : c_(std::move(c)) {
    const Geometry& g = c_.g;
    multiplier_ = g.out_channels / g.in_channels;
    element_ = c_.num.form == Form::float32 ? sizeof(float) : 1;
    is_float_ = c_.num.form == Form::float32;
    const DepthwiseLoops& k = linear_loops().depthwise;
    if (is_float_)
      loops_.row = k.f32;
    else if (k.s8_bytes.row != nullptr && fits_bytes(n, c_))
      loops_ = k.s8_bytes;
    else
      loops_ = c_.num.form == Form::int8 ? k.s8 : k.u8;
    taps_ = (g.taps() + loops_.together - 1) / loops_.together * loops_.together;
    const int64_t channels = (g.out_channels + kLanes - 1) / kLanes * kLanes;
    // The row of pixels that stands for padding: as long as one of the input, because a run of output
    // pixels steps along it, too.
    zeros_.assign(static_cast<size_t>(g.in[2] * pixel_bytes() + channels * static_cast<int64_t>(element_)),
                  is_float_ ? std::byte{0} : static_cast<std::byte>(c_.num.x_zero));
    if (is_float_)
      pack_float(n, channels);
    else if (c_.num.form == Form::int8)
      pack<int8_t>(n, channels);
    else
      pack<uint8_t>(n, channels);
    if (loops_.pairs == nullptr || !neighbours_share(g)) return;
    if (loops_.bytes)
      pack_pairs<int8_t, int8_t>(n, channels);
    else if (c_.num.form == Form::int8)
      pack_pairs<int8_t, int16_t>(n, channels);
    else
      pack_pairs<uint8_t, int16_t>(n, channels);
  }

  size_t workspace_bytes() const override {
    if (multiplier_ == 1) return 0;
    return static_cast<size_t>(c_.g.batch * c_.g.pixels_in() * c_.g.out_channels) * element_ + 64;
  }

  Status run(const RunArgs& args) override {
    const Geometry& g = c_.g;
    const auto* x = static_cast<const std::byte*>(args.in[c_.slots.x]);
    if (multiplier_ != 1) {
      repeat(args, x);
      x = static_cast<const std::byte*>(args.workspace);
    }
    auto* y = static_cast<std::byte*>(args.out[0]);
    args.pool.for_range(static_cast<size_t>(g.batch * g.out[1]), 1, [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row)
        compute_row(static_cast<int64_t>(row), x, y);
    });
    return {};
  }

 private:
  template <class T>
  void pack(const NodeDesc& n, int64_t channels) {
    const Geometry& g = c_.g;
    const auto* w = static_cast<const T*>(n.in[c_.slots.w].data);
    const auto* bias = c_.num.has_bias ? static_cast<const int32_t*>(n.in[c_.slots.bias].data) : nullptr;
    const auto each_weight = [&](int64_t c, const auto& f) {
      for (int64_t t = 0; t < g.taps(); ++t)
        f(t, static_cast<int32_t>(w[t * g.out_channels + c]) - c_.num.w_zero[static_cast<size_t>(c)]);
    };
    const auto bytes = static_cast<size_t>(channels * taps_) * weight_bytes();
    weights_ = octet::pack(n, 0, bytes, [&](std::byte* to) {
      std::fill_n(to, bytes, std::byte{0});
      for (int64_t c = 0; c < g.out_channels; ++c) {
        const int64_t block = c / kLanes * kLanes * taps_;
        each_weight(c, [&](int64_t t, int32_t v) {
          const int64_t at = block + packed_index(t, c % kLanes, kLanes, loops_.together);
          if (loops_.bytes)
            reinterpret_cast<int8_t*>(to)[at] = static_cast<int8_t>(v);
          else
            reinterpret_cast<int16_t*>(to)[at] = static_cast<int16_t>(v);
        });
      }
    });
    bias_.assign(static_cast<size_t>(channels) * sizeof(int32_t), std::byte{0});
    auto* sums = reinterpret_cast<int32_t*>(bias_.data());
    scale_.assign(static_cast<size_t>(channels), 0.0f);
    for (int64_t c = 0; c < g.out_channels; ++c) {
      const auto i = static_cast<size_t>(c);
      int64_t sum = 0;
      each_weight(c, [&](int64_t, int32_t v) { sum += v; });
      // sum((x - zx) * w) = sum(x * w) - zx * sum(w); covers() has checked that nothing overflows.
      const int32_t zero = c_.num.x_zero + (loops_.bytes ? 128 : 0);
      sums[i] = static_cast<int32_t>((bias != nullptr ? bias[i] : 0) - zero * sum);
      scale_[i] = static_cast<float>(c_.num.scale[i]);
    }
  }

  // Two neighbouring pixels of stride 1 read kernel width + 1 input pixels of a row. Of these, as many as are
  // multiplied together have weights for the first pixel and, one tap later, for the second.
  template <class T, class Packed>
  void pack_pairs(const NodeDesc& n, int64_t channels) {
    const Geometry& g = c_.g;
    const auto* w = static_cast<const T*>(n.in[c_.slots.w].data);
    const int64_t together = loops_.together;
    columns_ = (g.kernel[2] + 1 + together - 1) / together * together;
    if (g.kernel[1] * columns_ >= kMaxTaps) {
      columns_ = 0;
      return;
    }
    pair_block_bytes_ = static_cast<size_t>(g.kernel[1] * columns_ * 2 * kLanes) * sizeof(Packed);
    const size_t bytes = static_cast<size_t>(channels / kLanes) * pair_block_bytes_;
    pair_weights_ = octet::pack(n, 1, bytes, [&](std::byte* to) {
      std::fill_n(to, bytes, std::byte{0});
      fill_pairs<T, Packed>(w, together, to);
    });
  }
  template <class T, class Packed>
  void fill_pairs(const T* w, int64_t together, std::byte* to) const {
    const Geometry& g = c_.g;
    for (int64_t c = 0; c < g.out_channels; ++c) {
      auto* packed = reinterpret_cast<Packed*>(to + static_cast<size_t>(c / kLanes) * pair_block_bytes_);
      for (int64_t kh = 0; kh < g.kernel[1]; ++kh)
        for (int64_t i = 0; i <= g.kernel[2]; ++i)
          for (int64_t second : {0, 1}) {
            const int64_t kw = i - second;
            if (kw < 0 || kw >= g.kernel[2]) continue;
            const int32_t v =
                w[(kh * g.kernel[2] + kw) * g.out_channels + c] - c_.num.w_zero[static_cast<size_t>(c)];
            const int64_t group = (kh * columns_ + i) / together;
            packed[((group * 2 + second) * kLanes + c % kLanes) * together + i % together] =
                static_cast<Packed>(v);
          }
    }
  }

  // Offsets of the input pixels that output pixels (oh, ow) and (oh, ow + 1) read.
  void fill_pair_offsets(int64_t oh, int64_t ow, const std::byte* image, ptrdiff_t* offsets) const {
    const Geometry& g = c_.g;
    for (int64_t kh = 0; kh < g.kernel[1]; ++kh) {
      const auto ih = g.source(1, oh, kh);
      for (int64_t i = 0; i < columns_; ++i) {
        // Those that fill up the last group have zero weights.
        const int64_t iw = ow - g.pad_before[2] + std::min(i, g.kernel[2]);
        const std::byte* from = ih ? image + (*ih * g.in[2] + iw) * pixel_bytes() : zeros_.data();
        offsets[kh * columns_ + i] =
            static_cast<ptrdiff_t>(reinterpret_cast<intptr_t>(from) - reinterpret_cast<intptr_t>(image));
      }
    }
  }

  void pack_float(const NodeDesc& n, int64_t channels) {
    const Geometry& g = c_.g;
    const auto* w = static_cast<const float*>(n.in[c_.slots.w].data);
    const auto bytes = static_cast<size_t>(channels * taps_) * sizeof(float);
    weights_ = octet::pack(n, 0, bytes, [&](std::byte* to) {
      std::fill_n(to, bytes, std::byte{0});
      for (int64_t c = 0; c < g.out_channels; ++c)
        for (int64_t t = 0; t < taps_; ++t)
          reinterpret_cast<float*>(to)[c / kLanes * kLanes * taps_ + t * kLanes + c % kLanes] =
              w[t * g.out_channels + c];
    });
    bias_.assign(static_cast<size_t>(channels) * sizeof(float), std::byte{0});
    if (c_.num.has_bias)
      std::memcpy(bias_.data(), n.in[c_.slots.bias].data,
                  static_cast<size_t>(g.out_channels) * sizeof(float));
  }

  void repeat(const RunArgs& args, const std::byte* x) {
    const auto pixels = static_cast<size_t>(c_.g.batch * c_.g.pixels_in());
    args.pool.for_range(pixels, 64, [&](size_t begin, size_t end) {
      const auto first = static_cast<int64_t>(begin) * c_.g.in_channels;
      const int64_t count = static_cast<int64_t>(end - begin) * c_.g.in_channels;
      if (is_float_)
        repeat_elements(reinterpret_cast<const float*>(x), static_cast<float*>(args.workspace), first, count);
      else
        repeat_elements(reinterpret_cast<const uint8_t*>(x), static_cast<uint8_t*>(args.workspace), first,
                        count);
    });
  }
  template <class T>
  void repeat_elements(const T* x, T* out, int64_t first, int64_t count) const {
    if (multiplier_ == 2) {  // the usual one, as a loop that vectorizes
      for (int64_t i = first; i < first + count; ++i)
        out[2 * i] = out[2 * i + 1] = x[i];
      return;
    }
    for (int64_t i = first; i < first + count; ++i)
      for (int64_t m = 0; m < multiplier_; ++m)
        out[i * multiplier_ + m] = x[i];
  }

  // Offsets of the taps of output pixel (oh, ow) from the image's first element.
  void fill_offsets(int64_t oh, int64_t ow, const std::byte* image, ptrdiff_t* offsets) const {
    const Geometry& g = c_.g;
    for (int64_t t = 0; t < taps_; ++t) {
      const int64_t k = std::min(t, g.taps() - 1);  // those that fill up the last group have zero weights
      const auto ih = g.source(1, oh, k / g.kernel[2]), iw = g.source(2, ow, k % g.kernel[2]);
      const std::byte* from = ih && iw ? image + (*ih * g.in[2] + *iw) * pixel_bytes() : zeros_.data();
      offsets[t] =
          static_cast<ptrdiff_t>(reinterpret_cast<intptr_t>(from) - reinterpret_cast<intptr_t>(image));
    }
  }

  void compute_row(int64_t row, const std::byte* x, std::byte* y) const {
    const Geometry& g = c_.g;
    const int64_t b = row / g.out[1], oh = row % g.out[1];
    const std::byte* image = x + b * g.pixels_in() * pixel_bytes();
    std::byte* out = y + row * g.out[2] * pixel_bytes();
    ptrdiff_t offsets[kMaxTaps];
    const auto run = [&](int64_t from, int64_t count) {
      if (count <= 0) return;
      if (columns_ != 0 && count >= 2) {
        fill_pair_offsets(oh, from, image, offsets);
        const int64_t even = count / 2 * 2;
        for (int64_t c = 0; c < g.out_channels; c += kLanes) {
          DepthwiseRow r = part(c, from, even, image, out, offsets);
          r.taps = g.kernel[1] * columns_;
          r.weights = pair_weights_.get() + static_cast<size_t>(c / kLanes) * pair_block_bytes_;
          loops_.pairs(r);
        }
        from += even;
        count -= even;
        if (count == 0) return;
      }
      fill_offsets(oh, from, image, offsets);
      for (int64_t c = 0; c < g.out_channels; c += kLanes)
        loops_.row(part(c, from, count, image, out, offsets));
    };
    // Columns [left, right) have all their taps inside the input's width and make one run.
    const int64_t left = std::min(g.out[2], (g.pad_before[2] + g.stride[2] - 1) / g.stride[2]);
    const int64_t room = g.in[2] - 1 - (g.kernel[2] - 1) * g.dilation[2] + g.pad_before[2];
    const int64_t right = room < 0 ? left : std::clamp(room / g.stride[2] + 1, left, g.out[2]);
    for (int64_t ow = 0; ow < left; ++ow)
      run(ow, 1);
    run(left, right - left);
    for (int64_t ow = right; ow < g.out[2]; ++ow)
      run(ow, 1);
  }

  // `count` output pixels from column `from` of a row, kLanes channels from `c`.
  DepthwiseRow part(int64_t c, int64_t from, int64_t count, const std::byte* image, std::byte* out,
                    const ptrdiff_t* offsets) const {
    const auto at = static_cast<size_t>(c);
    return {.base = image + at * element_,
            .step = static_cast<ptrdiff_t>(c_.g.stride[2] * pixel_bytes()),
            .offsets = offsets,
            .taps = taps_,
            .pixels = count,
            .weights = weights_.get() + at * static_cast<size_t>(taps_) * weight_bytes(),
            .bias = bias_.data() + at * sizeof(int32_t),
            .requant = requant(at),
            .out = out + from * pixel_bytes() + static_cast<int64_t>(at * element_),
            .out_step = static_cast<ptrdiff_t>(pixel_bytes()),
            .width = std::min(kLanes, c_.g.out_channels - c)};
  }

  Requant requant(size_t at) const {
    if (is_float_) {
      const RealRange r = range_of(c_.num.act);
      return {nullptr, r.lo, r.hi, 0};
    }
    const int32_t z = c_.num.y_zero;
    return {scale_.data() + at, static_cast<float>(c_.num.bounds.lo - z),
            static_cast<float>(c_.num.bounds.hi - z), z};
  }
  size_t weight_bytes() const {
    return is_float_ ? sizeof(float) : loops_.bytes ? sizeof(int8_t) : sizeof(int16_t);
  }
  int64_t pixel_bytes() const { return c_.g.out_channels * static_cast<int64_t>(element_); }

  Convolution c_;
  int64_t multiplier_ = 1, taps_ = 0;
  size_t element_ = 1;
  bool is_float_ = false;
  int64_t columns_ = 0;  // input pixels in a row of the kernel for pairs; 0: it is not used
  size_t pair_block_bytes_ = 0;
  PackedBytes weights_, pair_weights_;
  std::vector<std::byte> zeros_, bias_;
  std::vector<float> scale_;
  DepthwiseLoops::Rows loops_;
};

Status covers(const NodeDesc& n, const Convolution& c) {
  const Numerics& num = c.num;
  if (num.form != Form::float32 && num.form != Form::int8 && num.form != Form::uint8)
    return Status::declined("only float, int8 and uint8");
  if (num.int4_weights) return Status::declined("int4 weights");
  if (!n.in[c.slots.w].is_known()) return Status::declined("the weights are not constant");
  if (num.has_bias && !n.in[c.slots.bias].is_known()) return Status::declined("the bias is not constant");
  if (!num.is_clamp()) return Status::declined("the fused activation is not a clamp");
  if (c.g.taps() >= kMaxTaps) return Status::declined(fmt::format("{} taps", c.g.taps()));
  if (c.g.empty() || c.g.pixels_in() == 0) return Status::declined("nothing to compute");
  // A row of zeros as long as one of the input stands for padding.
  constexpr int64_t kMaxRow = int64_t{1} << 24;
  if (c.g.in[2] * c.g.in_channels > kMaxRow) return Status::declined("rows of over 16 million elements");
  if (num.form != Form::float32 && num.has_bias) {
    // Partial sums must stay inside int32: at most 255 taps of 255 * 255, twice (with the zero point).
    const auto* bias = static_cast<const int32_t*>(n.in[c.slots.bias].data);
    for (int64_t i = 0; i < c.g.out_channels; ++i)
      if (std::abs(static_cast<int64_t>(bias[i])) > (int64_t{1} << 30))
        return Status::declined("a bias near the limits of int32");
  }
  return {};
}

}  // namespace

double row_depthwise_rate(const Geometry& g, DType activations) {
  const DepthwiseLoops& k = linear_loops().depthwise;
  const bool s8 = activations == DType::int8, u8 = activations == DType::uint8;
  const bool pairs = (s8 && k.s8.pairs != nullptr) || (u8 && k.u8.pairs != nullptr);
  return (s8 && k.s8_bytes.row != nullptr) || (pairs && neighbours_share(g)) ? 20 : 40;
}

KernelResult row_depthwise(const NodeDesc& n, const Convolution& c) {
  OCTET_TRY(covers(n, c));
  return std::unique_ptr<Kernel>(std::make_unique<RowDepthwise>(n, c));
}

}  // namespace octet::linear
