#include "kernels/linear/conv_int16.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <type_traits>

#include "kernels/linear/loops.hpp"
#include "kernels/packed.hpp"
#include "kernels/vector_loop.hpp"

namespace octet::linear {
namespace {

int64_t panels_of(int64_t n, int64_t width) {
  return (n + width - 1) / width;
}

// Biases, scales and bounds of all output channels, padded to whole blocks of lanes.
struct Rescale {
  std::vector<double> bias, scale;
  double lo = 0, hi = 0;

  Rescale(const NodeDesc& n, const Convolution& c)
      : bias(static_cast<size_t>(panels_of(c.g.out_channels, kLanes) * kLanes), 0.0),
        scale(bias.size(), 0.0),
        lo(static_cast<double>(c.num.bounds.lo)),
        hi(static_cast<double>(c.num.bounds.hi)) {
    std::copy(c.num.scale.begin(), c.num.scale.end(), scale.begin());
    if (!c.num.has_bias) return;
    const TensorDesc& b = n.in[c.slots.bias];
    for (size_t i = 0; i < static_cast<size_t>(c.g.out_channels); ++i)
      bias[i] = c.num.bias_type == DType::int64 ? static_cast<double>(b.as<int64_t>()[i])
                                                : static_cast<double>(b.as<int32_t>()[i]);
  }
};

// (Q18)
OCTET_INLINE inline int16_t rescale(double sum, double scale, double lo, double hi) {
  double v = sum * scale;
  v = v < lo ? lo : v;
  v = v > hi ? hi : v;
  return static_cast<int16_t>(round_double(v));
}

// No sum of fewer products leaves 32 bits: 2^15 * 2^7 each. Even.
constexpr int64_t kSafeDepth = 510;

// (Q7) Of a sum that may leave 32 bits, as the reference limits it.
template <class T>
OCTET_INLINE inline T requantize_sum(double sum, float scale, float lo, float hi, double zero) {
  double s = sum < -2147483648.0 ? -2147483648.0 : sum;
  s = s > 2147483647.0 ? 2147483647.0 : s;
  float v = static_cast<float>(s) * scale;
  v = v < lo ? lo : v;
  v = v > hi ? hi : v;
  return static_cast<T>(round_double(static_cast<double>(v)) + zero);
}

// The greatest magnitude of an activation with its zero point taken off.
template <class T>
constexpr int64_t kGreatest = sizeof(T) == 1 ? 255 : 32768;

// Windows become rows, kPanelRows at a time, weights panels of kLanes columns. Of activations of 8 bits, both
// sides are widened, with their zero points taken off: what weights with zero points of their own need.
template <class T>
class WidenedGemm final : public Kernel {
 public:
  WidenedGemm(const NodeDesc& n, const Convolution& c, int tasks)
      : g_(c.g),
        slots_(c.slots),
        rescale_(n, c),
        depth_((c.g.terms() + 1) / 2 * 2),
        rows_(c.g.batch * c.g.pixels_out()),
        row_panels_(panels_of(rows_, kPanelRows)),
        column_panels_(panels_of(c.g.out_channels, kLanes)),
        x_zero_(c.num.x_zero),
        y_zero_(c.num.y_zero),
        in_place_(sizeof(T) == 2 && !c.g.transposed && c.g.taps() == 1 && !c.g.has_padding() &&
                  c.g.stride == Extents{1, 1, 1}) {
    const auto* w = static_cast<const Weight*>(n.in[c.slots.w].data);
    w_zero_ = c.num.w_zero;
    w_zero_.resize(static_cast<size_t>(g_.out_channels), w_zero_.empty() ? 0 : w_zero_[0]);
    const auto bytes = static_cast<size_t>(column_panels_ * kLanes * depth_) * sizeof(int16_t);
    weights_ = octet::pack(n, 0, bytes, [&](std::byte* to) { pack(w, reinterpret_cast<int16_t*>(to)); });
    // With the weights that are there, longer sums may be safe as well.
    chunk_ = longest_sum(w) <= INT32_MAX / kGreatest<T> ? depth_ : std::min(depth_, kSafeDepth);
    // Few rows (a fully connected layer): tasks share them and part the columns.
    row_tasks_ = std::min<int64_t>(row_panels_, tasks);
    column_tasks_ = std::min<int64_t>(column_panels_, (tasks + row_tasks_ - 1) / row_tasks_);
  }
  size_t workspace_bytes() const override {
    return in_place_
               ? 0
               : static_cast<size_t>(row_tasks_ * column_tasks_ * depth_ * kPanelRows) * sizeof(int16_t);
  }
  Status run(const RunArgs& args) override {
    const auto* x = static_cast<const T*>(args.in[slots_.x]);
    auto* y = static_cast<T*>(args.out[0]);
    args.pool.for_range(static_cast<size_t>(row_tasks_ * column_tasks_), 1, [&](size_t begin, size_t end) {
      for (auto t = static_cast<int64_t>(begin); t < static_cast<int64_t>(end); ++t) {
        int16_t* gathered = static_cast<int16_t*>(args.workspace) + t * depth_ * kPanelRows;
        const int16_t* rows[kPanelRows];
        const int64_t r = t / column_tasks_, c = t % column_tasks_;
        for (int64_t p = part(row_panels_, row_tasks_, r); p < part(row_panels_, row_tasks_, r + 1); ++p) {
          gather(x, p * kPanelRows, gathered, rows);
          for (int64_t j = part(column_panels_, column_tasks_, c);
               j < part(column_panels_, column_tasks_, c + 1); ++j)
            tile(rows, j, p * kPanelRows, y);
        }
      }
    });
    return {};
  }

