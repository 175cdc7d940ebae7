#include "tests/support/tiny_models.hpp"

#include <algorithm>
#include <string_view>

namespace octet::test {
namespace {

Attrs default_attrs_tiny_models(OpKind kind) {
  switch (kind) {
#define OCTET_OP(k, code, attrs, table) \
  case OpKind::k: return attrs{};
#include "schema/ir/ops.def"
#undef OCTET_OP
    case OpKind::UNKNOWN: break;
  }
  return UnknownAttrs{};
}

std::vector<float> ramp(size_t n) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; ++i)
    v[i] = 0.25f * static_cast<float>(i % 7) - 0.5f;
  return v;
}

// Two strings, "ab" and "c", in the format's own layout.
Constant two_strings() {
  const std::vector<int32_t> head{2, 16, 18, 19};
  std::vector<std::byte> bytes(19);
  std::copy_n(reinterpret_cast<const std::byte*>(head.data()), 16, bytes.begin());
  const std::string_view text = "abc";
  std::transform(text.begin(), text.end(), bytes.begin() + 16, [](char c) { return std::byte(c); });
  return Constant::copy_of(bytes);
}

}  // namespace

ValueId add_value(Graph& g, std::string name, DType dtype, Shape shape, Constant constant) {
  Value v;
  v.name = std::move(name);
  v.dtype = dtype;
  v.shape = shape;
  v.constant = std::move(constant);
  return g.add_value(std::move(v));
}

ModelData rich_model(Format format) {
  ModelData m;
  m.format = format;
  m.description = "all that the format can say";
  m.metadata.emplace_back("note", Constant::of(std::vector<uint8_t>{1, 2, 3}));
  m.metadata.emplace_back("empty", Constant::copy_of({}));

  Graph& g = m.graphs.emplace_back();
  g.name = "main";
  const ValueId x = add_value(g, "x", DType::int8, {1, 4, 4, 1});
  g.value(x).quant = Quantization::per_tensor({0.5f, -3});
  g.value(x).shape_signature = {-1, 4, 4, 1};
  const ValueId w = add_value(g, "w", DType::int8, {2, 3, 3, 1}, Constant::of(std::vector<int8_t>(18, 5)));
  g.value(w).quant = Quantization::per_channel(0, {{0.125f, 0}, {0.25f, 0}});
  const ValueId b = add_value(g, "b", DType::int32, {2}, Constant::of(std::vector<int32_t>{7, -7}));
  g.value(b).quant = Quantization::per_channel(0, {{0.0625f, 0}, {0.125f, 0}});
  const ValueId conv = add_value(g, "conv", DType::int8, {1, 2, 2, 2});
  g.value(conv).quant = Quantization::per_tensor({1.0f, 0});
  const ValueId flat = add_value(g, "flat", DType::int8, {1, 8});
  g.value(flat).quant = Quantization::per_tensor({1.0f, 0});
  const ValueId state = add_value(g, "state", DType::float32, {2});
  g.value(state).is_variable = true;
  const ValueId words = add_value(g, "words", DType::string, {2}, two_strings());
  const ValueId nothing = add_value(g, "nothing", DType::int32, {0}, Constant::copy_of({}));
  const ValueId out = add_value(g, "out", DType::float32, {});
  g.value(out).has_rank = false;
  g.inputs = {x};
  g.outputs = {out, flat};

  Conv2DAttrs conv_attrs;
  conv_attrs.padding = Padding::Kind::valid;
  conv_attrs.act = Activation::Kind::relu6;
  g.nodes.push_back({OpKind::CONV_2D, conv_attrs, {x, w, b}, {conv}, {}, 3, {}});
  ReshapeAttrs reshape;
  reshape.new_shape = {1, 8};
  reshape.has_shape = true;
  g.nodes.push_back({OpKind::RESHAPE, reshape, {conv}, {flat}, {}, 1, {}});
  CustomAttrs custom;
  custom.name = "Strange";
  custom.options = {9, 8, 7, 6, 5};
  g.nodes.push_back({OpKind::CUSTOM, custom, {flat, kNoValue, state, words, nothing}, {out}, {conv}, 2, {}});

  Graph& second = m.graphs.emplace_back();
  second.name = "second";
  const ValueId a = add_value(second, "a", DType::float32, {3});
  const ValueId twice = add_value(second, "", DType::float32, {3});
  second.inputs = {a};
  second.outputs = {twice, twice, a};
  second.nodes.push_back({OpKind::RELU_0_TO_1, NoAttrs{}, {a}, {twice}, {}, 1, {}});

  m.signatures.push_back({"serve", 0, {{"image", 0}}, {{"score", 0}, {"features", 1}}});
  m.signatures.push_back({"second", 1, {{"a", 0}}, {{"p", 0}, {"q", 1}, {"r", 2}}});
  return m;
}

