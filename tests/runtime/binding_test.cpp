// Buffers of the caller in place of an executor's own, executors that share a plan, and runs that end early.
#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <thread>

#include "runtime/executor.hpp"
#include "runtime/model_plans.hpp"
#include "tests/runtime/random_graph.hpp"
#include "tests/support/graph_builder.hpp"
#include "tests/support/interpreter.hpp"

namespace octet {
namespace {

using test::GraphBuilder;
using Clock = std::chrono::steady_clock;

ModelData model_with(Graph g) {
  ModelData m;
  m.graphs.push_back(std::move(g));
  return m;
}

// Memory with the slack that kernels may read, filled with something that no result is.
struct Buffer {
  explicit Buffer(int64_t bytes) : memory(static_cast<size_t>(bytes) + kSlack + 1, std::byte{0x5a}) {}
  std::byte* data() { return memory.data(); }
  size_t capacity() const { return memory.size() - 1; }
  std::vector<std::byte> memory;
};

std::vector<std::byte> bytes_at(const void* data, int64_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  return {from, from + bytes};
}

// conv -> relu -> reshape: the input is only read, the output's memory is also that of the values before it.
Graph chain() {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 4, 3});
  b.output(b.reshape(b.op(OpKind::TANH, {b.conv_2d(x, {.out = 5})}), {1, 80}), "y");
  return b.build();
}

// while (true) {}
ModelData endless() {
  GraphBuilder condition, body, b;
  condition.output(condition.op(
      OpKind::LOGICAL_OR,
      {condition.input("c", {}, DType::boolean), condition.input("d", {}, DType::boolean)}, DType::boolean));
  for (const char* name : {"c", "d"})
    body.output(body.op(OpKind::LOGICAL_NOT, {body.input(name, {}, DType::boolean)}, DType::boolean));
  const ValueId c = b.input("c", {}, DType::boolean), d = b.input("d", {}, DType::boolean);
  Graph g = b.build();
  std::vector<ValueId> out;
  for (int i = 0; i < 2; ++i)
    out.push_back(g.add_value({.name = "out", .dtype = DType::boolean, .shape = Shape{}}));
  g.nodes.push_back({.kind = OpKind::WHILE, .attrs = WhileAttrs{1, 2}, .inputs = {c, d}, .outputs = out});
  g.outputs = out;
  ModelData m = model_with(g);
  m.graphs.push_back(condition.build());
  m.graphs.push_back(body.build());
  return m;
}

Status run_endless(GraphExecutor& e) {
  const uint8_t yes = 1, no = 0;
  const std::vector<ConstTensorView> in = {{&yes, DType::boolean, Shape{}, {}},
                                           {&no, DType::boolean, Shape{}, {}}};
  return e.run(in);
}

}  // namespace

TEST_CASE("bound buffers are used themselves") {
  const ModelData m = model_with(chain());
  const auto inputs = test::random_inputs(m.main(), 3);
  const auto want = test::interpret(m.main(), inputs);
  REQUIRE(want.ok());
  auto e = GraphExecutor::create(m, {.backend = Backend::reference});
  REQUIRE(e.ok());
  ConstTensorView x = (*e)->input_info(0);
  Buffer in(x.bytes()), out(80 * 4);
  std::memcpy(in.data(), inputs[0].data(), static_cast<size_t>(x.bytes()));
  x.data = in.data();
  const auto bound_in = (*e)->bind_input(0, x, in.capacity());
  REQUIRE_MESSAGE(bound_in.ok(), bound_in.status().message());
  CHECK(*bound_in == Binding::direct);
  const auto bound_out = (*e)->bind_output(0, {out.data(), DType::float32, Shape{1, 80}, {}}, out.capacity());
  REQUIRE_MESSAGE(bound_out.ok(), bound_out.status().message());
  CHECK(*bound_out == Binding::direct);
  REQUIRE((*e)->run_bound().ok());
  CHECK((*e)->output(0).data == out.data());
  const auto expected = (*want)[static_cast<size_t>(m.main().outputs[0])].constant.bytes();
  CHECK(bytes_at(out.data(), 80 * 4) == bytes_at(expected.data(), 80 * 4));
  CHECK(out.memory[80 * 4] == std::byte{0x5a});

  // New contents in the same buffer.
  std::memset(in.data(), 0, static_cast<size_t>(x.bytes()));
  const auto before = bytes_at(out.data(), 80 * 4);
  REQUIRE((*e)->run_bound().ok());
  CHECK(bytes_at(out.data(), 80 * 4) != before);

  // Views given to run() take the place of the bound input; the output stays bound.
  x.data = inputs[0].data();
  REQUIRE((*e)->run({&x, 1}).ok());
  CHECK(bytes_at(out.data(), 80 * 4) == before);
  (*e)->unbind();
  REQUIRE((*e)->run({&x, 1}).ok());
  CHECK((*e)->output(0).data != out.data());
  CHECK((*e)->run_bound().message() == "input 'x' is not bound");
}