 private:
  using Weight = std::conditional_t<std::is_same_v<T, uint8_t>, uint8_t, int8_t>;
  static int64_t part(int64_t n, int64_t parts, int64_t i) { return n * i / parts; }

  // Calls f(output channel, position in its sum, weight) for all weights.
  template <class F>
  void each_weight(const Weight* w, const F& f) const {
    for (int64_t o = 0; o < g_.out_channels; ++o) {
      int64_t k = 0;
      for (int64_t t = 0; t < g_.taps(); ++t)
        for (int64_t i = 0; i < g_.in_channels; ++i, ++k)
          f(o, k,
            static_cast<int16_t>(w[o * g_.w_out + t * g_.w_tap + i * g_.w_in] -
                                 w_zero_[static_cast<size_t>(o)]));
    }
  }
  void pack(const Weight* w, int16_t* packed) const {
    std::fill_n(packed, column_panels_ * kLanes * depth_, int16_t{0});
    const int64_t together = linear_loops().panels.together;
    each_weight(w, [&](int64_t o, int64_t k, int16_t v) {
      packed[o / kLanes * kLanes * depth_ + packed_index(k, o % kLanes, kLanes, together)] = v;
    });
  }
  int64_t longest_sum(const Weight* w) const {
    int64_t longest = 0, sum = 0;
    each_weight(w, [&](int64_t, int64_t k, int16_t v) {
      sum = (k == 0 ? 0 : sum) + std::abs(v);
      longest = std::max(longest, sum);
    });
    return longest;
  }

  // The rows of the windows from `first` on, in `to` where they must be gathered. Beyond the last window the
  // first one's row stands in; its result is not used.
  void gather(const T* x, int64_t first, int16_t* to, const int16_t** rows) const {
    for (int64_t i = 0; i < kPanelRows; ++i) {
      const int64_t window = first + i;
      if (window >= rows_) {
        rows[i] = rows[0];
      } else if (in_place_) {
        if constexpr (sizeof(T) == 2) rows[i] = x + window * g_.in_channels;
      } else {
        rows[i] = to + i * depth_;
        gather_row(x, window, to + i * depth_);
        std::fill(to + i * depth_ + g_.terms(), to + (i + 1) * depth_, int16_t{0});
      }
    }
  }

