#include "runtime/executor.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <map>
#include <random>

#include "tests/support/recurrent.hpp"

namespace octet {
namespace {

using test::GraphBuilder;

ModelData model_of(Graph g) {
  ModelData m;
  m.graphs.push_back(std::move(g));
  return m;
}

std::vector<float> noise(size_t n, uint32_t seed = 1) {
  std::mt19937 rng(seed);
  std::vector<float> v(n);
  for (float& x : v)
    x = static_cast<float>(rng()) / 2147483648.0f - 1.0f;
  return v;
}

ConstTensorView view(const std::vector<float>& v, const Shape& s) {
  return {v.data(), DType::float32, s, {}};
}

std::vector<float> floats(const ConstTensorView& v) {
  return {v.as<float>(), v.as<float>() + v.elements()};
}

// A network with what makes storage interesting: two branches, a residual sum, a concatenation whose parts
// are produced by steps, a split, reshapes, in-place activations, and an intermediate value that is an
// output.
Graph branches() {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 8, 4});
  const ValueId a = b.conv_2d(x, {.out = 4});
  const ValueId r = b.op(OpKind::RELU, {a});
  const ValueId sum = b.op(OpKind::ADD, {r, x});
  const ValueId left = b.conv_2d(sum, {.out = 4});
  const ValueId right = b.op(OpKind::TANH, {sum});
  const ValueId cat = b.op(OpKind::CONCATENATION, {left, right}, ConcatAttrs{.axis = 0, .act = {}});
  const auto parts = b.multi(
      OpKind::SPLIT, {b.raw("axis", DType::int32, Shape{}, Constant::of(std::vector<int32_t>{0})), cat},
      SplitAttrs{2}, {DType::float32, DType::float32});
  const ValueId flat = b.reshape(parts[1], {1, 256});
  b.output(b.op(OpKind::NEG, {flat}), "flat");
  b.output(sum, "sum");
  b.output(b.op(OpKind::RELU, {parts[0]}), "part");
  return b.build();
}

}  // namespace

TEST_CASE("a string that a graph passes through has no data") {
  Graph g;
  Value s;
  s.name = "s";
  s.dtype = DType::string;
  s.shape = {2};
  g.inputs = g.outputs = {g.add_value(s)};
  const auto e = GraphExecutor::create(model_of(g), {});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  const ConstTensorView in = (*e)->input_info(0);
  REQUIRE((*e)->run({&in, 1}).ok());
  CHECK((*e)->output(0).data == nullptr);
  CHECK((*e)->output(0).bytes() == 0);
}

