// CONV_3D and CONV_3D_TRANSPOSE.
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/linear/conv_int16.hpp"
#include "kernels/linear/convolution_op.hpp"
#include "kernels/linear/patches.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr linear::Slots kPlain{.x = 0, .w = 1, .bias = 2}, kTransposed{.x = 2, .w = 1, .bias = 3};

// `slid` is the side that windows slide over: the input of CONV_3D, the output of CONV_3D_TRANSPOSE.
// Fills in what the two have in common and returns the windows' number along each axis.
Result<linear::Extents> windows(linear::Geometry& g, const Conv3DAttrs& a, const Shape& slid,
                                const Shape& w) {
  if (a.padding.kind == Padding::Kind::explicit_) return Status::unsupported("explicit padding in 3-D");
  g.stride = {a.stride_d, a.stride_h, a.stride_w};
  g.dilation = {a.dilation_d, a.dilation_h, a.dilation_w};
  linear::Extents out;
  for (int i = 0; i < 3; ++i) {
    const auto at = static_cast<size_t>(i);
    OCTET_ASSIGN(const WindowAxis axis,
                 window_axis(slid[i + 1], w[i], static_cast<int32_t>(g.stride[at]),
                             static_cast<int32_t>(g.dilation[at]), a.padding.kind, 0, 0));
    g.kernel[at] = w[i];
    g.pad_before[at] = axis.pad_before;
    g.pad_after[at] = axis.pad_after;
    out[at] = axis.out;
  }
  return out;
}

Status check_ranks(const Shape& x, const Shape& w) {
  if (x.rank() == 5 && w.rank() == 5) return {};
  return Status::corrupt(
      fmt::format("input {} and weights {} must have five axes", x.to_string(), w.to_string()));
}

// Input NDHWC, weights [depth, height, width, input channels, output channels], optional bias.
Result<linear::Geometry> plain_geometry(const NodeDesc& n) {
  const Shape &x = n.in[0].shape, &w = n.in[1].shape;
  OCTET_TRY(check_ranks(x, w));
  if (w[3] < 1 || w[4] < 1 || x[4] != w[3])
    return Status::corrupt(fmt::format("weights {} do not fit {} input channels", w.to_string(), x[4]));
  linear::Geometry g;
  OCTET_ASSIGN(g.out, windows(g, n.attr<Conv3DAttrs>(), x, w));
  g.batch = x[0];
  g.in = {x[1], x[2], x[3]};
  g.in_channels = w[3];
  g.out_channels = w[4];
  g.w_out = 1;
  g.w_in = w[4];
  g.w_tap = w.elements(3, 5);
  return g;
}

// Inputs: shape of the output, weights [depth, height, width, output channels, input channels], input NDHWC,
// optional bias.
Result<linear::Geometry> transposed_geometry(const NodeDesc& n, const Shape& y) {
  const Shape &w = n.in[1].shape, &x = n.in[2].shape;
  OCTET_TRY(check_ranks(x, w));
  if (w[3] < 1 || w[4] < 1 || x[4] != w[4])
    return Status::corrupt(fmt::format("weights {} do not fit {} input channels", w.to_string(), x[4]));
  if (y.rank() != 5 || y[0] != x[0] || y[4] != w[3] || y[1] < 1 || y[2] < 1 || y[3] < 1)
    return Status::corrupt(
        fmt::format("output {} from input {} and weights {}", y.to_string(), x.to_string(), w.to_string()));
  linear::Geometry g;
  OCTET_ASSIGN(const linear::Extents expected, windows(g, n.attr<Conv3DAttrs>(), y, w));
  g.in = {x[1], x[2], x[3]};
  if (expected != g.in)
    return Status::corrupt(
        fmt::format("input {} does not belong to output {}", x.to_string(), y.to_string()));
  g.transposed = true;
  g.batch = x[0];
  g.out = {y[1], y[2], y[3]};
  g.in_channels = w[4];
  g.out_channels = w[3];
  g.w_out = w[4];
  g.w_in = 1;
  g.w_tap = w.elements(3, 5);
  return g;
}

bool is_transposed(const NodeDesc& n) {
  return n.kind == OpKind::CONV_3D_TRANSPOSE;
}