  // What lies outside of the input is real 0.
  void gather_row(const T* x, int64_t window, int16_t* to) const {
    const int64_t ow = window % g_.out[2], oh = window / g_.out[2] % g_.out[1];
    const int64_t od = window / g_.out[2] / g_.out[1] % g_.out[0], b = window / g_.pixels_out();
    const int64_t left = ow * g_.stride[2] - g_.pad_before[2];
    const bool whole_rows =
        !g_.transposed && g_.dilation[2] == 1 && left >= 0 && left + g_.kernel[2] <= g_.in[2];
    const auto copy = [&](std::optional<int64_t> d, std::optional<int64_t> h, std::optional<int64_t> w,
                          int64_t taps) {
      const int64_t run = taps * g_.in_channels;
      if (d && h && w)
        widen(x + (((b * g_.in[0] + *d) * g_.in[1] + *h) * g_.in[2] + *w) * g_.in_channels, run, to);
      else
        std::fill_n(to, run, int16_t{0});
      to += run;
    };
    for (int64_t kd = 0; kd < g_.kernel[0]; ++kd)
      for (int64_t kh = 0; kh < g_.kernel[1]; ++kh) {
        const auto d = g_.source(0, od, kd), h = g_.source(1, oh, kh);
        if (whole_rows) {  // the taps of one row are neighbours
          copy(d, h, left, g_.kernel[2]);
          continue;
        }
        for (int64_t kw = 0; kw < g_.kernel[2]; ++kw)
          copy(d, h, g_.source(2, ow, kw), 1);
      }
  }

  void widen(const T* from, int64_t count, int16_t* to) const {
    if constexpr (sizeof(T) == 2)
      std::copy_n(from, count, to);
    else
      element_loop(0, static_cast<size_t>(count), [from, to, zero = x_zero_](size_t i) OCTET_INLINE {
        to[i] = static_cast<int16_t>(from[i] - zero);
      });
  }

  void tile(const int16_t* const* rows, int64_t j, int64_t first, T* y) const {
    alignas(64) int32_t acc[kPanelRows * kLanes];
    alignas(64) double sum[kPanelRows * kLanes];
    alignas(64) T out[kPanelRows * kLanes];
    const int16_t* right = reinterpret_cast<const int16_t*>(weights_.get()) + j * kLanes * depth_;
    const double* bias = rescale_.bias.data() + j * kLanes;
    const double* scale = rescale_.scale.data() + j * kLanes;
    const double lo = rescale_.lo, hi = rescale_.hi;
    const int32_t* products = acc;
    double* sums = sum;
    T* to = out;
    const bool exact = chunk_ == depth_;
    for (int64_t k = 0; k < depth_; k += chunk_) {
      const int16_t* at[kPanelRows];
      for (int64_t i = 0; i < kPanelRows; ++i)
        at[i] = rows[i] + k;
      linear_loops().panels.row_sums(at, right + k * kLanes, std::min(chunk_, depth_ - k), acc);
      if (!exact)  // in double: sums of products stay far below 2^53
        element_loop(0, kPanelRows * kLanes, [=](size_t e) OCTET_INLINE {
          sums[e] = (k == 0 ? 0.0 : sums[e]) + static_cast<double>(products[e]);
        });
    }
    if constexpr (sizeof(T) == 1) {
      const auto low = static_cast<float>(lo - y_zero_), high = static_cast<float>(hi - y_zero_);
      const double zero = y_zero_;
      if (exact)
        element_loop(0, kPanelRows * kLanes,
                     [=](size_t e) OCTET_INLINE { sums[e] = static_cast<double>(products[e]); });
      row_loop(kPanelRows, kLanes, [=](size_t r, size_t i) OCTET_INLINE {
        to[r * kLanes + i] =
            requantize_sum<T>(sums[r * kLanes + i] + bias[i], static_cast<float>(scale[i]), low, high, zero);
      });
    } else if (exact)
      row_loop(kPanelRows, kLanes, [=](size_t r, size_t i) OCTET_INLINE {
        to[r * kLanes + i] =
            rescale(static_cast<double>(products[r * kLanes + i]) + bias[i], scale[i], lo, hi);
      });
    else
      row_loop(kPanelRows, kLanes, [=](size_t r, size_t i) OCTET_INLINE {
        to[r * kLanes + i] = rescale(sums[r * kLanes + i] + bias[i], scale[i], lo, hi);
      });
    const int64_t have = std::min(kPanelRows, rows_ - first);
    const auto width = static_cast<size_t>(std::min(kLanes, g_.out_channels - j * kLanes));
    for (int64_t i = 0; i < have; ++i)
      std::memcpy(y + (first + i) * g_.out_channels + j * kLanes, out + i * kLanes, width * sizeof(T));
  }

