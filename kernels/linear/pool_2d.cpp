// AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D: inference and reference.
#include "kernels/linear/pool_2d.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace pool {
namespace {

Result<Window2D> window(const NodeDesc& n) {
  const Shape& x = n.in[0].shape;
  const auto& a = n.attr<Pool2DAttrs>();
  if (x.rank() != 4)
    return Status::corrupt(fmt::format("the input is {}, must have four axes", x.to_string()));
  OCTET_ASSIGN(const Window2D win,
               window_2d(x, a.filter_h, a.filter_w, a.stride_h, a.stride_w, 1, 1, a.padding));
  // A window that lies in padding alone has no average and no maximum.
  for (const auto& [axis, pad, after, filter] :
       {std::tuple{x[1], win.h.pad_before, win.h.pad_after, a.filter_h},
        std::tuple{x[2], win.w.pad_before, win.w.pad_after, a.filter_w}})
    if (axis > 0 && (pad >= filter || after >= filter))
      return Status::unsupported(fmt::format("padding {}/{} around a window of {}", pad, after, filter));
  return win;
}

Result<InferredShapes> infer(const NodeDesc& n) {
  OCTET_ASSIGN(const Window2D w, window(n));
  const Shape& x = n.in[0].shape;
  return one(Shape{x[0], w.h.out, w.w.out, x[3]});
}

// Call f(input offset of a window's pixel) for each pixel of the window that exists; returns how many.
template <class F>
int64_t for_window(const Pooling& p, int64_t b, int64_t oh, int64_t ow, const F& f) {
  const Span h = clip(oh, p.stride_h, p.top, p.filter_h, p.in_h);
  const Span w = clip(ow, p.stride_w, p.left, p.filter_w, p.in_w);
  for (int64_t ih = h.begin; ih < h.end; ++ih)
    for (int64_t iw = w.begin; iw < w.end; ++iw)
      f(((b * p.in_h + ih) * p.in_w + iw) * p.channels);
  return std::max<int64_t>(h.end - h.begin, 0) * std::max<int64_t>(w.end - w.begin, 0);
}

// The exact real value of one output: of real numbers, or of integers minus the zero point.
template <class T>
double pool_one(const Pooling& p, const T* x, double zero, int64_t b, int64_t oh, int64_t ow, int64_t c) {
  double sum = 0, most = -std::numeric_limits<double>::infinity();
  const int64_t count = for_window(p, b, oh, ow, [&](int64_t at) {
    const double v = static_cast<double>(x[at + c]) - zero;
    sum += p.mode == Mode::l2 ? v * v : v;
    most = std::max(most, v);
  });
  if (p.mode == Mode::max) return most;
  const double mean = sum / static_cast<double>(count);
  return p.mode == Mode::l2 ? std::sqrt(mean) : mean;
}

template <class T>
void reference(const Pooling& p, const RunArgs& args) {
  const auto* x = static_cast<const T*>(args.in[0]);
  auto* y = static_cast<T*>(args.out[0]);
  args.pool.for_range(static_cast<size_t>(p.batch * p.out_h), 1, [&](size_t begin, size_t end) {
    for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row)
      for (int64_t ow = 0; ow < p.out_w; ++ow)
        for (int64_t c = 0; c < p.channels; ++c) {
          const int64_t b = row / p.out_h, oh = row % p.out_h;
          T& out = y[(row * p.out_w + ow) * p.channels + c];
          if constexpr (std::is_same_v<T, float>) {
            out = apply(p.act, static_cast<float>(pool_one(p, x, 0.0, b, oh, ow, c)));
          } else {
            // Half to even of the exact value; the scales cancel where they are equal.
            const double v = pool_one(p, x, static_cast<double>(p.x.zero_point), b, oh, ow, c);
            const double ratio = static_cast<double>(p.x.scale) / static_cast<double>(p.y.scale);
            out = saturate<T>(round_even(v * ratio) + static_cast<double>(p.y.zero_point), p.bounds.lo,
                              p.bounds.hi);
          }
        }
  });
}