Result<linear::Geometry> geometry_conv_3d(const NodeDesc& n) {
  return is_transposed(n) ? transposed_geometry(n, n.out[0].shape) : plain_geometry(n);
}

Result<linear::Convolution> convolution_conv_3d(const NodeDesc& n) {
  linear::Convolution c;
  c.slots = is_transposed(n) ? kTransposed : kPlain;
  OCTET_ASSIGN(c.g, geometry_conv_3d(n));
  const int axis = is_transposed(n) ? 3 : 4;
  OCTET_ASSIGN(c.num, linear::numerics_of(n, c.slots, c.g.out_channels, axis, n.attr<Conv3DAttrs>().act));
  c.num.asymmetric = true;
  return c;
}

Result<InferredShapes> output_of(const NodeDesc& n, size_t bias, int64_t channels, const Shape& y) {
  OCTET_TRY(linear::check_bias(n, bias, channels));
  if (y.elements() == INT64_MAX) return Status::exhausted(fmt::format("an output of {}", y.to_string()));
  return one(y);
}

Result<InferredShapes> infer_plain(const NodeDesc& n) {
  OCTET_ASSIGN(const linear::Geometry g, plain_geometry(n));
  Shape y = n.in[0].shape;
  for (int i = 0; i < 3; ++i)
    y[i + 1] = static_cast<int32_t>(g.out[static_cast<size_t>(i)]);
  y[4] = static_cast<int32_t>(g.out_channels);
  return output_of(n, 2, g.out_channels, y);
}

Result<InferredShapes> infer_transposed(const NodeDesc& n) {
  if (!n.in[0].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const Shape y, linear::given_shape(n.in[0], 5));
  OCTET_ASSIGN(const linear::Geometry g, transposed_geometry(n, y));
  return output_of(n, 3, g.out_channels, y);
}

}  // namespace

const OpSpec& spec_CONV_3D() {
  static const OpSpec spec{
      .kind = OpKind::CONV_3D,
      .traits = Trait::windowed | Trait::takes_clamp,
      .linear = LinearForm{.rank = 5, .out_axis = 4, .in_axis = 3},  // weights [D, H, W, I, O]
      .inputs = {2, 3},
      .outputs = {1, 1},
      .infer = infer_plain,
      .reference = {"reference", linear::from_convolution<linear::reference_convolution>},
      .fast = {{"xnnpack-patches", linear::from_convolution<linear::patch_convolution>, cost::per_mac<15>},
               {"int16-gemm", linear::from_convolution<linear::convolution_int16>, cost::per_mac<20>}},
      .quant = QuantRule::of({activation(), weights_per_channel(4), bias_of(0, 1)}, {activation()}),
      .macs = linear::macs_of<geometry_conv_3d>,
      .convolution = convolution_conv_3d,
      .readers = {kFloatForm, kNoForm},
      .notes = "windows are gathered and multiplied by XNNPACK"};
  return spec;
}

const OpSpec& spec_CONV_3D_TRANSPOSE() {
  static const OpSpec spec{
      .kind = OpKind::CONV_3D_TRANSPOSE,
      .traits = Trait::takes_clamp,
      // Weights [D, H, W, O, I].
      .linear = LinearForm{.x = 2, .bias = 3, .rank = 5, .out_axis = 3, .in_axis = 4, .transposed = true},
      .inputs = {3, 4},
      .outputs = {1, 1},
      .infer = infer_transposed,
      .reference = {"reference", linear::from_convolution<linear::reference_convolution>},
      .fast = {{"xnnpack-patches", linear::from_convolution<linear::patch_convolution>, cost::per_mac<15>},
               {"int16-gemm", linear::from_convolution<linear::convolution_int16>, cost::per_mac<20>}},
      .quant = QuantRule::of({keep(), weights_per_channel(3), activation(), bias_of(2, 1)}, {activation()}),
      .macs = linear::macs_of<geometry_conv_3d>,
      .convolution = convolution_conv_3d,
      .readers = {kFloatForm, kNoForm},
      .notes = "windows are gathered and multiplied by XNNPACK"};
  return spec;
}

}  // namespace octet