  Geometry g_;
  Slots slots_;
  Rescale rescale_;
  int64_t depth_, rows_, row_panels_, column_panels_, row_tasks_ = 1, column_tasks_ = 1, chunk_ = 0;
  int32_t x_zero_, y_zero_;
  std::vector<int32_t> w_zero_;  // per output channel
  bool in_place_;                // the windows lie in the input as rows
  PackedBytes weights_;          // panels of int16
};

// One weight per channel and tap. Neighbouring pixels of a row are computed together when channels are few,
// so that loops are long: what a tap reads for all of them lies side by side in the input, or is copied
// together.
class DepthwiseInt16 final : public Kernel {
 public:
  DepthwiseInt16(const NodeDesc& n, const Convolution& c, int tasks)
      : g_(c.g),
        slots_(c.slots),
        pixels_(std::clamp<int64_t>(kBlock / g_.out_channels, 1, g_.out[2])),
        segments_((g_.out[2] + pixels_ - 1) / pixels_),
        blocks_(pixels_ > 1 ? 1 : (g_.out_channels + kBlock - 1) / kBlock),
        lanes_(pixels_ * g_.out_channels),
        units_(g_.batch * g_.out[0] * g_.out[1] * segments_ * blocks_),
        tasks_(std::min<int64_t>(tasks, units_)),
        nothing_(static_cast<size_t>(std::max(lanes_, kBlock)), 0) {
    const auto w = n.in[c.slots.w].as<int8_t>();
    const Rescale rescale(n, c);
    lo_ = rescale.lo;
    hi_ = rescale.hi;
    const auto bytes = static_cast<size_t>(g_.taps() * lanes_) * sizeof(int16_t);
    weights_ = pack(n, 0, bytes, [&](std::byte* packed) {
      auto* to = reinterpret_cast<int16_t*>(packed);
      for (int64_t t = 0; t < g_.taps(); ++t)
        for (int64_t i = 0; i < lanes_; ++i)
          *to++ = w[static_cast<size_t>(i % g_.out_channels * g_.w_out + t * g_.w_tap)];
    });
    for (int64_t i = 0; i < lanes_; ++i) {
      const int64_t o = i % g_.out_channels;
      bias_.push_back(rescale.bias[static_cast<size_t>(o)]);
      scale_.push_back(rescale.scale[static_cast<size_t>(o)]);
    }
  }
  // What the taps of one unit read.
  size_t workspace_bytes() const override {
    return pixels_ == 1 ? 0 : static_cast<size_t>(tasks_ * g_.taps() * lanes_) * sizeof(int16_t);
  }
  Status run(const RunArgs& args) override {
    const auto* x = static_cast<const int16_t*>(args.in[slots_.x]);
    auto* y = static_cast<int16_t*>(args.out[0]);
    args.pool.for_range(static_cast<size_t>(tasks_), 1, [&](size_t begin, size_t end) {
      for (auto t = static_cast<int64_t>(begin); t < static_cast<int64_t>(end); ++t) {
        int16_t* copies = static_cast<int16_t*>(args.workspace) + t * g_.taps() * lanes_;
        for (int64_t u = units_ * t / tasks_; u < units_ * (t + 1) / tasks_; ++u)
          unit(x, u, copies, y);
      }
    });
    return {};
  }