ModelData single_op_model(OpKind kind) {
  ModelData m;
  if (builtin_code_of(kind) < 0) m.format = Format::circle;
  Graph& g = m.graphs.emplace_back();
  const ValueId in = add_value(g, "in", DType::float32, {1, 2, 2, 1});
  const ValueId out = add_value(g, "out", DType::float32, {1, 2, 2, 1});
  g.inputs = {in};
  g.outputs = {out};
  g.nodes.push_back({kind, default_attrs_tiny_models(kind), {in}, {out}, {}, 1, {}});
  if (auto* custom = std::get_if<CustomAttrs>(&g.nodes[0].attrs)) custom->name = "Some";
  // Control flow needs graphs to call, with the same inputs and outputs.
  const bool call_if = kind == OpKind::IF, call_while = kind == OpKind::WHILE;
  if (!call_if && !call_while && kind != OpKind::CALL_ONCE) return m;
  if (call_if) m.main().nodes[0].attrs = IfAttrs{1, 2};
  if (call_while) m.main().nodes[0].attrs = WhileAttrs{1, 2};
  if (kind == OpKind::CALL_ONCE) m.main().nodes[0].attrs = CallOnceAttrs{1};
  for (int i = 0; i < 2; ++i) {
    Graph& callee = m.graphs.emplace_back();
    callee.name = i == 0 ? "first" : "other";
    const ValueId a = add_value(callee, "a", DType::float32, {1, 2, 2, 1});
    if (call_while) callee.inputs = {a};
    if (call_if) callee.value(a).constant = Constant::of(std::vector<float>(4, 1.0f));
    if (call_if || call_while) callee.outputs = {a};
  }
  return m;
}

ModelData runnable_model() {
  ModelData m;
  Graph& g = m.graphs.emplace_back();
  g.name = "main";
  const ValueId x = add_value(g, "x", DType::float32, {1, 4, 4, 2});
  const ValueId w = add_value(g, "w", DType::float32, {3, 2, 2, 2}, Constant::of(ramp(24)));
  const ValueId b = add_value(g, "b", DType::float32, {3}, Constant::of(ramp(3)));
  const ValueId conv = add_value(g, "conv", DType::float32, {1, 2, 2, 3});
  const ValueId c = add_value(g, "c", DType::float32, {3}, Constant::of(ramp(3)));
  const ValueId sum = add_value(g, "sum", DType::float32, {1, 2, 2, 3});
  const ValueId out = add_value(g, "out", DType::float32, {1, 2, 2, 3});
  g.inputs = {x};
  g.outputs = {out};
  Conv2DAttrs attrs;
  attrs.stride_h = attrs.stride_w = 2;
  g.nodes.push_back({OpKind::CONV_2D, attrs, {x, w, b}, {conv}, {}, 1, {}});
  g.nodes.push_back({OpKind::ADD, BinaryAttrs{}, {conv, c}, {sum}, {}, 1, {}});
  g.nodes.push_back({OpKind::SOFTMAX, SoftmaxAttrs{}, {sum}, {out}, {}, 1, {}});
  return m;
}

}  // namespace octet::test