TEST_CASE("sharing storage changes nothing: every value, alone and together, is the same") {
  const ModelData m = model_of(branches());
  const auto in = noise(256);
  const ConstTensorView x = view(in, Shape{1, 8, 8, 4});
  // The reference: each step's result copied out by a tap before the next step runs.
  struct Copy : Tap {
    std::map<ValueId, std::vector<float>> seen;
    std::map<ValueId, int> calls;
    void on_value(ValueId id, const ConstTensorView& v) override {
      seen[id] = floats(v);
      ++calls[id];
    }
  } tap;
  auto e = GraphExecutor::create(m, {.backend = Backend::reference, .keep_values = true});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  REQUIRE((*e)->run({&x, 1}, &tap).ok());
  for (const auto& [id, n] : tap.calls)
    CHECK(n == 1);
  CHECK(tap.calls.size() ==
        1 + m.main().nodes.size() + 1);  // the input, one per node, the split's second part
  for (size_t i = 0; i < 3; ++i)
    CHECK(floats((*e)->output(i)) == tap.seen[m.main().outputs[i]]);

  for (int threads : {1, 2}) {
    auto fast = GraphExecutor::create(m, {.threads = threads});
    REQUIRE_MESSAGE(fast.ok(), fast.status().message());
    for (int round = 0; round < 2; ++round) {  // a second run must not see what the first left
      REQUIRE((*fast)->run({&x, 1}).ok());
      for (size_t i = 0; i < 3; ++i) {
        const auto got = floats((*fast)->output(i)), want = tap.seen[m.main().outputs[i]];
        REQUIRE(got.size() == want.size());
        for (size_t k = 0; k < got.size(); ++k)
          CHECK(got[k] == doctest::Approx(want[k]).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("concatenation along the first axis and split cost no copy") {
  auto e = GraphExecutor::create(model_of(branches()), {});
  REQUIRE(e.ok());
  const ExecutionPlan& p = (*e)->plan();
  int elided = 0;
  for (const Step& s : p.steps) {
    const OpKind k = p.graph.nodes[static_cast<size_t>(s.node)].kind;
    if (k == OpKind::CONCATENATION || k == OpKind::SPLIT || k == OpKind::RESHAPE) {
      CHECK_MESSAGE(s.elided, label(p.graph, s.node));
      ++elided;
    }
  }
  CHECK(elided == 3);
  CHECK(p.arena_bytes <= p.arena_lower_bound * 11 / 10);
}

TEST_CASE("shapes that are computed from shapes are constants") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 3, 4});
  const ValueId s = b.op(OpKind::SHAPE, {x}, ShapeAttrs{}, DType::int32);
  const ValueId first = b.op(OpKind::SLICE, {s, b.ints({0}), b.ints({1})}, DType::int32);
  const ValueId rest = b.ints({12});
  const ValueId shape = b.op(OpKind::CONCATENATION, {first, rest}, ConcatAttrs{}, DType::int32);
  Graph g = b.build();
  // The builder can't know the shape of a RESHAPE by a computed tensor: say it here.
  g.values.push_back({.name = "y", .shape = Shape{2, 12}});
  const auto y = static_cast<ValueId>(g.values.size() - 1);
  g.nodes.push_back({.kind = OpKind::RESHAPE, .attrs = ReshapeAttrs{}, .inputs = {x, shape}, .outputs = {y}});
  g.outputs = {y};
  auto e = GraphExecutor::create(model_of(g), {.input_shapes = {Shape{5, 3, 4}}});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  CHECK((*e)->plan().steps.size() == 1);
  const auto in = noise(60);
  const ConstTensorView v = view(in, Shape{5, 3, 4});
  REQUIRE((*e)->run({&v, 1}).ok());
  CHECK((*e)->output(0).shape == Shape{5, 12});
  CHECK(floats((*e)->output(0)) == in);
}

TEST_CASE("shapes that depend on data are found when the data is there") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 6});
  const ValueId shape = b.input("shape", {2}, DType::int32);
  Graph g = b.build();
  g.values.push_back({.name = "y", .shape = Shape{2, 6}});
  const auto y = static_cast<ValueId>(g.values.size() - 1);
  g.nodes.push_back({.kind = OpKind::RESHAPE, .attrs = ReshapeAttrs{}, .inputs = {x, shape}, .outputs = {y}});
  g.values.push_back({.name = "z", .shape = Shape{2, 6}});
  const auto z = static_cast<ValueId>(g.values.size() - 1);
  g.nodes.push_back({.kind = OpKind::NEG, .attrs = NoAttrs{}, .inputs = {y}, .outputs = {z}});
  g.outputs = {z};
  auto e = GraphExecutor::create(model_of(g), {});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  const auto in = noise(12);
  for (const std::vector<int32_t>& s : {std::vector<int32_t>{3, 4}, {12, 1}, {2, -1}}) {
    const std::vector<ConstTensorView> v = {view(in, Shape{2, 6}), {s.data(), DType::int32, Shape{2}, {}}};
    REQUIRE((*e)->run(v).ok());
    CHECK((*e)->output(0).shape[0] == s[0]);
    CHECK(floats((*e)->output(0))[7] == -in[7]);
  }
  const std::vector<int32_t> wrong = {5, 5};
  const std::vector<ConstTensorView> v = {view(in, Shape{2, 6}), {wrong.data(), DType::int32, Shape{2}, {}}};
  CHECK(!(*e)->run(v).ok());
}

TEST_CASE("wrong inputs are refused by name") {
  auto e = GraphExecutor::create(model_of(branches()), {});
  REQUIRE(e.ok());
  const auto in = noise(256);
  CHECK((*e)->run({}).message() == "0 inputs given, the graph has 1");
  const ConstTensorView shape = view(in, Shape{1, 4, 16, 4});
  CHECK((*e)->run({&shape, 1}).message() == "input 'x' has shape 1x8x8x4, got 1x4x16x4");
  const ConstTensorView type = {in.data(), DType::int32, Shape{1, 8, 8, 4}, {}};
  CHECK((*e)->run({&type, 1}).message() == "input 'x' is float32, got int32");
}