 private:
  static constexpr int64_t kBlock = 256;   // sums at a time
  static constexpr int64_t kTogether = 3;  // taps that are added before a sum is stored

  // Some pixels of one row, or one pixel's channels of one block.
  void unit(const int16_t* x, int64_t u, int16_t* copies, int16_t* y) const {
    const int64_t channels = g_.out_channels;
    const int64_t c = u % blocks_ * kBlock, ow = u / blocks_ % segments_ * pixels_;
    const int64_t row = u / blocks_ / segments_;
    const int64_t oh = row % g_.out[1], od = row / g_.out[1] % g_.out[0], b = row / g_.out[1] / g_.out[0];
    const int64_t pixels = std::min(pixels_, g_.out[2] - ow);
    const int64_t width = pixels_ > 1 ? pixels * channels : std::min(kBlock, channels - c);
    const int16_t* from[kSafeDepth + kTogether];
    const int16_t* weight[kSafeDepth + kTogether];
    size_t taps = 0;
    const int16_t* w = reinterpret_cast<const int16_t*>(weights_.get()) + c;
    for (int64_t kd = 0; kd < g_.kernel[0]; ++kd)
      for (int64_t kh = 0; kh < g_.kernel[1]; ++kh) {
        const auto id = g_.source(0, od, kd), ih = g_.source(1, oh, kh);
        const int16_t* line =
            id && ih ? x + ((b * g_.in[0] + *id) * g_.in[1] + *ih) * g_.in[2] * channels : nullptr;
        for (int64_t kw = 0; kw < g_.kernel[2]; ++kw, w += lanes_) {
          if (line == nullptr) continue;
          if (const int16_t* values = read(line, ow, kw, pixels, c, copies)) {
            from[taps] = values;
            weight[taps++] = w;
          }
        }
      }
    for (; taps % kTogether != 0; ++taps)
      from[taps] = weight[taps] = nothing_.data();
    alignas(64) int32_t acc[kBlock] = {};
    int32_t* sums = acc;
    const int16_t *const *xs = from, *const *ws = weight;
    row_loop(taps / kTogether, static_cast<size_t>(width), [sums, xs, ws](size_t t, size_t i) OCTET_INLINE {
      const size_t k = t * kTogether;
      sums[i] += int32_t{xs[k][i]} * ws[k][i] + int32_t{xs[k + 1][i]} * ws[k + 1][i] +
                 int32_t{xs[k + 2][i]} * ws[k + 2][i];
    });
    const double *bias = bias_.data() + c, *scale = scale_.data() + c;
    const double lo = lo_, hi = hi_;
    int16_t* out = y + (row * g_.out[2] + ow) * channels + c;
    element_loop(0, static_cast<size_t>(width), [out, sums, bias, scale, lo, hi](size_t i) OCTET_INLINE {
      out[i] = rescale(sums[i] + bias[i], scale[i], lo, hi);
    });
  }