TEST_CASE("buffers without slack or alignment are copied") {
  const ModelData m = model_with(chain());
  auto e = GraphExecutor::create(m, {});
  REQUIRE(e.ok());
  ConstTensorView x = (*e)->input_info(0);
  Buffer in(x.bytes());
  x.data = in.data();
  CHECK(*(*e)->bind_input(0, x) == Binding::copied);
  CHECK(*(*e)->bind_input(0, x, static_cast<size_t>(x.bytes()) + kSlack - 1) == Binding::copied);
  CHECK(*(*e)->bind_input(0, x, in.capacity()) == Binding::direct);
  x.data = in.data() + 1;
  CHECK(*(*e)->bind_input(0, x, in.capacity()) == Binding::copied);
  REQUIRE((*e)->run_bound().ok());
}

TEST_CASE("wrong buffers are refused by name") {
  auto e = GraphExecutor::create(model_with(chain()), {});
  REQUIRE(e.ok());
  ConstTensorView x = (*e)->input_info(0);
  CHECK((*e)->run({&x, 1}).message() == "input 'x' has no data");
  CHECK((*e)->bind_input(0, x).status().message() == "input 'x' has no data");
  CHECK((*e)->bind_input(1, x).status().message() == "there is no input 1: the graph has 1");
  std::vector<float> y(81);
  CHECK((*e)->bind_output(0, {nullptr, DType::float32, Shape{1, 80}, {}}).status().message() ==
        "the buffer for output 'y' has no data");
  CHECK((*e)->bind_output(0, {y.data(), DType::float32, Shape{1, 81}, {}}).status().message() ==
        "output 'y' is float32 1x80, got room for float32 1x81");
  CHECK((*e)->bind_output(0, {y.data(), DType::int32, Shape{1, 80}, {}}).status().code() ==
        Code::invalid_argument);
  CHECK((*e)->bind_output(1, {y.data(), DType::float32, Shape{1, 80}, {}}).status().message() ==
        "there is no output 1: the graph has 1");
}

TEST_CASE("random graphs: bound buffers change no result, and inputs stay what they are") {
  size_t direct_in = 0, direct_out = 0, copied = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const ModelData m = model_with(test::random_graph(seed));
    const Graph& g = m.main();
    const std::vector<Constant> inputs = test::random_inputs(g, seed);
    auto plain = GraphExecutor::create(m, {});
    REQUIRE(plain.ok());
    auto bound = GraphExecutor::create((*plain)->shared_plan());
    REQUIRE(bound.ok());
    std::vector<ConstTensorView> views;
    std::vector<Buffer> in, out;
    for (size_t i = 0; i < inputs.size(); ++i) {
      views.push_back((*plain)->input_info(i));
      views[i].data = inputs[i].data();
      in.emplace_back(views[i].bytes());
      std::memcpy(in[i].data(), inputs[i].data(), static_cast<size_t>(views[i].bytes()));
    }
    REQUIRE((*plain)->run(views).ok());
    for (size_t i = 0; i < inputs.size(); ++i) {
      ConstTensorView v = views[i];
      v.data = in[i].data();
      const auto how = (*bound)->bind_input(i, v, in[i].capacity());
      REQUIRE(how.ok());
      ++(*how == Binding::direct ? direct_in : copied);
    }
    for (size_t i = 0; i < g.outputs.size(); ++i) {
      const ConstTensorView y = (*plain)->output(i);
      out.emplace_back(y.bytes());
      const auto how =
          (*bound)->bind_output(i, {out[i].data(), y.dtype, y.shape, y.quant}, out[i].capacity());
      REQUIRE(how.ok());
      ++(*how == Binding::direct ? direct_out : copied);
    }
    for (int round = 0; round < 2; ++round) {
      REQUIRE((*bound)->run_bound().ok());
      for (size_t i = 0; i < g.outputs.size(); ++i) {
        const ConstTensorView want = (*plain)->output(i);
        CHECK(bytes_at(out[i].data(), want.bytes()) == bytes_at(want.data, want.bytes()));
        CHECK(out[i].memory.back() == std::byte{0x5a});
      }
      for (size_t i = 0; i < inputs.size(); ++i)
        CHECK(bytes_at(in[i].data(), views[i].bytes()) == bytes_at(inputs[i].data(), views[i].bytes()));
    }
  }
  CHECK(direct_in > 50);
  CHECK(direct_out > 50);
  CHECK(copied > 50);
}

