// TRANSPOSE_CONV.
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/linear/conv_int16.hpp"
#include "kernels/linear/convolution_op.hpp"
#include "kernels/xnnpack/linear.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr linear::Slots kSlots{.x = 2, .w = 1, .bias = 3};

// Inputs: shape of the output, weights [output channels, height, width, input channels], input NHWC,
// optional bias. The operator is the gradient of a convolution from the output's shape to the
// input's, which also defines its padding.
Result<linear::Geometry> geometry(const NodeDesc& n, const Shape& y) {
  const Shape &w = n.in[1].shape, &x = n.in[2].shape;
  const auto& a = n.attr<TransposeConvAttrs>();
  if (x.rank() != 4 || w.rank() != 4 || y.rank() != 4)
    return Status::corrupt(
        fmt::format("the input is {}, the weights {}, the output {}: all must have four axes", x.to_string(),
                    w.to_string(), y.to_string()));
  if (w[0] < 1 || w[3] < 1 || x[3] != w[3])
    return Status::corrupt(fmt::format("weights {} do not fit {} input channels", w.to_string(), x[3]));
  if (y[0] != x[0] || y[3] != w[0] || y[1] < 1 || y[2] < 1)
    return Status::corrupt(
        fmt::format("output {} from input {} and weights {}", y.to_string(), x.to_string(), w.to_string()));
  OCTET_ASSIGN(const Window2D win, window_2d(y, w[1], w[2], a.stride_h, a.stride_w, 1, 1, a.padding));
  linear::Geometry g;
  g.transposed = true;
  g.batch = x[0];
  g.in = {1, x[1], x[2]};
  g.out = {1, y[1], y[2]};
  g.kernel = {1, w[1], w[2]};
  g.stride = {1, a.stride_h, a.stride_w};
  g.pad_before = {0, win.h.pad_before, win.w.pad_before};
  g.pad_after = {0, win.h.pad_after, win.w.pad_after};
  g.in_channels = x[3];
  g.out_channels = w[0];
  g.w_out = w.elements(1, 4);
  g.w_in = 1;
  g.w_tap = w[3];
  return g;
}

Result<linear::Geometry> geometry_transpose_conv(const NodeDesc& n) {
  return geometry(n, n.out[0].shape);
}

Result<linear::Convolution> convolution_transpose_conv(const NodeDesc& n) {
  linear::Convolution c;
  c.slots = kSlots;
  OCTET_ASSIGN(c.g, geometry_transpose_conv(n));
  OCTET_ASSIGN(c.num, linear::numerics_of(n, kSlots, c.g.out_channels, 0, n.attr<TransposeConvAttrs>().act));
  c.num.asymmetric = true;
  return c;
}

Result<InferredShapes> infer_transpose_conv(const NodeDesc& n) {
  if (!n.in[0].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const Shape y, linear::given_shape(n.in[0], 4));
  OCTET_ASSIGN(const linear::Geometry g, geometry(n, y));
  OCTET_TRY(linear::check_bias(n, 3, g.out_channels));
  return one(y);
}

}  // namespace

const OpSpec& spec_TRANSPOSE_CONV() {
  static const OpSpec spec{
      .kind = OpKind::TRANSPOSE_CONV,
      .traits = Trait::takes_clamp,
      .linear = LinearForm{.x = 2, .bias = 3, .in_axis = 3, .transposed = true},  // weights [O, H, W, I]
      .inputs = {3, 4},
      .outputs = {1, 1},
      .infer = infer_transpose_conv,
      .reference = {"reference", linear::from_convolution<linear::reference_convolution>},
      .fast = {{"xnnpack", linear::from_convolution<xnn::transposed_convolution>, cost::per_mac<10>},
               {"int16-gemm", linear::from_convolution<linear::convolution_int16>, cost::per_mac<20>}},
      .quant = QuantRule::of({keep(), weights_per_channel(0), activation(), bias_of(2, 1)}, {activation()}),
      .macs = linear::macs_of<geometry_transpose_conv>,
      .convolution = convolution_transpose_conv,
      .version_int8 = 3,
      .version_int16 = 3,
      .notes = "the output's shape may be computed at run time"};
  return spec;
}

}  // namespace octet