  // What tap `kw` reads of a line for some pixels, side by side; null for a single pixel when it is padding.
  // Moves `copies` on when it needs them.
  const int16_t* read(const int16_t* line, int64_t ow, int64_t kw, int64_t pixels, int64_t c,
                      int16_t*& copies) const {
    const int64_t channels = g_.out_channels;
    const auto first = g_.source(2, ow, kw), last = g_.source(2, ow + pixels - 1, kw);
    if (pixels_ == 1) return first ? line + *first * channels + c : nullptr;
    if (first && last && *last - *first == pixels - 1) return line + *first * channels;
    int16_t* to = copies;
    if (first && last && !g_.transposed) {
      gather(line + *first * channels, g_.stride[2] * channels, channels, pixels, copies);
      copies += pixels * channels;
      return to;
    }
    for (int64_t p = 0; p < pixels; ++p, copies += channels) {
      if (const auto iw = g_.source(2, ow + p, kw))
        std::memcpy(copies, line + *iw * channels, static_cast<size_t>(channels) * sizeof(int16_t));
      else
        std::memset(copies, 0, static_cast<size_t>(channels) * sizeof(int16_t));
    }
    return to;
  }

  // `pixels` times `channels` values that lie `step` apart. Copies of a known size are a few instructions.
  static void gather(const int16_t* x, int64_t step, int64_t channels, int64_t pixels, int16_t* to) {
    const auto copy = [&](auto fixed) {
      const size_t n = fixed > 0 ? static_cast<size_t>(fixed) : static_cast<size_t>(channels);
      for (int64_t p = 0; p < pixels; ++p, to += n)
        std::memcpy(to, x + p * step, n * sizeof(int16_t));
    };
    switch (channels) {
      case 8: return copy(std::integral_constant<int, 8>());
      case 16: return copy(std::integral_constant<int, 16>());
      case 32: return copy(std::integral_constant<int, 32>());
      case 64: return copy(std::integral_constant<int, 64>());
      default: return copy(std::integral_constant<int, 0>());
    }
  }

  Geometry g_;
  Slots slots_;
  int64_t pixels_, segments_, blocks_, lanes_, units_, tasks_;
  double lo_ = 0, hi_ = 0;
  PackedBytes weights_;               // int16 [tap][pixel][channel]
  std::vector<int16_t> nothing_;      // zeros
  std::vector<double> bias_, scale_;  // [pixel][channel]
};

}  // namespace

KernelResult convolution_int16(const NodeDesc& n, const Convolution& c, ThreadPool& pool) {
  const Numerics& num = c.num;
  const bool bytes = num.form == Form::int8 || num.form == Form::uint8;
  if (num.form != Form::int16 && !bytes) return Status::declined("only integer activations");
  if (!n.in[c.slots.w].is_known() || num.int4_weights)
    return Status::declined("the weights are not constant bytes");
  if (num.has_bias && !n.in[c.slots.bias].is_known()) return Status::declined("the bias is not constant");
  if (!bytes && (num.x_zero != 0 || num.y_zero != 0 || !num.weights_are_symmetric()))
    return Status::declined("a zero point that is not 0");
  if (bytes && (c.g.groups != 1 || !num.is_clamp() || num.bounds.lo > num.bounds.hi))
    return Status::declined("8-bit activations in groups, or with an activation that is not a clamp");
  if (c.g.empty() || c.g.pixels_in() == 0) return Status::declined("nothing to compute");
  if (c.g.groups == 1) {
    const int tasks = 4 * pool.threads();
    if (num.form == Form::int8)
      return std::unique_ptr<Kernel>(std::make_unique<WidenedGemm<int8_t>>(n, c, tasks));
    if (num.form == Form::uint8)
      return std::unique_ptr<Kernel>(std::make_unique<WidenedGemm<uint8_t>>(n, c, tasks));
    return std::unique_ptr<Kernel>(std::make_unique<WidenedGemm<int16_t>>(n, c, tasks));
  }
  if (c.g.groups != c.g.in_channels || c.g.groups != c.g.out_channels)
    return Status::declined("groups of several channels");
  if (c.g.taps() > kSafeDepth) return Status::declined(fmt::format("{} taps", c.g.taps()));
  return std::unique_ptr<Kernel>(std::make_unique<DepthwiseInt16>(n, c, 4 * pool.threads()));
}

}  // namespace octet::linear
