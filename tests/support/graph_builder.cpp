#include "tests/support/graph_builder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "kernels/op_spec.hpp"

namespace octet::test {
namespace {

Attrs default_attrs(OpKind kind) {
  switch (kind) {
#define OCTET_OP(k, code, attrs, table) \
  case OpKind::k: return attrs{};
#include "schema/ir/ops.def"
#undef OCTET_OP
    case OpKind::UNKNOWN: break;
  }
  return UnknownAttrs{};
}

TensorDesc describe(const Value& v) {
  return {.name = v.name,
          .dtype = v.dtype,
          .shape = v.shape,
          .quant = v.quant,
          .data = v.is_constant() ? v.constant.data() : nullptr,
          .absent = false,
          .is_variable = v.is_variable};
}

}  // namespace

// The same numbers with every standard library (numerical recipes' linear congruence).
float GraphBuilder::next(float lo, float hi) {
  state_ = state_ * 1664525u + 1013904223u;
  return lo + (hi - lo) * (static_cast<float>(state_ >> 8) / 16777216.0f);
}

ValueId GraphBuilder::input(const std::string& name, const Shape& shape, DType dtype, Quantization quant) {
  Value v;
  v.name = name;
  v.dtype = dtype;
  v.shape = shape;
  v.quant = std::move(quant);
  graph_.inputs.push_back(graph_.add_value(std::move(v)));
  return graph_.inputs.back();
}

ValueId GraphBuilder::output(ValueId v, const std::string& name) {
  if (!name.empty()) graph_.value(v).name = name;
  graph_.outputs.push_back(v);
  return v;
}

ValueId GraphBuilder::raw(const std::string& name, DType dtype, const Shape& shape, Constant data,
                          Quantization quant) {
  Value v;
  v.name = name;
  v.dtype = dtype;
  v.shape = shape;
  v.constant = std::move(data);
  v.quant = std::move(quant);
  return graph_.add_value(std::move(v));
}

ValueId GraphBuilder::constant(const Shape& shape, std::vector<float> values) {
  REQUIRE(static_cast<int64_t>(values.size()) == shape.elements());
  return raw(fmt::format("const{}", graph_.values.size()), DType::float32, shape, Constant::of(values));
}

ValueId GraphBuilder::random(const Shape& shape, float lo, float hi) {
  std::vector<float> v(static_cast<size_t>(shape.elements()));
  for (float& x : v)
    x = next(lo, hi);
  return constant(shape, std::move(v));
}

ValueId GraphBuilder::state(const std::string& name, const Shape& shape) {
  Value v;
  v.name = name;
  v.shape = shape;
  v.is_variable = true;
  return graph_.add_value(std::move(v));
}

ValueId GraphBuilder::ints(std::vector<int32_t> values) {
  return raw(fmt::format("const{}", graph_.values.size()), DType::int32,
             Shape{static_cast<int32_t>(values.size())}, Constant::of(values));
}

ValueId GraphBuilder::op(OpKind kind, std::vector<ValueId> inputs, DType dtype, Quantization quant) {
  return op(kind, std::move(inputs), default_attrs(kind), dtype, std::move(quant));
}

ValueId GraphBuilder::op(OpKind kind, std::vector<ValueId> inputs, Attrs attrs, DType dtype,
                         Quantization quant) {
  const ValueId v = multi(kind, std::move(inputs), std::move(attrs), {dtype})[0];
  graph_.value(v).quant = std::move(quant);
  return v;
}

std::vector<ValueId> GraphBuilder::multi(OpKind kind, std::vector<ValueId> inputs, Attrs attrs,
                                         const std::vector<DType>& dtypes) {
  Node n;
  n.kind = kind;
  n.attrs = std::move(attrs);
  n.inputs = std::move(inputs);
  std::vector<TensorDesc> in, out;
  for (ValueId v : n.inputs)
    in.push_back(v == kNoValue ? TensorDesc{.absent = true} : describe(graph_.value(v)));
  for (DType t : dtypes)
    out.push_back({.name = "out", .dtype = t});
  const auto shapes = infer_shapes(*find_spec(kind), {kind, &n.attrs, in, out});
  REQUIRE_MESSAGE(shapes.ok(), fmt::format("{}: {}", name_of(kind), shapes.status().message()));
  REQUIRE(shapes->shapes.size() == dtypes.size());
  for (size_t i = 0; i < dtypes.size(); ++i) {
    Value v;
    v.name = fmt::format("{}_{}", name_of(kind), graph_.values.size());
    v.dtype = dtypes[i];
    v.shape = shapes->shapes[i];
    n.outputs.push_back(graph_.add_value(std::move(v)));
  }
  graph_.nodes.push_back(n);
  return n.outputs;
}

ValueId GraphBuilder::conv_2d(ValueId x, const Conv& c) {
  const int32_t in = shape(x)[-1] / c.groups;
  Conv2DAttrs a;
  a.padding = c.padding;
  a.stride_h = a.stride_w = c.stride;
  a.dilation_h = a.dilation_w = c.dilation;
  a.act = c.act;
  return op(OpKind::CONV_2D,
            {x, random({c.out, c.filter, c.filter, in}), c.bias ? random({c.out}) : kNoValue}, a);
}

ValueId GraphBuilder::depthwise_conv_2d(ValueId x, const Conv& c) {
  const int32_t out = shape(x)[-1] * c.multiplier;
  DepthwiseConv2DAttrs a;
  a.padding = c.padding;
  a.stride_h = a.stride_w = c.stride;
  a.dilation_h = a.dilation_w = c.dilation;
  a.depth_multiplier = c.multiplier;
  a.act = c.act;
  return op(OpKind::DEPTHWISE_CONV_2D,
            {x, random({1, c.filter, c.filter, out}), c.bias ? random({out}) : kNoValue}, a);
}

ValueId GraphBuilder::transpose_conv(ValueId x, const Conv& c) {
  TransposeConvAttrs a;
  a.padding = c.padding;
  a.stride_h = a.stride_w = c.stride;
  a.act = c.act;
  auto extent = [&](int32_t in) {
    return c.padding.kind == Padding::Kind::same ? in * c.stride : (in - 1) * c.stride + c.filter;
  };
  const Shape s = shape(x);
  std::vector<ValueId> inputs = {ints({s[0], extent(s[1]), extent(s[2]), c.out}),
                                 random({c.out, c.filter, c.filter, s[3]}), x};
  if (c.bias) inputs.push_back(random({c.out}));
  return op(OpKind::TRANSPOSE_CONV, inputs, a);
}

ValueId GraphBuilder::fully_connected(ValueId x, int32_t out, bool bias) {
  return op(OpKind::FULLY_CONNECTED, {x, random({out, shape(x)[-1]}), bias ? random({out}) : kNoValue});
}

ValueId GraphBuilder::transpose(ValueId x, std::vector<int32_t> permutation) {
  return op(OpKind::TRANSPOSE, {x, ints(std::move(permutation))});
}

ValueId GraphBuilder::reshape(ValueId x, std::vector<int32_t> to) {
  ReshapeAttrs a;
  a.new_shape = to;
  a.has_shape = true;
  return op(OpKind::RESHAPE, {x, ints(std::move(to))}, a);
}

ValueId GraphBuilder::pad(ValueId x, std::vector<int32_t> amounts) {
  const auto axes = static_cast<int32_t>(amounts.size() / 2);
  const ValueId a = raw("amounts", DType::int32, Shape{axes, 2}, Constant::of(amounts));
  return op(OpKind::PAD, {x, a});
}

}  // namespace octet::test