TEST_CASE("threads share a model's plan and a pool") {
  const ModelData m = model_with(test::random_graph(11));
  const Graph& g = m.main();
  auto pool = std::make_shared<ThreadPool>(2);
  const auto first = GraphExecutor::create(m, {.pool = pool});
  REQUIRE(first.ok());
  std::vector<std::thread> threads;
  std::vector<std::string> problems(4);
  for (uint32_t t = 0; t < problems.size(); ++t)
    threads.emplace_back([&, t] {
      auto e = GraphExecutor::create((*first)->shared_plan(), {.pool = pool});
      if (!e.ok()) {
        problems[t] = e.status().message();
        return;
      }
      const std::vector<Constant> inputs = test::random_inputs(g, t);
      std::vector<ConstTensorView> views;
      for (size_t i = 0; i < inputs.size(); ++i) {
        views.push_back((*e)->input_info(i));
        views[i].data = inputs[i].data();
      }
      std::vector<std::byte> want;
      for (int round = 0; round < 20; ++round) {
        if (const Status s = (*e)->run(views); !s.ok()) problems[t] = s.message();
        const ConstTensorView y = (*e)->output(0);
        const auto got = bytes_at(y.data, y.bytes());
        if (round > 0 && got != want) problems[t] = "another result in round " + std::to_string(round);
        want = got;
      }
    });
  for (std::thread& t : threads)
    t.join();
  for (const std::string& p : problems)
    CHECK(p.empty());
}

TEST_CASE("threads share the plans of the graphs that control flow calls") {
  const ModelData m = endless();
  ThreadPool pool(1);
  const auto prepared = plan_model(m, 0, {}, pool);
  REQUIRE(prepared.ok());
  std::vector<std::thread> threads;
  std::vector<Code> codes(4, Code::ok);
  for (Code& code : codes)
    threads.emplace_back([&] {
      auto e = GraphExecutor::create(prepared->plan);
      if (!e.ok()) return;
      (*e)->set_deadline(Clock::now() + std::chrono::milliseconds(20));
      code = run_endless(**e).code();
    });
  for (std::thread& t : threads)
    t.join();
  for (const Code code : codes)
    CHECK(code == Code::deadline_exceeded);
}

TEST_CASE("a run ends when it is told to, and the next one is complete") {
  auto e = GraphExecutor::create(endless(), {});
  REQUIRE(e.ok());
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    (*e)->cancel();
  });
  CHECK(run_endless(**e).code() == Code::cancelled);
  other.join();
  (*e)->cancel();  // before the run
  CHECK(run_endless(**e).code() == Code::cancelled);

  const ModelData m = model_with(chain());
  const auto inputs = test::random_inputs(m.main(), 3);
  auto c = GraphExecutor::create(m, {});
  REQUIRE(c.ok());
  ConstTensorView x = (*c)->input_info(0);
  x.data = inputs[0].data();
  // In the middle: after the first step.
  struct Stop : Tap {
    explicit Stop(GraphExecutor& e) : executor(e) {}
    void on_value(ValueId, const ConstTensorView&) override {
      if (++seen == 2) executor.cancel();
    }
    GraphExecutor& executor;
    int seen = 0;
  } stop(**c);
  CHECK((*c)->run({&x, 1}, &stop).code() == Code::cancelled);
  CHECK(stop.seen == 2);
  (*c)->cancel();
  (*c)->clear_cancel();
  CHECK((*c)->run({&x, 1}).ok());
  (*c)->set_deadline(Clock::now());
  CHECK((*c)->run({&x, 1}).code() == Code::deadline_exceeded);
  (*c)->set_deadline({});
  REQUIRE((*c)->run({&x, 1}).ok());
  auto fresh = GraphExecutor::create(m, {});
  REQUIRE(fresh.ok());
  REQUIRE((*fresh)->run({&x, 1}).ok());
  CHECK(bytes_at((*c)->output(0).data, 320) == bytes_at((*fresh)->output(0).data, 320));
}

}  // namespace octet
