// A kernel that takes a node declines it when the node's data changes: wherever nodes are run, the next one
// does.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <limits>

#include "kernels/node_runner.hpp"
#include "quant/assign/kernel_probe.hpp"
#include "quant/measure/lockstep.hpp"
#include "runtime/executor.hpp"
#include "tests/support/graph_builder.hpp"

namespace octet {
namespace {

constexpr int32_t kNearLimit = std::numeric_limits<int32_t>::max() - 5;

struct DepthwiseGraph {
  Graph graph;
  ValueId bias;
};

// An int8 depthwise convolution with this bias in each of 16 channels; what it reads has a shape that depends
// on data when `late`.
DepthwiseGraph depthwise_graph(int32_t bias, bool late = false) {
  test::GraphBuilder b;
  const Quantization q = Quantization::per_tensor({0.5f, 3});
  ValueId x = b.input("x", {1, 6, 6, 16}, DType::int8, q);
  const ValueId shape = late ? b.input("shape", {4}, DType::int32) : kNoValue;
  std::vector<int8_t> weights(9 * 16);
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = static_cast<int8_t>(static_cast<int>(i * 37 % 255) - 127);
  const ValueId w = b.raw("w", DType::int8, Shape{1, 3, 3, 16}, Constant::of(weights),
                          Quantization::per_channel(3, std::vector<Affine>(16, {0.01f, 0})));
  const ValueId c = b.raw("bias", DType::int32, Shape{16}, Constant::of(std::vector<int32_t>(16, bias)),
                          Quantization::per_channel(0, std::vector<Affine>(16, {0.005f, 0})));
  Graph g = b.build();
  if (late) {
    const ValueId reshaped =
        g.add_value({.name = "late", .dtype = DType::int8, .shape = Shape{1, 6, 6, 16}, .quant = q});
    g.nodes.push_back(
        {.kind = OpKind::RESHAPE, .attrs = ReshapeAttrs{}, .inputs = {x, shape}, .outputs = {reshaped}});
    x = reshaped;
  }
  const ValueId y = g.add_value({.name = "y",
                                 .dtype = DType::int8,
                                 .shape = Shape{1, 6, 6, 16},
                                 .quant = Quantization::per_tensor({2e5f, 0})});
  DepthwiseConv2DAttrs attrs;
  attrs.padding.kind = Padding::Kind::same;
  attrs.depth_multiplier = 1;
  g.nodes.push_back({.kind = OpKind::DEPTHWISE_CONV_2D, .attrs = attrs, .inputs = {x, w, c}, .outputs = {y}});
  g.outputs = {y};
  return {std::move(g), c};
}

ModelData model_of_depthwise(int32_t bias, bool late = false) {
  ModelData m;
  m.graphs.push_back(depthwise_graph(bias, late).graph);
  return m;
}

std::vector<int8_t> some_input() {
  std::vector<int8_t> x(6 * 6 * 16);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<int8_t>(i * 29 % 256);
  return x;
}

std::vector<ConstTensorView> views(const GraphExecutor& e, const std::vector<int8_t>& x,
                                   const std::vector<int32_t>& shape) {
  std::vector<ConstTensorView> v;
  for (size_t i = 0; i < e.input_count(); ++i) {
    v.push_back(e.input_info(i));
    v[i].data = i == 0 ? static_cast<const void*>(x.data()) : shape.data();
  }
  return v;
}

std::vector<int8_t> integers(const ConstTensorView& v) {
  return {v.as<int8_t>(), v.as<int8_t>() + v.elements()};
}

std::vector<int8_t> result(GraphExecutor& e) {
  const std::vector<int8_t> x = some_input();
  const std::vector<int32_t> shape = {1, 6, 6, 16};
  const Status s = e.run(views(e, x, shape));
  REQUIRE_MESSAGE(s.ok(), s.message());
  return integers(e.output(0));
}

std::vector<int8_t> by_reference(int32_t bias) {
  auto e = GraphExecutor::create(model_of_depthwise(bias), {.backend = Backend::reference});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  return result(**e);
}

// An operator of the tests: "picky" takes positive data only, "broken" says that the node is wrong.
KernelResult picky(const NodeDesc& n, ThreadPool&) {
  if (n.in[0].as<int32_t>()[0] < 0) return Status::declined("negative data");
  return make_kernel([](const RunArgs&) { return Status(); });
}
KernelResult taker(const NodeDesc&, ThreadPool&) {
  return make_kernel([](const RunArgs&) { return Status(); });
}
KernelResult broken(const NodeDesc&, ThreadPool&) {
  return Status::corrupt("no such axis");
}

std::string chosen_of(const OpSpec& spec, int32_t data, Backend backend = Backend::xnnpack) {
  ThreadPool pool(1);
  const Attrs attrs = NoAttrs{};
  const TensorDesc in{.name = "x", .dtype = DType::int32, .shape = Shape{1}, .data = &data};
  const TensorDesc out{.name = "y", .dtype = DType::int32, .shape = Shape{1}};
  const auto chosen = choose_kernel(spec, {spec.kind, &attrs, {&in, 1}, {&out, 1}}, backend, pool);
  if (!chosen.ok()) return fmt::format("{}!", chosen.status().message());
  return fmt::format("{}({})", chosen->impl->name, chosen->why);
}

}  // namespace

TEST_CASE("an implementation that declines the data of a node is passed over, one that fails is not") {
  OpSpec spec{.kind = OpKind::ABS, .reference = {"reference", taker}, .fast = {{"picky", picky}}};
  CHECK(chosen_of(spec, 1) == "picky()");
  CHECK(chosen_of(spec, -1) == "reference(picky: negative data)");
  CHECK(chosen_of(spec, 1, Backend::reference) == "reference()");
  spec.reference = {"reference", picky};
  CHECK(chosen_of(spec, -1) == "negative data!");
  spec.fast = {{"broken", broken}};
  spec.reference = {"reference", taker};
  CHECK(chosen_of(spec, 1) == "no such axis!");
}

TEST_CASE("a bias near the limits of int32 is left to a kernel that takes it, in every executor") {
  const std::vector<int8_t> want = by_reference(kNearLimit);
  const ModelData m = model_of_depthwise(kNearLimit);
  auto first = GraphExecutor::create(m, {});
  REQUIRE_MESSAGE(first.ok(), first.status().message());
  CHECK((*first)->plan().steps[0].why.find("a bias near the limits of int32") != std::string::npos);
  CHECK(result(**first) == want);
  auto second = GraphExecutor::create((*first)->shared_plan());
  REQUIRE_MESSAGE(second.ok(), second.status().message());
  CHECK(result(**second) == want);
  auto late = GraphExecutor::create(model_of_depthwise(kNearLimit, true), {});
  REQUIRE_MESSAGE(late.ok(), late.status().message());
  CHECK((*late)->plan().steps.back().late);
  CHECK(result(**late) == want);
  ThreadPool pool(1);
  CHECK(why_no_kernel(m.main(), m.main().nodes[0], pool).empty());
}

TEST_CASE("a bias that is shifted to the limits of int32 in lockstep is left to a kernel that takes it") {
  const DepthwiseGraph d = depthwise_graph(100);
  const auto lockstep = Lockstep::create(d.graph, 1);
  REQUIRE_MESSAGE(lockstep.ok(), lockstep.status().message());
  const std::vector<int8_t> x = some_input();
  const ConstTensorView view = {x.data(), DType::int8, Shape{1, 6, 6, 16}, d.graph.values[0].quant};
  REQUIRE((*lockstep)->add_sample({&view, 1}).ok());
  const Status s = (*lockstep)->run([&](NodeId) {
    (*lockstep)->set_constant(d.bias, Constant::of(std::vector<int32_t>(16, kNearLimit)));
    return true;
  });
  REQUIRE_MESSAGE(s.ok(), s.message());
  CHECK(integers((*lockstep)->value(d.graph.outputs[0], 0)) == by_reference(kNearLimit));
}

}  // namespace octet
