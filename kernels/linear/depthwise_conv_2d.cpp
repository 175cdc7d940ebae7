#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/linear/depthwise.hpp"
#include "kernels/linear/wide.hpp"
#include "kernels/xnnpack/linear.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"

namespace octet {
namespace {

// Input NHWC, weights [1, height, width, input channels * multiplier], optional bias. The multiplier follows
// from the shapes; the attribute only repeats it (old files hold 0 there).
Result<linear::Geometry> geometry_depthwise_conv_2d(const NodeDesc& n) {
  const Shape &x = n.in[0].shape, &w = n.in[1].shape;
  const auto& a = n.attr<DepthwiseConv2DAttrs>();
  if (x.rank() != 4 || w.rank() != 4 || w[0] != 1)
    return Status::corrupt(
        fmt::format("the input is {}, must have four axes; the weights are {}, must be 1xHxWxC",
                    x.to_string(), w.to_string()));
  if (x[3] < 1 || w[3] < 1 || w[3] % x[3] != 0)
    return Status::corrupt(fmt::format("{} output channels from {} input channels", w[3], x[3]));
  OCTET_ASSIGN(const Window2D win,
               window_2d(x, w[1], w[2], a.stride_h, a.stride_w, a.dilation_h, a.dilation_w, a.padding));
  linear::Geometry g;
  g.batch = x[0];
  g.in = {1, x[1], x[2]};
  g.out = {1, win.h.out, win.w.out};
  g.kernel = {1, w[1], w[2]};
  g.stride = {1, a.stride_h, a.stride_w};
  g.dilation = {1, a.dilation_h, a.dilation_w};
  g.pad_before = {0, win.h.pad_before, win.w.pad_before};
  g.pad_after = {0, win.h.pad_after, win.w.pad_after};
  g.in_channels = x[3];
  g.out_channels = w[3];
  g.groups = x[3];
  g.w_out = 1;
  g.w_in = 0;
  g.w_tap = w[3];
  return g;
}

Result<linear::Convolution> convolution_depthwise_conv_2d(const NodeDesc& n) {
  linear::Convolution c;
  OCTET_ASSIGN(c.g, geometry_depthwise_conv_2d(n));
  OCTET_ASSIGN(c.num,
               linear::numerics_of(n, c.slots, c.g.out_channels, 3, n.attr<DepthwiseConv2DAttrs>().act));
  c.num.asymmetric = true;  // TFLite's hybrid depthwise convolution_depthwise_conv_2d always has a zero point
  return c;
}

Result<InferredShapes> infer_depthwise_conv_2d(const NodeDesc& n) {
  OCTET_ASSIGN(const linear::Geometry g, geometry_depthwise_conv_2d(n));
  if (const TensorDesc* b = n.optional_input(2); b != nullptr && b->elements() != g.out_channels)
    return Status::corrupt(fmt::format("{} biases for {} output channels", b->elements(), g.out_channels));
  return one(Shape{n.in[0].shape[0], static_cast<int32_t>(g.out[1]), static_cast<int32_t>(g.out[2]),
                   n.in[1].shape[3]});
}

KernelResult create_reference_depthwise_conv_2d(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const linear::Convolution c, convolution_depthwise_conv_2d(n));
  return linear::reference_convolution(n, c);
}

// XNNPACK's depthwise kernels end at 25 taps and have no multiplier; beyond, it multiplies one group at a
// time as a matrix. With a few outputs per group that is 3 to 25 times slower than our own kernel, with eight
// or more it is faster. On x86 our own is ahead from 5x5 on, and
// wherever neighbouring pixels share what they read.
#if defined(__x86_64__) || defined(__i386__)
constexpr int64_t kXnnpackTaps = 9;
#else
constexpr int64_t kXnnpackTaps = 25;
#endif

KernelResult create_xnnpack_depthwise_conv_2d(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const linear::Convolution c, convolution_depthwise_conv_2d(n));
  const int64_t multiplier = c.g.group_out();
  const bool kernel_exists = multiplier == 1 && c.g.taps() <= kXnnpackTaps && !linear::has_fast_depthwise(c);
  if (!kernel_exists && multiplier < 8 && linear::covers_depthwise(n, c).ok())
    return Status::declined("our own kernel is faster");
  return xnn::convolution(n, c, true, pool);
}

KernelResult create_octet(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const linear::Convolution c, convolution_depthwise_conv_2d(n));
  return linear::octet_depthwise(n, c);
}

KernelResult create_wide_depthwise_conv_2d(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const linear::Convolution c, convolution_depthwise_conv_2d(n));
  return linear::wide_convolution(n, c, pool);
}

int64_t macs_depthwise_conv_2d(const NodeDesc& n) {
  const auto g = geometry_depthwise_conv_2d(n);
  return g.ok() ? g->macs() : 0;
}

}  // namespace

const OpSpec& spec_DEPTHWISE_CONV_2D() {
  static const OpSpec spec{
      .kind = OpKind::DEPTHWISE_CONV_2D,
      .traits = Trait::windowed | Trait::takes_clamp,
      .linear = LinearForm{.out_axis = 3},  // weights [1, H, W, O]
      .inputs = {2, 3},
      .outputs = {1, 1},
      .infer = infer_depthwise_conv_2d,
      .reference = {"reference", create_reference_depthwise_conv_2d},
      .fast = {{"xnnpack", create_xnnpack_depthwise_conv_2d},
               {"octet", create_octet},
               {"octet", create_wide_depthwise_conv_2d}},
      .quant = QuantRule::of({activation(), weights_per_channel(3), bias_of(0, 1)}, {activation()}),
      .macs = macs_depthwise_conv_2d,
      .convolution = convolution_depthwise_conv_2d,
      .version_float = 2,
      .version_int8 = 3,
      .version_int16 = 5,
      .notes = "any multiplier, window and dilation"};
  return spec;
}

}  // namespace octet
