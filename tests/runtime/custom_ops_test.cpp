// Custom operators that a program brings along: what they see, how they are asked, how they fail.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "octet/custom.hpp"
#include "runtime/executor.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;

namespace {

using In = std::span<const ConstTensorView>;
using Out = std::span<const TensorView>;

// x -> the operator `name` -> y, both of `shape`; a second, constant input 1, 2, ... of 3 numbers.
ModelData custom_model(const std::string& name, Shape shape, std::vector<uint8_t> options = {},
                       DType dtype = DType::float32) {
  ModelData m;
  Graph& g = m.graphs.emplace_back();
  const ValueId x = test::add_value(g, "x", dtype, shape), y = test::add_value(g, "y", dtype, shape);
  const ValueId c = test::add_value(g, "c", DType::float32, {3}, Constant::of(std::vector<float>{1, 2, 3}));
  g.inputs = {x};
  g.outputs = {y};
  g.nodes.push_back({OpKind::CUSTOM, CustomAttrs{name, std::move(options)}, {x, c}, {y}, {}, 1, {}});
  return m;
}

template <class F>
CustomOp op_of(std::string name, F run) {
  CustomOp op;
  op.name = std::move(name);
  op.create = [run](const CustomNode&) -> Result<std::unique_ptr<CustomKernel>> {
    return custom_kernel(run);
  };
  return op;
}

std::shared_ptr<const CustomOps> only(CustomOp op) {
  auto ops = std::make_shared<CustomOps>();
  REQUIRE(ops->add(std::move(op)).ok());
  return ops;
}

std::string why_not(const ModelData& m, std::shared_ptr<const CustomOps> ops) {
  return GraphExecutor::create(m, {.custom_ops = std::move(ops)}).status().message();
}

std::vector<float> run(GraphExecutor& e, std::vector<float> x) {
  ConstTensorView view = e.input_info(0);
  view.data = x.data();
  const Status s = e.run({&view, 1});
  REQUIRE_MESSAGE(s.ok(), s.message());
  const ConstTensorView y = e.output(0);
  return {y.as<float>(), y.as<float>() + y.elements()};
}

Status halve(In in, Out out) {
  for (int64_t i = 0; i < out[0].elements(); ++i)
    out[0].as<float>()[i] = in[0].as<float>()[i] / 2;
  return {};
}

}  // namespace

TEST_CASE("a custom operator sees its node and computes") {
  CustomOp op = op_of("Half", halve);
  op.inputs = {2, 2};
  op.outputs = {1, 1};
  op.infer = [](const CustomNode& n) -> Result<InferredShapes> {
    CHECK(n.name == "Half");
    CHECK(std::string(n.options.begin(), n.options.end()) == "ABC");
    REQUIRE(n.in.size() == 2);
    CHECK(n.in[0].name == "x");
    CHECK(n.in[0].shape == Shape{2, 2});
    CHECK(!n.in[0].is_known());
    REQUIRE(n.in[1].is_known());
    CHECK(n.in[1].as<float>()[2] == 3);
    CHECK(n.out[0].shape == Shape{2, 2});
    return InferredShapes{.deferred = false, .shapes = {{4}}};  // not what the model declares
  };
  const auto ops = only(std::move(op));
  for (const Backend backend : {Backend::xnnpack, Backend::reference}) {
    auto e = GraphExecutor::create(custom_model("Half", {2, 2}, {'A', 'B', 'C'}),
                                   {.backend = backend, .custom_ops = ops});
    REQUIRE_MESSAGE(e.ok(), e.status().message());
    CHECK(run(**e, {2, 4, 6, 8}) == std::vector<float>{1, 2, 3, 4});
    CHECK((*e)->output(0).shape == Shape{4});
    CHECK((*e)->plan().steps[0].impl->name == "custom");
  }
}

