// Plan and Executor of the public interface.
#include "octet/executor.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <thread>
#include <vector>

#include "octet/custom.hpp"
#include "schema/ir/graph.hpp"
#include "tests/support/graph_builder.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;

namespace {

Model model_of(Graph graph) {
  auto data = std::make_shared<ModelData>();
  data->path = "net";
  data->graphs.push_back(std::move(graph));
  return Model(std::move(data));
}

// y = (a - b) * a, z = a + b, on [1, 4], with a signature that turns the inputs round.
Model two_inputs() {
  test::GraphBuilder b;
  const ValueId a = b.input("a", {1, 4}), c = b.input("b", {1, 4});
  b.output(b.op(OpKind::MUL, {b.op(OpKind::SUB, {a, c}), a}), "y");
  b.output(b.op(OpKind::ADD, {a, c}), "z");
  auto data = std::make_shared<ModelData>();
  data->path = "net";
  data->graphs.push_back(b.build());
  data->signatures.push_back({.key = "turned",
                              .graph = 0,
                              .inputs = {{"second", 1}, {"first", 0}},
                              .outputs = {{"sum", 1}, {"y", 0}}});
  return Model(std::move(data));
}

ConstTensorView view(const std::vector<float>& data, Shape shape = {1, 4}) {
  return {data.data(), DType::float32, shape, {}};
}

std::vector<float> floats(const ConstTensorView& v) {
  return {v.as<float>(), v.as<float>() + v.elements()};
}

const std::vector<float> kA{1, 2, 3, 4}, kB{4, 3, 2, 1};

}  // namespace

TEST_CASE("an executor runs on views, and tells what is wrong with them") {
  auto exec = Executor::create(two_inputs(), {.threads = 2});
  REQUIRE(exec.ok());
  CHECK(exec->output(0).data == nullptr);
  CHECK(exec->output(0).shape == Shape{1, 4});
  const std::vector<ConstTensorView> in = {view(kA), view(kB)};
  REQUIRE(exec->run(in).ok());
  CHECK(floats(exec->output(0)) == std::vector<float>{-3, -2, 3, 12});
  CHECK(floats(exec->output(1)) == std::vector<float>{5, 5, 5, 5});

  CHECK(exec->run(std::span(in).first(1)).message() == "net: 1 inputs given, the model takes 2");
  const std::vector<ConstTensorView> none = {view(kA), {nullptr, DType::float32, {1, 4}, {}}};
  CHECK(exec->run(none).message() == "net: input 'b' has no data");
  const std::vector<ConstTensorView> shape = {view(kA), view(kB, {4, 1})};
  CHECK(exec->run(shape).message() == "net: input 'b' has shape 1x4, got 4x1");
  const std::vector<ConstTensorView> type = {view(kA), {kB.data(), DType::int32, {1, 4}, {}}};
  CHECK(exec->run(type).code() == Code::invalid_argument);
}

TEST_CASE("a signature has its own order and names") {
  const Model model = two_inputs();
  CHECK(model.inputs("turned")->front().name == "second");
  auto exec = Executor::create(model, {.signature = "turned"});
  REQUIRE(exec.ok());
  CHECK(exec->plan().inputs()[1].name == "first");
  CHECK(exec->plan().outputs()[0].name == "sum");
  const std::vector<ConstTensorView> in = {view(kB), view(kA)};
  REQUIRE(exec->run(in).ok());
  CHECK(floats(exec->output(1)) == std::vector<float>{-3, -2, 3, 12});
}

TEST_CASE("inputs get new shapes by name") {
  const Model model = two_inputs();
  auto exec = Executor::create(model, {.input_shapes = {{"b", {3, 4}}, {"a", {3, 4}}}});
  REQUIRE(exec.ok());
  CHECK(exec->plan().inputs()[0].shape == Shape{3, 4});
  CHECK(exec->plan().outputs()[1].shape == Shape{3, 4});
  const auto unknown = Executor::create(model, {.input_shapes = {{"c", {3, 4}}}});
  CHECK(unknown.status().message() == "net: there is no input 'c' to give a shape to; the model has a, b");
  const auto twice = Executor::create(model, {.input_shapes = {{"a", {3, 4}}, {"a", {2, 4}}}});
  CHECK(twice.status().message() == "net: input 'a' is given two shapes");
}

TEST_CASE("bound buffers are read and written, and checked") {
  auto exec = Executor::create(two_inputs());
  REQUIRE(exec.ok());
  CHECK(exec->run().code() == Code::invalid_argument);
  // Room for what kernels read behind an input.
  std::vector<float> a(4 + 16), b(4 + 16), y(4 + 16);
  std::copy(kA.begin(), kA.end(), a.begin());
  std::copy(kB.begin(), kB.end(), b.begin());
  const size_t capacity = a.size() * sizeof(float);
  REQUIRE(exec->bind_input(0, view(a), capacity).ok());
  REQUIRE(exec->bind_input(1, view(b), capacity).ok());
  REQUIRE(exec->bind_output(0, {y.data(), DType::float32, {1, 4}, {}}, capacity).ok());
  REQUIRE(exec->run().ok());
  CHECK(std::vector<float>(y.begin(), y.begin() + 4) == std::vector<float>{-3, -2, 3, 12});
  CHECK(exec->output(0).data == y.data());
  a[0] = 10;
  REQUIRE(exec->run().ok());
  CHECK(y[0] == 60);

  CHECK(exec->bind_input(2, view(a)).status().message() == "net: there is no input 2: there are 2");
  CHECK(exec->bind_input(0, {nullptr, DType::float32, {1, 4}, {}}).status().message() ==
        "net: input 'a' is given no memory");
  CHECK(!exec->bind_input(0, view(a, {2, 2})).ok());
  CHECK(!exec->bind_output(0, {y.data(), DType::int8, {1, 4}, {}}).ok());
}

