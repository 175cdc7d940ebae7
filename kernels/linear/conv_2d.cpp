// CONV_2D: also grouped, dilated, and with weights that are computed at run time.
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/linear/conv_int16.hpp"
#include "kernels/linear/convolution_op.hpp"
#include "kernels/xnnpack/linear.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// Input NHWC, weights [output channels, height, width, input channels of a group], optional bias.
Result<linear::Geometry> geometry(const NodeDesc& n) {
  const Shape &x = n.in[0].shape, &w = n.in[1].shape;
  const auto& a = n.attr<Conv2DAttrs>();
  if (x.rank() != 4 || w.rank() != 4)
    return Status::corrupt(fmt::format("the input is {}, the weights {}: both must have four axes",
                                       x.to_string(), w.to_string()));
  if (w[0] < 1 || w[3] < 1 || x[3] % w[3] != 0)
    return Status::corrupt(fmt::format("weights {} do not fit {} input channels", w.to_string(), x[3]));
  const int32_t groups = x[3] / w[3];
  if (groups < 1 || w[0] % groups != 0)
    return Status::corrupt(fmt::format("{} output channels in {} groups", w[0], groups));
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
  g.out_channels = w[0];
  g.groups = groups;
  g.w_out = w.elements(1, 4);
  g.w_in = 1;
  g.w_tap = w[3];
  return g;
}

Result<linear::Convolution> convolution(const NodeDesc& n) {
  linear::Convolution c;
  OCTET_ASSIGN(c.g, geometry(n));
  OCTET_ASSIGN(c.num, linear::numerics_of(n, c.slots, c.g.out_channels, 0, n.attr<Conv2DAttrs>().act));
  // TFLite's hybrid convolution with one weight scale per channel quantizes activations with a zero point.
  c.num.asymmetric = n.in[1].quant.is_per_channel();
  return c;
}

Result<InferredShapes> infer_conv_2d(const NodeDesc& n) {
  OCTET_ASSIGN(const linear::Geometry g, geometry(n));
  OCTET_TRY(linear::check_bias(n, 2, g.out_channels));
  return one(Shape{n.in[0].shape[0], static_cast<int32_t>(g.out[1]), static_cast<int32_t>(g.out[2]),
                   n.in[1].shape[0]});
}

KernelResult xnnpack_convolution(const NodeDesc& n, const linear::Convolution& c, ThreadPool& pool) {
  if (c.num.form == linear::Form::hybrid) return xnn::hybrid_convolution(n, c, pool);
  return xnn::convolution(n, c, false, pool);
}

}  // namespace

const OpSpec& spec_CONV_2D() {
  static const OpSpec spec{
      .kind = OpKind::CONV_2D,
      .traits = Trait::windowed | Trait::takes_clamp,
      .linear = LinearForm{.in_axis = 3, .grouped = true},  // weights [O, H, W, I/groups]
      .inputs = {2, 3},
      .outputs = {1, 1},
      .infer = infer_conv_2d,
      .reference = {"reference", linear::from_convolution<linear::reference_convolution>},
      .fast = {{"xnnpack", linear::from_convolution<xnnpack_convolution>, cost::per_mac<10>},
               {"int16-gemm", linear::from_convolution<linear::convolution_int16>, cost::per_mac<20>}},
      .quant = QuantRule::of({activation(), weights_per_channel(0), bias_of(0, 1)}, {activation()}),
      .macs = linear::macs_of<geometry>,
      .convolution = convolution,
      .version_int8 = 3,
      .version_int16 = 4,
      .notes =
          "groups, dilation and non-constant weights; int16 activations with groups run on the reference"};
  return spec;
}

}  // namespace octet
