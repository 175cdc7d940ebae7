// DEPTHWISE_CONV_2D, and which of its implementations is the cheapest where.
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/linear/conv_int16.hpp"
#include "kernels/linear/convolution_op.hpp"
#include "kernels/linear/row_depthwise.hpp"
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
  c.num.asymmetric = true;  // TFLite's hybrid depthwise convolution always has a zero point
  return c;
}

Result<InferredShapes> infer_depthwise_conv_2d(const NodeDesc& n) {
  OCTET_ASSIGN(const linear::Geometry g, geometry_depthwise_conv_2d(n));
  OCTET_TRY(linear::check_bias(n, 2, g.out_channels));
  return one(Shape{n.in[0].shape[0], static_cast<int32_t>(g.out[1]), static_cast<int32_t>(g.out[2]),
                   n.in[1].shape[3]});
}

KernelResult xnnpack_depthwise(const NodeDesc& n, const linear::Convolution& c, ThreadPool& pool) {
  return xnn::convolution(n, c, true, pool);
}

// XNNPACK has kernels of its own for up to 25 taps without a multiplier; those for more than 9 taps are slow
// on x86. Everything else it multiplies one group at a time as a matrix, which pays from eight outputs per
// group on.
double xnnpack_cost(const NodeDesc& n, const Cpu&) {
  const auto g = geometry_depthwise_conv_2d(n);
  if (!g.ok()) return 0;
  const int64_t multiplier = g->group_out();
  const auto rate = [&] {
    if (multiplier >= 8) return 10.0;
    if (multiplier > 1 || g->taps() > 25) return 320.0 / static_cast<double>(multiplier);
    return g->taps() <= 9 || cpu_architecture() != "x86-64" ? 30.0 : 50.0;
  };
  return rate() * static_cast<double>(g->macs());
}

double row_cost(const NodeDesc& n, const Cpu&) {
  const auto g = geometry_depthwise_conv_2d(n);
  return g.ok() ? linear::row_depthwise_rate(*g, n.in[0].dtype) * static_cast<double>(g->macs()) : 0;
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
      .reference = {"reference", linear::from_convolution<linear::reference_convolution>},
      .fast = {{"xnnpack", linear::from_convolution<xnnpack_depthwise>, xnnpack_cost},
               {"row-depthwise", linear::from_convolution<linear::row_depthwise>, row_cost},
               {"int16-depthwise", linear::from_convolution<linear::convolution_int16>, cost::per_mac<60>}},
      .quant = QuantRule::of({activation(), weights_per_channel(3), bias_of(0, 1)}, {activation()}),
      .macs = linear::macs_of<geometry_depthwise_conv_2d>,
      .convolution = convolution_depthwise_conv_2d,
      .version_float = 2,
      .version_int8 = 3,
      .version_int16 = 5,
      .notes = "any multiplier, window and dilation"};
  return spec;
}

}  // namespace octet