TEST_CASE("without shape inference the outputs have the shape of input 0") {
  auto e = GraphExecutor::create(custom_model("Half", {3}), {.custom_ops = only(op_of("Half", halve))});
  REQUIRE(e.ok());
  CHECK(run(**e, {1, 2, 3}) == std::vector<float>{0.5f, 1, 1.5f});
}

TEST_CASE("integers come with their quantization") {
  ModelData m = custom_model("Double", {4}, {}, DType::int8);
  Graph& g = m.main();
  g.value(0).quant = Quantization::per_tensor({0.5f, 3});
  g.value(1).quant = Quantization::per_tensor({1.0f, -7});
  const auto ops = only(op_of("Double", [](In in, Out out) -> Status {
    const Affine a = in[0].quant.at(), b = out[0].quant.at();
    for (int64_t i = 0; i < out[0].elements(); ++i) {
      const auto real = 2 * a.scale * static_cast<float>(in[0].as<int8_t>()[i] - a.zero_point);
      out[0].as<int8_t>()[i] = static_cast<int8_t>(std::lrintf(real / b.scale) + b.zero_point);
    }
    return {};
  }));
  auto e = GraphExecutor::create(m, {.custom_ops = ops});
  REQUIRE(e.ok());
  const std::vector<int8_t> x = {3, 5, 13, -7};
  ConstTensorView view = (*e)->input_info(0);
  view.data = x.data();
  REQUIRE((*e)->run({&view, 1}).ok());
  const int8_t* y = (*e)->output(0).as<int8_t>();
  CHECK(std::vector<int>(y, y + 4) == std::vector<int>{-7, -5, 3, -17});
}

TEST_CASE("state lasts from run to run, per executor, and is reset") {
  class Counter final : public CustomKernel {
   public:
    explicit Counter(int& alive) : alive_(++alive) {}
    ~Counter() override { --alive_; }
    Counter(const Counter&) = delete;
    Counter& operator=(const Counter&) = delete;
    Status run(In, Out out) override {
      out[0].as<float>()[0] = static_cast<float>(++runs_);
      return {};
    }
    void reset_state() override { runs_ = 0; }

   private:
    int& alive_;
    int runs_ = 0;
  };
  int alive = 0;
  CustomOp op;
  op.name = "Count";
  op.create = [&alive](const CustomNode&) -> Result<std::unique_ptr<CustomKernel>> {
    return std::unique_ptr<CustomKernel>(std::make_unique<Counter>(alive));
  };
  auto ops = only(std::move(op));
  const ModelData m = custom_model("Count", {1});
  {
    auto a = GraphExecutor::create(m, {.custom_ops = ops}), b = GraphExecutor::create(m, {.custom_ops = ops});
    ops.reset();  // executors keep it
    REQUIRE(a.ok());
    REQUIRE(b.ok());
    CHECK(alive == 2);
    CHECK(run(**a, {0})[0] == 1);
    CHECK(run(**a, {0})[0] == 2);
    CHECK(run(**b, {0})[0] == 1);
    (*a)->reset_state();
    CHECK(run(**a, {0})[0] == 1);
  }
  CHECK(alive == 0);
}

TEST_CASE("a shape that depends on data") {
  // As many copies of the constant as the first element says.
  CustomOp op = op_of("Repeat", [](In in, Out out) -> Status {
    for (int64_t i = 0; i < out[0].elements(); ++i)
      out[0].as<float>()[i] = in[1].as<float>()[i % 3];
    return {};
  });
  op.infer = [](const CustomNode& n) -> Result<InferredShapes> {
    if (!n.in[0].is_known()) return InferredShapes::later();
    return InferredShapes{.deferred = false, .shapes = {{static_cast<int32_t>(n.in[0].as<float>()[0]), 3}}};
  };
  auto e = GraphExecutor::create(custom_model("Repeat", {1}), {.custom_ops = only(std::move(op))});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  CHECK(run(**e, {2}) == std::vector<float>{1, 2, 3, 1, 2, 3});
  CHECK(run(**e, {1}) == std::vector<float>{1, 2, 3});
  CHECK((*e)->output(0).shape == Shape{1, 3});
}

