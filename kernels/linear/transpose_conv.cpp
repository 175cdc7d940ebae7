#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/linear/convolution.hpp"
#include "kernels/linear/wide.hpp"
#include "kernels/xnnpack/linear.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr linear::Slots kSlots{.x = 2, .w = 1, .bias = 3};

// Inputs: shape of the output, weights [output channels, height, width, input channels], input NHWC,
// optional bias. The operator is the gradient of a convolution_transpose_conv from the output's shape to the
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

Result<linear::Convolution> convolution_transpose_conv(const NodeDesc& n) {
  linear::Convolution c;
  c.slots = kSlots;
  OCTET_ASSIGN(c.g, geometry(n, n.out[0].shape));
  OCTET_ASSIGN(c.num, linear::numerics_of(n, kSlots, c.g.out_channels, 0, n.attr<TransposeConvAttrs>().act));
  c.num.asymmetric = true;
  return c;
}

Result<InferredShapes> infer_transpose_conv(const NodeDesc& n) {
  if (!n.in[0].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto extents, integers_of(n.in[0]));
  if (extents.size() != 4) return Status::corrupt(fmt::format("an output of {} axes", extents.size()));
  Shape y;
  for (int64_t e : extents) {
    if (e < 0 || e > INT32_MAX) return Status::corrupt(fmt::format("an output extent of {}", e));
    y.push_back(static_cast<int32_t>(e));
  }
  OCTET_ASSIGN(const linear::Geometry g, geometry(n, y));
  if (const TensorDesc* b = n.optional_input(3); b != nullptr && b->elements() != g.out_channels)
    return Status::corrupt(fmt::format("{} biases for {} output channels", b->elements(), g.out_channels));
  return one(y);
}

KernelResult create_reference_transpose_conv(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const linear::Convolution c, convolution_transpose_conv(n));
  return linear::reference_convolution(n, c);
}

KernelResult create_xnnpack_transpose_conv(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const linear::Convolution c, convolution_transpose_conv(n));
  return xnn::transposed_convolution(n, c, pool);
}

KernelResult create_wide_transpose_conv(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const linear::Convolution c, convolution_transpose_conv(n));
  return linear::wide_convolution(n, c, pool);
}

int64_t macs_transpose_conv(const NodeDesc& n) {
  const auto g = geometry(n, n.out[0].shape);
  return g.ok() ? g->macs() : 0;
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
      .reference = {"reference", create_reference_transpose_conv},
      .fast = {{"xnnpack", create_xnnpack_transpose_conv}, {"octet", create_wide_transpose_conv}},
      .quant = QuantRule::of({keep(), weights_per_channel(0), activation(), bias_of(2, 1)}, {activation()}),
      .macs = macs_transpose_conv,
      .convolution = convolution_transpose_conv,
      .version_int8 = 3,
      .version_int16 = 3,
      .notes = "the output's shape may be computed at run time"};
  return spec;
}

}  // namespace octet
