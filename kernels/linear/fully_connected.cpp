// FULLY_CONNECTED: a convolution without spatial axes; also with int4 weights in blocks.
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/linear/conv_int16.hpp"
#include "kernels/linear/convolution_op.hpp"
#include "kernels/xnnpack/linear.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// Input of any rank, weights [outputs, inputs], optional bias.
Result<linear::Geometry> geometry_fully_connected(const NodeDesc& n) {
  const Shape &x = n.in[0].shape, &w = n.in[1].shape;
  const auto& a = n.attr<FullyConnectedAttrs>();
  if (a.weights_format != 0) return Status::unsupported("shuffled 4x16 weights");
  if (w.rank() != 2) return Status::corrupt(fmt::format("weights {} must have two axes", w.to_string()));
  if (w[0] < 1 || w[1] < 1) return Status::corrupt(fmt::format("weights {} are empty", w.to_string()));
  const int64_t elements = x.elements();
  if (elements % w[1] != 0)
    return Status::corrupt(
        fmt::format("{} elements of {} do not make rows of {}", elements, x.to_string(), w[1]));
  if (a.keep_num_dims && (x.rank() == 0 || x[-1] != w[1]))
    return Status::corrupt(fmt::format("the last axis of {} is not {}", x.to_string(), w[1]));
  linear::Geometry g;
  g.batch = elements / w[1];
  if (g.batch > INT32_MAX) return Status::exhausted("too many rows");
  g.in_channels = w[1];
  g.out_channels = w[0];
  g.w_out = w[1];
  g.w_in = 1;
  return g;
}

Result<linear::Convolution> convolution_fully_connected(const NodeDesc& n) {
  linear::Convolution c;
  const auto& a = n.attr<FullyConnectedAttrs>();
  OCTET_ASSIGN(c.g, geometry_fully_connected(n));
  OCTET_ASSIGN(c.num, linear::numerics_of(n, c.slots, c.g.out_channels, 0, a.act));
  c.num.asymmetric = a.asymmetric_quantize_inputs;
  return c;
}

Result<InferredShapes> infer_fully_connected(const NodeDesc& n) {
  OCTET_ASSIGN(const linear::Geometry g, geometry_fully_connected(n));
  OCTET_TRY(linear::check_bias(n, 2, g.out_channels));
  const int32_t outputs = n.in[1].shape[0];
  if (!n.attr<FullyConnectedAttrs>().keep_num_dims) return one(Shape{static_cast<int32_t>(g.batch), outputs});
  Shape s = n.in[0].shape;
  s[-1] = outputs;
  return one(s);
}

// Of weights that are quantized in blocks.
Result<linear::BlockProduct> block_product(const NodeDesc& n) {
  OCTET_ASSIGN(const linear::Geometry g, geometry_fully_connected(n));
  return linear::block_product(n, {}, g.batch, n.attr<FullyConnectedAttrs>().act);
}

KernelResult create_reference_fully_connected(const NodeDesc& n, ThreadPool& pool) {
  if (n.in[1].quant.is_blockwise()) {
    OCTET_ASSIGN(const linear::BlockProduct p, block_product(n));
    return linear::reference_block_product(n, p, {});
  }
  return linear::from_convolution<linear::reference_convolution>(n, pool);
}

KernelResult create_xnnpack_fully_connected(const NodeDesc& n, ThreadPool& pool) {
  if (n.in[1].quant.is_blockwise()) {
    OCTET_ASSIGN(const linear::BlockProduct p, block_product(n));
    return xnn::block_product(n, p, {}, pool);
  }
  OCTET_ASSIGN(const linear::Convolution c, convolution_fully_connected(n));
  if (c.num.form == linear::Form::float32 && !n.in[1].is_known())
    return xnn::dynamic_fully_connected(n, c.num, c.slots, c.g.batch, c.g.in_channels, c.g.out_channels,
                                        pool);
  if (c.num.form == linear::Form::hybrid) return xnn::hybrid_convolution(n, c, pool);
  return xnn::fully_connected(n, c.num, c.slots, c.g.batch, c.g.in_channels, c.g.out_channels, pool);
}

KernelResult create_int16_fully_connected(const NodeDesc& n, ThreadPool& pool) {
  if (n.in[1].quant.is_blockwise()) return Status::declined("weights in blocks");
  return linear::from_convolution<linear::convolution_int16>(n, pool);
}

// With 16-bit activations TensorFlow Lite takes the first two extents of the output for batch and channels.
bool others_multiply(const NodeDesc& n) {
  return n.in[0].dtype != DType::int16 || n.out[0].shape.rank() == 2;
}

}  // namespace

const OpSpec& spec_FULLY_CONNECTED() {
  static const OpSpec spec{
      .kind = OpKind::FULLY_CONNECTED,
      .traits = Trait::takes_clamp,
      .linear = LinearForm{.rank = 2, .in_axis = 1},  // weights [O, I]
      .inputs = {2, 3},
      .outputs = {1, 1},
      .infer = infer_fully_connected,
      .reference = {"reference", create_reference_fully_connected},
      .fast = {{"xnnpack", create_xnnpack_fully_connected, cost::per_mac<10>},
               {"int16-gemm", create_int16_fully_connected, cost::per_mac<20>}},
      .quant = QuantRule::of({activation(), weights_per_channel(0), bias_of(0, 1)}, {activation()}),
      .macs = linear::macs_of<geometry_fully_connected>,
      .convolution = convolution_fully_connected,
      .blocks_at = 1,
      .version_int8 = 4,
      .version_int16 = 7,
      .readers = {.takes = others_multiply},
      .notes = "weights may be computed at run time, and int4 ones quantized in blocks"};
  return spec;
}

}  // namespace octet