TEST_CASE("errors of custom operators say where and what") {
  const ModelData m = custom_model("Half", {3});
  const std::string at = "CUSTOM:Half 'y': ";
  CHECK(why_not(m, nullptr) == at + "custom operator 'Half' is not registered");
  CHECK(why_not(m, only(op_of("Other", halve))) == at + "custom operator 'Half' is not registered");
  CHECK(
      why_not(custom_model("FlexAdd", {3}), nullptr) ==
      "CUSTOM:FlexAdd 'y': custom operator 'FlexAdd' is not registered (it needs TensorFlow's own kernels)");
  CustomOp op = op_of("Half", halve);
  op.inputs = {1, 1};
  CHECK(why_not(m, only(op)) == at + "custom operator 'Half' does not take 2 inputs and 1 outputs");
  op.inputs = {0, -1};
  auto shapes = [&](std::vector<Shape> s) {
    op.infer = [s = std::move(s)](const CustomNode&) -> Result<InferredShapes> {
      return InferredShapes{.deferred = false, .shapes = s};
    };
    return why_not(m, only(op));
  };
  CHECK(shapes({}) == at + "custom operator 'Half' gave 0 shapes for 1 outputs");
  CHECK(shapes({{1}, {2}}) == at + "custom operator 'Half' gave 2 shapes for 1 outputs");
  CHECK(shapes({{-1}}) == at + "custom operator 'Half' gave the shape ?, which is not fixed");
  CHECK(shapes({{2000000000, 2000000000}}) ==
        at + "tensor 'y' of shape 2000000000x2000000000 does not fit in memory");
  op.infer = [](const CustomNode&) -> Result<InferredShapes> { return Status::unsupported("no such shape"); };
  CHECK(why_not(m, only(op)) == at + "no such shape");
  op.infer = nullptr;
  op.create = [](const CustomNode&) -> Result<std::unique_ptr<CustomKernel>> { return {nullptr}; };
  CHECK(why_not(m, only(op)) == at + "custom operator 'Half' made no kernel");
  op.create = [](const CustomNode&) -> Result<std::unique_ptr<CustomKernel>> {
    return Status::declined("not today");
  };
  CHECK(why_not(m, only(op)) == at + "not today");
  ModelData strings = custom_model("Half", {3}, {}, DType::string);
  CHECK(why_not(strings, only(op_of("Half", halve))) == at + "'x' is string, whose data Octet does not hold");

  auto e = GraphExecutor::create(
      m, {.custom_ops = only(op_of("Half", [](In, Out) { return Status::invalid("the data is bad"); }))});
  REQUIRE(e.ok());
  ConstTensorView x = (*e)->input_info(0);
  const float data[3] = {};
  x.data = data;
  CHECK((*e)->run({&x, 1}).message() == at + "the data is bad");
}

TEST_CASE("names of custom operators") {
  CustomOps ops;
  CHECK(ops.add(op_of("", halve)).message() == "a custom operator without a name");
  CHECK(ops.add({.name = "A", .infer = nullptr, .create = nullptr}).message() ==
        "custom operator 'A' has no create");
  CHECK(ops.add(op_of("A", halve)).ok());
  CHECK(ops.add(op_of("A", halve)).message() == "a custom operator 'A' is registered already");
  CHECK(ops.find("A") != nullptr);
  CHECK(ops.find("B") == nullptr);
  // A program's operator goes before a built-in one.
  const std::string built_in = "TFLite_Detection_PostProcess";
  CHECK(why_not(custom_model(built_in, {3}), nullptr) ==
        fmt::format("CUSTOM:{0} 'y': custom operator '{0}' does not take 2 inputs and 1 outputs", built_in));
  CHECK(
      GraphExecutor::create(custom_model(built_in, {3}), {.custom_ops = only(op_of(built_in, halve))}).ok());
}