TEST_CASE("executors of one plan run side by side") {
  test::GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 8, 3});
  b.output(b.conv_2d(x, {.out = 8, .filter = 3}));
  const auto plan = Plan::create(model_of(b.build()), {.pool = make_thread_pool(2)});
  REQUIRE(plan.ok());
  std::vector<float> data(8 * 8 * 3, 0.25f);
  const ConstTensorView in = view(data, {1, 8, 8, 3});
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&] {
      auto exec = Executor::create(*plan);
      for (int run = 0; exec.ok() && run < 20; ++run)
        if (exec->run({&in, 1}).ok()) result = floats(exec->output(0));
    });
  for (std::thread& t : threads)
    t.join();
  CHECK(!results[0].empty());
  for (const auto& result : results)
    CHECK(result == results[0]);
}

TEST_CASE("what became of each operator is told by where steps come from, whatever tensors are called") {
  test::GraphBuilder b;
  const ValueId x = b.input("same", {1, 8, 8, 3});
  const ValueId c = b.conv_2d(x, {.out = 8, .filter = 3});
  const ValueId r = b.op(OpKind::RELU, {c});
  const ValueId f = b.reshape(r, {1, 8 * 8 * 8});
  b.output(b.op(OpKind::SOFTMAX, {f}));
  Graph g = b.build();
  for (Value& v : g.values)
    v.name = "same";
  const Model model = model_of(g);
  const auto plan = Plan::create(model);
  REQUIRE(plan.ok());
  const auto outcomes = plan->outcomes();
  const GraphInfo info = model.graph();
  REQUIRE(outcomes.size() == info.operators.size());
  const auto steps = plan->steps();
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const std::string& kind = info.operators[i].kind;
    CAPTURE(kind);
    if (kind == "RELU") {
      CHECK(outcomes[i].kernel == "fused");
      CHECK(outcomes[i].why.starts_with("part of CONV_2D"));
      continue;
    }
    REQUIRE(outcomes[i].steps.size() == 1);
    const PlanStep& step = steps[static_cast<size_t>(outcomes[i].steps[0])];
    CHECK(step.kind == kind);
    CHECK(step.kernel == outcomes[i].kernel);
    if (kind == "CONV_2D") CHECK(step.macs == int64_t{8} * 8 * 8 * 3 * 3 * 3);
  }
}

TEST_CASE("a run is cancelled from another thread, and the next one is not") {
  Graph g;
  g.inputs = {test::add_value(g, "x", DType::float32, {1})};
  for (int i = 0; i < 3; ++i) {
    const ValueId from = i == 0 ? g.inputs[0] : g.nodes.back().outputs[0];
    const ValueId to = test::add_value(g, "y" + std::to_string(i), DType::float32, {1});
    g.nodes.push_back({OpKind::CUSTOM, CustomAttrs{"Wait", {}}, {from}, {to}, {}, 1, {}});
  }
  g.outputs = {g.nodes.back().outputs[0]};
  std::atomic<int> started = 0;
  std::atomic<bool> go_on = false;
  auto ops = std::make_shared<CustomOps>();
  CustomOp op;
  op.name = "Wait";
  op.create = [&](const CustomNode&) -> Result<std::unique_ptr<CustomKernel>> {
    return custom_kernel([&](std::span<const ConstTensorView> in, std::span<const TensorView> out) -> Status {
      ++started;
      while (!go_on)
        std::this_thread::yield();
      out[0].as<float>()[0] = in[0].as<float>()[0];
      return {};
    });
  };
  REQUIRE(ops->add(std::move(op)).ok());
  auto exec = Executor::create(model_of(g), {.custom_ops = ops});
  REQUIRE_MESSAGE(exec.ok(), exec.status().message());
  const std::vector<float> x{1};
  const ConstTensorView in = view(x, {1});
  Status status;
  std::thread runner([&] { status = exec->run({&in, 1}); });
  while (started == 0)
    std::this_thread::yield();
  exec->cancel();
  go_on = true;
  runner.join();
  CHECK(status.code() == Code::cancelled);
  CHECK(started == 1);
  CHECK(exec->run({&in, 1}).ok());

  exec->set_time_limit(std::chrono::nanoseconds(1));
  CHECK(exec->run({&in, 1}).code() == Code::deadline_exceeded);
  exec->set_time_limit({});
  CHECK(exec->run({&in, 1}).ok());
  exec->cancel();
  exec->clear_cancel();
  CHECK(exec->run({&in, 1}).ok());
}

TEST_CASE("a profile has the time of every step") {
  const auto plan = Plan::create(two_inputs());
  REQUIRE(plan.ok());
  auto exec = Executor::create(*plan, {.profile = true});
  REQUIRE(exec.ok());
  const std::vector<ConstTensorView> in = {view(kA), view(kB)};
  REQUIRE(exec->run(in).ok());
  REQUIRE(exec->step_nanoseconds().size() == plan->steps().size());
  int64_t sum = 0;
  for (int64_t ns : exec->step_nanoseconds())
    sum += ns;
  CHECK(exec->run_nanoseconds() >= sum);
  CHECK(sum > 0);
}

TEST_CASE("the processor and the version have names") {
  CHECK(!cpu_info().name.empty());
  CHECK(!cpu_info().architecture.empty());
  CHECK(!version().empty());
  CHECK(yardstick_model().macs() == int64_t{512} * 512 * 32 * 32);
}