TEST_CASE("WHILE keeps its state, IF takes its branch") {
  // while (i < 5) { i += 1; x += x; }
  GraphBuilder c, d, b;
  const ValueId ci = c.input("i", {}, DType::int32);
  c.input("x", {2});
  const ValueId five = c.raw("five", DType::int32, Shape{}, Constant::of(std::vector<int32_t>{5}));
  c.output(c.op(OpKind::LESS, {ci, five}, DType::boolean));
  const ValueId di = d.input("i", {}, DType::int32);
  const ValueId dx = d.input("x", {2});
  const ValueId one = d.raw("one", DType::int32, Shape{}, Constant::of(std::vector<int32_t>{1}));
  d.output(d.op(OpKind::ADD, {di, one}, DType::int32));
  d.output(d.op(OpKind::ADD, {dx, dx}));
  const ValueId i = b.input("i", {}, DType::int32);
  const ValueId x = b.input("x", {2});
  Graph g = b.build();
  std::vector<ValueId> out;
  for (DType t : {DType::int32, DType::float32}) {
    g.values.push_back({.name = "out", .dtype = t, .shape = t == DType::int32 ? Shape{} : Shape{2}});
    out.push_back(static_cast<ValueId>(g.values.size() - 1));
  }
  g.nodes.push_back({.kind = OpKind::WHILE, .attrs = WhileAttrs{1, 2}, .inputs = {i, x}, .outputs = out});
  g.outputs = out;
  ModelData m = model_of(g);
  m.graphs.push_back(c.build());
  m.graphs.push_back(d.build());
  auto e = GraphExecutor::create(m, {});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  const int32_t start = 2;
  const std::vector<float> xs = {1.0f, 3.0f};
  const std::vector<ConstTensorView> in = {{&start, DType::int32, Shape{}, {}}, view(xs, Shape{2})};
  for (int round = 0; round < 2; ++round) {
    const Status s = (*e)->run(in);
    REQUIRE_MESSAGE(s.ok(), s.message());
    CHECK(*(*e)->output(0).as<int32_t>() == 5);
    CHECK(floats((*e)->output(1)) == std::vector<float>{8.0f, 24.0f});
  }
}

TEST_CASE("a graph that calls itself ends with an error") {
  GraphBuilder b;
  const ValueId p = b.input("p", {}, DType::boolean);
  Graph g = b.build();
  g.values.push_back({.name = "y", .dtype = DType::boolean, .shape = Shape{}});
  const auto y = static_cast<ValueId>(g.values.size() - 1);
  g.nodes.push_back({.kind = OpKind::IF, .attrs = IfAttrs{0, 0}, .inputs = {p, p}, .outputs = {y}});
  g.outputs = {y};
  auto e = GraphExecutor::create(model_of(g), {});
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  const uint8_t yes = 1;
  const ConstTensorView in = {&yes, DType::boolean, Shape{}, {}};
  const Status s = (*e)->run({&in, 1});
  CHECK(s.message().find("nested deeper") != std::string::npos);
}

TEST_CASE("an operator that is not known is named") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2});
  Graph g = b.build();
  g.values.push_back({.name = "y", .shape = Shape{2}});
  g.nodes.push_back(
      {.kind = OpKind::UNKNOWN, .attrs = UnknownAttrs{31, "CALL"}, .inputs = {x}, .outputs = {1}});
  g.outputs = {1};
  const auto e = GraphExecutor::create(model_of(g), {});
  REQUIRE(!e.ok());
  CHECK(e.status().message() == "UNKNOWN 'y': operator CALL (builtin 31) is not supported");
}

TEST_CASE("a tap sees the inside of an operator once per run, and values still once") {
  GraphBuilder b;
  const test::Recurrent r{.steps = 7, .k = 3, .projection = true};
  const ValueId x = b.input("x", r.input());
  const ValueId h = test::lstm(b, x, r);
  b.output(b.op(OpKind::NEG, {h}), "y");
  const ModelData m = model_of(b.build());
  struct Count : Tap {
    std::map<ValueId, int> values;
    std::map<std::pair<ValueId, size_t>, std::vector<float>> inner;
    void on_value(ValueId id, const ConstTensorView&) override { ++values[id]; }
    void on_inner(ValueId output, size_t which, std::span<const float> seen) override {
      const auto [at, fresh] = inner.emplace(std::pair(output, which), std::vector(seen.begin(), seen.end()));
      CHECK(fresh);
    }
  } tap;
  const auto in = noise(static_cast<size_t>(r.input().elements()));
  const ConstTensorView view_x = view(in, r.input());
  for (Backend backend : {Backend::reference, Backend::xnnpack}) {
    auto e = GraphExecutor::create(m, {.backend = backend, .keep_values = true});
    REQUIRE_MESSAGE(e.ok(), e.status().message());
    tap.values.clear();
    tap.inner.clear();
    REQUIRE((*e)->run({&view_x, 1}, &tap).ok());
    CHECK(tap.values.size() == 3);
    for (const auto& [id, n] : tap.values)
      CHECK(n == 1);
    // The hidden vector before its projection, and the cell; gates only with a layer norm.
    REQUIRE(tap.inner.size() == 2);
    CHECK(tap.inner.contains({h, 4}));
    CHECK(tap.inner.contains({h, 5}));
    for (const auto& [key, seen] : tap.inner)
      CHECK(seen.size() == 7 * 8);
    CHECK((*e)->run({&view_x, 1}).ok());  // and nobody needs to look
  }
}

}  // namespace octet
