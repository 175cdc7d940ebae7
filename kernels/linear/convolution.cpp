#include "kernels/linear/convolution.hpp"

#include <cstdlib>
#include <limits>

#include "schema/core/checked.hpp"
#include "schema/core/int4.hpp"

namespace octet::linear {
namespace {

// Sums for every output element. `x_zero(b)` is the zero point of batch b's activations; `finish(b, index,
// channel, sum)` stores. Integer sums are exact in Acc; float ones are made in double, so that the result
// stands for the real value and not for one order of additions.
template <class Acc, class X, class W, class XZero, class Finish>
void convolve(const Geometry& g, const X* x, const W* w, const int32_t* w_zero, const XZero& x_zero,
              const Finish& finish, ThreadPool& pool) {
  const int64_t group_in = g.group_in(), group_out = g.group_out();
  const auto rows = static_cast<size_t>(g.batch * g.out[0] * g.out[1]);
  pool.for_range(rows, 1, [&](size_t begin, size_t end) {
    for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row) {
      const int64_t oh = row % g.out[1], od = row / g.out[1] % g.out[0], b = row / g.out[1] / g.out[0];
      const Acc zx = static_cast<Acc>(x_zero(b));
      for (int64_t ow = 0; ow < g.out[2]; ++ow) {
        for (int64_t oc = 0; oc < g.out_channels; ++oc) {
          const Acc zw = static_cast<Acc>(w_zero[oc]);
          const int64_t first = oc / group_out * group_in;
          Acc acc = 0;
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
                const X* xp = x + pixel * g.in_channels + first;
                const W* wp = w + oc * g.w_out + ((kd * g.kernel[1] + kh) * g.kernel[2] + kw) * g.w_tap;
                for (int64_t c = 0; c < group_in; ++c)
                  acc += (static_cast<Acc>(xp[c]) - zx) * (static_cast<Acc>(wp[c * g.w_in]) - zw);
              }
            }
          }
          finish(b, (row * g.out[2] + ow) * g.out_channels + oc, oc, acc);
        }
      }
    }
  });
}

template <class T>
const T* cast(const void* p) {
  return static_cast<const T*>(p);
}

class ConvolutionReference final : public Kernel {
 public:
  ConvolutionReference(const NodeDesc& n, Convolution c) : c_(std::move(c)) {
    const TensorDesc& w = n.in[c_.slots.w];
    if (c_.num.int4_weights) int4_ = unpack_int4(w.data, w.elements());
    // |x - zx| and |w - zw| are at most 255: does every sum fit in 32 bits?
    acc64_ = c_.g.terms() > std::numeric_limits<int32_t>::max() / (255 * 255);
  }
  size_t workspace_bytes() const override {
    if (c_.num.form != Form::hybrid) return 0;
    return rows_bytes() + static_cast<size_t>(c_.g.batch * c_.g.pixels_in() * c_.g.in_channels);
  }
  Status run(const RunArgs& args) override {
    const Numerics& num = c_.num;
    const void* x = args.in[c_.slots.x];
    const void* w = int4_.empty() ? args.in[c_.slots.w] : int4_.data();
    const void* bias = num.has_bias ? args.in[c_.slots.bias] : nullptr;
    const auto fixed_zero = [&](int64_t) { return num.x_zero; };
    const double* scale = num.scale.data();
    switch (num.form) {
      case Form::float32:
        go<double>(cast<float>(x), cast<float>(w), fixed_zero,
                   FloatFinish{cast<float>(bias), num.act, static_cast<float*>(args.out[0])}, args.pool);
        break;
      case Form::int8: integer<int8_t>(args, x, w, bias, fixed_zero); break;
      case Form::uint8: integer<uint8_t>(args, x, w, bias, fixed_zero); break;
      case Form::int16: {
        const bool is64 = num.bias_type == DType::int64;
        go<int64_t>(cast<int16_t>(x), cast<int8_t>(w), fixed_zero,
                    Int16Finish{is64 ? nullptr : cast<int32_t>(bias), is64 ? cast<int64_t>(bias) : nullptr,
                                scale, num.y_zero, num.bounds, static_cast<int16_t*>(args.out[0])},
                    args.pool);
        break;
      }
      case Form::hybrid: {
        auto* rows = static_cast<RowQuant*>(args.workspace);
        auto* q = static_cast<int8_t*>(args.workspace) + rows_bytes();
        const int64_t length = c_.g.pixels_in() * c_.g.in_channels;
        args.pool.for_range(static_cast<size_t>(c_.g.batch), 1, [&](size_t begin, size_t end) {
          for (size_t b = begin; b < end; ++b) {
            const auto at = static_cast<int64_t>(b) * length;
            rows[b] = quantize_row(cast<float>(x) + at, length, num.asymmetric, q + at);
          }
        });
        go<int64_t>(
            static_cast<const int8_t*>(q), cast<int8_t>(w), [&](int64_t b) { return rows[b].zero; },
            HybridFinish{cast<float>(bias), scale, rows, num.act, static_cast<float*>(args.out[0])},
            args.pool);
        break;
      }
    }
    return {};
  }