KernelResult create_reference(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const Pooling p, pooling_of(n));
  return make_kernel([p](const RunArgs& args) -> Status {
    switch (p.dtype) {
      case DType::int8: reference<int8_t>(p, args); break;
      case DType::uint8: reference<uint8_t>(p, args); break;
      case DType::int16: reference<int16_t>(p, args); break;
      default: reference<float>(p, args);
    }
    return {};
  });
}

OpSpec make_spec(OpKind kind, Traits traits) {
  OpSpec s;
  s.kind = kind;
  s.traits = Trait::channelwise | Trait::homogeneous | Trait::windowed | Trait::takes_clamp | traits;
  s.infer = infer;
  s.reference = {"reference", create_reference};
  s.fast = {{"xnnpack", create_xnnpack, cost::per_element<500>},
            {"window-rows", create_window_rows, cost::per_element<700>}};
  s.quant = QuantRule::of({activation()}, {same_as_input(0)});
  s.version_int8 = 2;
  s.version_int16 = 3;
  s.rescales = true;
  return s;
}

}  // namespace

Result<Pooling> pooling_of(const NodeDesc& n) {
  OCTET_ASSIGN(const Window2D w, window(n));
  const TensorDesc &x = n.in[0], &y = n.out[0];
  const auto& a = n.attr<Pool2DAttrs>();
  Pooling p;
  p.mode = n.kind == OpKind::MAX_POOL_2D  ? Mode::max
           : n.kind == OpKind::L2_POOL_2D ? Mode::l2
                                          : Mode::average;
  p.dtype = x.dtype;
  p.batch = x.shape[0];
  p.in_h = x.shape[1];
  p.in_w = x.shape[2];
  p.channels = x.shape[3];
  p.out_h = w.h.out;
  p.out_w = w.w.out;
  p.filter_h = a.filter_h;
  p.filter_w = a.filter_w;
  p.stride_h = a.stride_h;
  p.stride_w = a.stride_w;
  p.top = w.h.pad_before;
  p.bottom = w.h.pad_after;
  p.left = w.w.pad_before;
  p.right = w.w.pad_after;
  p.act = a.act;
  const bool integer = p.dtype == DType::int8 || p.dtype == DType::uint8 || p.dtype == DType::int16;
  if (y.dtype != p.dtype || (p.dtype != DType::float32 && !integer))
    return Status::unsupported(fmt::format("{} in and {} out", name_of(x.dtype), name_of(y.dtype)));
  if (!integer) return p;
  if (x.quant.empty() != y.quant.empty() || x.quant.is_per_channel() || y.quant.is_per_channel())
    return Status::unsupported("input and output must both be quantized per tensor");
  if (x.quant) {
    p.x = x.quant.at();
    p.y = y.quant.at();
  }
  if (p.act.kind == Activation::Kind::tanh || p.act.kind == Activation::Kind::sign_bit)
    return Status::unsupported("a fused activation that is not a clamp, on integers");
  p.bounds = bounds_of(p.act, p.dtype, p.y);
  return p;
}

}  // namespace pool

const OpSpec& spec_AVERAGE_POOL_2D() {
  static const OpSpec spec = [] {
    OpSpec s = pool::make_spec(OpKind::AVERAGE_POOL_2D, Trait::monotone);
    s.quant = QuantRule::mixing({activation()}, {same_as_input(0)});
    s.notes = "padding does not count; int8 rounds half to even";
    return s;
  }();
  return spec;
}

const OpSpec& spec_MAX_POOL_2D() {
  static const OpSpec spec = pool::make_spec(OpKind::MAX_POOL_2D, Trait::monotone);
  return spec;
}

const OpSpec& spec_L2_POOL_2D() {
  static const OpSpec spec = [] {
    OpSpec s = pool::make_spec(OpKind::L2_POOL_2D, Trait::nonnegative);
    s.fast = {{"window-rows", pool::create_window_rows, cost::per_element<700>}};
    s.quant = QuantRule::of({activation()}, {activation()});
    s.version_int8 = s.version_int16 = 1;
    s.readers = {kFloatForm, kFloatForm};
    return s;
  }();
  return spec;
}

}  // namespace octet