TEST_CASE("custom operators inside of called graphs") {
  ModelData m = custom_model("Half", {1});
  Graph body = m.main();
  Graph& g = m.main();
  g = Graph();
  const ValueId c = test::add_value(g, "c", DType::boolean, {}, Constant::of(std::vector<uint8_t>{1}));
  const ValueId x = test::add_value(g, "x", DType::float32, {1}),
                y = test::add_value(g, "y", DType::float32, {1});
  g.inputs = {x};
  g.outputs = {y};
  g.nodes.push_back({OpKind::IF, IfAttrs{1, 1}, {c, x}, {y}, {}, 1, {}});
  m.graphs.push_back(body);
  auto e = GraphExecutor::create(m, {.custom_ops = only(op_of("Half", halve))});
  REQUIRE(e.ok());
  CHECK(run(**e, {3})[0] == 1.5f);
}

TEST_CASE("real models with custom operators") {
  const char* folder = std::getenv("OCTET_MODELS");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  const std::string root = std::string(folder) + "/edge_cases/";
  auto load = [&](const std::string& name) {
    auto m = ModelData::load(root + name);
    REQUIRE_MESSAGE(m.ok(), m.status().message());
    return *m;
  };
  auto sinh = GraphExecutor::create(*load("custom_sinh.bin"),
                                    {.custom_ops = only(op_of("Sinh", [](In in, Out out) {
                                       out[0].as<float>()[0] = std::sinh(in[0].as<float>()[0]);
                                       return Status();
                                     }))});
  REQUIRE(sinh.ok());
  CHECK(run(**sinh, {1})[0] == std::sinh(1.0f));

  std::string options;
  CustomOp op = op_of("the_custom_code", [](In in, Out out) -> Status {
    for (int64_t i = 0; i < out[0].elements(); ++i)
      out[0].as<float>()[i] = in[0].as<float>()[i] * in[1].as<float>()[i];
    return {};
  });
  op.infer = [&options](const CustomNode& n) -> Result<InferredShapes> {
    options.assign(n.options.begin(), n.options.end());
    return InferredShapes{.deferred = false, .shapes = {n.in[0].shape}};
  };
  auto product =
      GraphExecutor::create(*load("test_custom_node_with_init_data.bin"), {.custom_ops = only(op)});
  REQUIRE(product.ok());
  CHECK(options == "ABC");  // as LiteRT's test of this model has it
  const float a[] = {1, 2, 3}, b[] = {4, 5, 6};
  std::vector<ConstTensorView> in = {(*product)->input_info(0), (*product)->input_info(1)};
  in[0].data = a;
  in[1].data = b;
  REQUIRE((*product)->run(in).ok());
  CHECK((*product)->output(0).as<float>()[2] == 18);

  // Assigns v1 + v2 to v1. Its shapes are unknown: scalars until somebody says better.
  auto copy = [](In i, Out o) -> Status {
    std::memcpy(o[0].data, i.back().data, static_cast<size_t>(o[0].bytes()));
    return {};
  };
  auto assign = GraphExecutor::create(
      *load("java_with_custom_op.lite"),
      {.input_shapes = {Shape{2}, Shape{2}}, .custom_ops = only(op_of("Assign", copy))});
  REQUIRE_MESSAGE(assign.ok(), assign.status().message());
  in = {(*assign)->input_info(0), (*assign)->input_info(1)};
  in[0].data = a;
  in[1].data = b;
  REQUIRE((*assign)->run(in).ok());
  CHECK((*assign)->output(0).shape == Shape{2});
  CHECK((*assign)->output(0).as<float>()[1] == 7);

  CHECK(why_not(*load("litert_dynamic_string_custom_ops.tflite"), only(op_of("Normalize", copy))) ==
        root +
            "litert_dynamic_string_custom_ops.tflite: CUSTOM:Normalize 'tfl.custom': 'arg0' is string, whose "
            "data Octet does not hold");
}