 private:
  size_t rows_bytes() const { return (static_cast<size_t>(c_.g.batch) * sizeof(RowQuant) + 63) / 64 * 64; }
  template <class Acc, class X, class W, class XZero, class Finish>
  void go(const X* x, const W* w, const XZero& x_zero, const Finish& finish, ThreadPool& pool) {
    convolve<Acc>(c_.g, x, w, c_.num.w_zero.data(), x_zero, finish, pool);
  }
  template <class T, class XZero>
  void integer(const RunArgs& args, const void* x, const void* w, const void* bias, const XZero& x_zero) {
    const IntFinish<T> finish{cast<int32_t>(bias), c_.num.scale.data(), c_.num.y_zero, c_.num.bounds,
                              static_cast<T*>(args.out[0])};
    if (acc64_)
      go<int64_t>(cast<T>(x), cast<T>(w), x_zero, finish, args.pool);
    else
      go<int32_t>(cast<T>(x), cast<T>(w), x_zero, finish, args.pool);
  }

  Convolution c_;
  std::vector<int8_t> int4_;
  bool acc64_ = false;
};

}  // namespace

int64_t Geometry::macs() const {
  int64_t n = transposed ? pixels_in() : pixels_out();
  for (int64_t f : {batch, taps(), group_in(), out_channels}) {
    const auto m = checked_mul(n, f);
    if (!m) return INT64_MAX;
    n = *m;
  }
  return n;
}

bool sums_fit_int32(const NodeDesc& n, const Convolution& c) {
  const Geometry& g = c.g;
  const TensorDesc& w = n.in[c.slots.w];
  constexpr int64_t kMaxInput = 255;  // its distance from its zero point
  const auto* bias = c.num.has_bias ? static_cast<const int32_t*>(n.in[c.slots.bias].data) : nullptr;
  for (int64_t o = 0; o < g.out_channels; ++o) {
    const int64_t room = INT32_MAX - (bias == nullptr ? 0 : std::abs(static_cast<int64_t>(bias[o])));
    if (g.terms() <= room / (kMaxInput * 255)) continue;  // with any weights
    int64_t sum = 0;
    for (int64_t t = 0; t < g.taps(); ++t)
      for (int64_t i = 0; i < g.group_in(); ++i) {
        const int64_t at = o * g.w_out + i * g.w_in + t * g.w_tap;
        const int32_t q = w.dtype == DType::uint8 ? w.as<uint8_t>()[static_cast<size_t>(at)]
                                                  : w.as<int8_t>()[static_cast<size_t>(at)];
        sum += std::abs(q - c.num.w_zero[static_cast<size_t>(o)]);
      }
    if (sum > room / kMaxInput) return false;
  }
  return true;
}

KernelResult reference_convolution(const NodeDesc& n, const Convolution& c) {
  if (c.num.int4_weights && !n.in[c.slots.w].is_known())
    return Status::unsupported("int4 weights that are not constant");
  return std::unique_ptr<Kernel>(std::make_unique<ConvolutionReference>(n, c));
}

}  // namespace octet::linear
