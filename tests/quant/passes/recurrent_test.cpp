// Recurrent operators in terms of others: which, and that their results stay the same from run to run.
#include "tests/support/recurrent.hpp"

#include <doctest/doctest.h>

#include "quant/passes/unroll.hpp"
#include "runtime/executor.hpp"
#include "schema/flatbuffer/format.hpp"
#include "schema/ir/validate.hpp"
#include "tests/graph/rule_case.hpp"
#include "tests/support/interpreter.hpp"

namespace octet::test {
namespace {

using enum OpKind;
constexpr auto kRelu = Activation::Kind::relu;

ModelData model_of(Graph g) {
  ModelData m;
  m.graphs.push_back(std::move(g));
  return m;
}

// Three runs in a row, each on other inputs, without a reset between.
std::vector<float> run_on(const ModelData& m) {
  auto e = GraphExecutor::create(m);
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  std::vector<float> results;
  for (uint32_t run = 0; run < 3; ++run) {
    const auto inputs = random_inputs(m.main(), 7 + run);
    std::vector<ConstTensorView> views;
    for (size_t i = 0; i < inputs.size(); ++i)
      views.push_back({inputs[i].data(), DType::float32, m.main().value(m.main().inputs[i]).shape, {}});
    const Status s = (*e)->run(views);
    REQUIRE_MESSAGE(s.ok(), s.message());
    for (size_t i = 0; i < (*e)->output_count(); ++i) {
      const ConstTensorView y = (*e)->output(i);
      results.insert(results.end(), y.as<float>(), y.as<float>() + y.elements());
    }
  }
  return results;
}

std::vector<RuleCase> cases() {
  std::vector<RuleCase> c;
  auto add = [&](const char* rule, std::string name, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected = {}) {
    c.push_back({std::move(name), rule, fires, std::move(build), std::move(expected)});
  };
  auto outputs = [](GraphBuilder& b, const std::vector<ValueId>& ids) {
    for (ValueId v : ids)
      b.output(v);
  };
  const Recurrent r{.batch = 2, .steps = 4}, t{.batch = 2, .steps = 4, .time_major = true};
  const char* split = "split directions";
  const Kinds both = {UNIDIRECTIONAL_SEQUENCE_LSTM, REVERSE_V2, UNIDIRECTIONAL_SEQUENCE_LSTM, REVERSE_V2};
  Kinds merged = both;
  merged.push_back(CONCATENATION);
  for (const Recurrent& s : {r, t}) {
    const std::string how = s.time_major ? ", time major" : ", batch major";
    add(
        split, "side by side" + how, true,
        [=](GraphBuilder& b) { outputs(b, bidirectional_lstm(b, b.input("x", s.input()), s, true)); },
        merged);
    add(
        split, "apart" + how, true,
        [=](GraphBuilder& b) { outputs(b, bidirectional_lstm(b, b.input("x", s.input()), s, false)); }, both);
  }
  add(
      split, "two inputs in parallel", true,
      [=](GraphBuilder& b) {
        const ValueId x = b.input("x", r.input());
        outputs(b, bidirectional_lstm(b, x, r, true, b.input("z", r.input())));
      },
      merged);
  add(
      split, "everything an LSTM can have", true,
      [=](GraphBuilder& b) {
        const Recurrent all{
            .steps = 3, .k = 4, .input_gate = false, .peephole = true, .projection = true, .cell_clip = 0.5f};
        outputs(b, bidirectional_lstm(b, b.input("x", all.input()), all, true));
      },
      merged);
  add(
      split, "two layers", true,
      [=](GraphBuilder& b) {
        const ValueId first = bidirectional_lstm(b, b.input("x", r.input()), r, true)[0];
        Recurrent second = r;
        second.n = 16;
        outputs(b, bidirectional_lstm(b, first, second, true));
      },
      [&] {
        Kinds twice = merged;
        twice.insert(twice.end(), merged.begin(), merged.end());
        return twice;
      }());
  add(split, "another activation", false, [=](GraphBuilder& b) {
    Recurrent relu = r;
    relu.act = kRelu;
    outputs(b, bidirectional_lstm(b, b.input("x", relu.input()), relu, true));
  });
  add(split, "an auxiliary input", false, [=](GraphBuilder& b) {
    outputs(b, bidirectional_lstm(b, b.input("x", r.input()), r, true, b.input("z", r.input())));
    Node& n = b.graph().nodes.back();
    for (size_t i = 40; i < 48; ++i)
      n.inputs[i] = b.random({r.m, r.n}, -0.3f, 0.3f);
  });

  const char* unrolled = "unroll RNN";
  const Kinds two_steps = {CALL_ONCE,
                           FULLY_CONNECTED,
                           UNPACK,
                           VAR_HANDLE,
                           READ_VARIABLE,
                           FULLY_CONNECTED,
                           ADD,
                           TANH,
                           FULLY_CONNECTED,
                           ADD,
                           TANH,
                           ASSIGN_VARIABLE,
                           PACK};
  for (const bool time_major : {false, true}) {
    Recurrent s{.batch = 2, .steps = 2, .time_major = time_major};
    add(
        unrolled, time_major ? "time major" : "batch major", true,
        [=](GraphBuilder& b) { b.output(rnn(b, b.input("x", s.input()), s)); }, two_steps);
  }
  add(unrolled, "a cell with RELU", true,
      [](GraphBuilder& b) {
        const Recurrent relu{.batch = 2, .act = kRelu};
        b.output(rnn(b, b.input("x", {2, 6}), relu));
      },
      {CALL_ONCE, FULLY_CONNECTED, VAR_HANDLE, READ_VARIABLE, FULLY_CONNECTED, ADD, ASSIGN_VARIABLE});
  const Kinds direction = {FULLY_CONNECTED, UNPACK, VAR_HANDLE, READ_VARIABLE, FULLY_CONNECTED, ADD, TANH,
                           ASSIGN_VARIABLE, PACK};
  auto joined = [](std::vector<Kinds> parts) {
    Kinds all;
    for (const Kinds& k : parts)
      all.insert(all.end(), k.begin(), k.end());
    return all;
  };
  Recurrent one{.batch = 2, .steps = 1};
  add(
      unrolled, "both directions, side by side", true,
      [=](GraphBuilder& b) { outputs(b, bidirectional_rnn(b, b.input("x", one.input()), one, true)); },
      joined({{CALL_ONCE}, direction, direction, {CONCATENATION}}));
  Recurrent three = one;
  three.steps = 3;
  three.time_major = true;
  const Kinds step = {FULLY_CONNECTED, ADD, TANH};
  const Kinds long_direction = joined(
      {{FULLY_CONNECTED, UNPACK, VAR_HANDLE, READ_VARIABLE}, step, step, step, {ASSIGN_VARIABLE, PACK}});
  add(
      unrolled, "both directions, apart, two inputs", true,
      [=](GraphBuilder& b) {
        const ValueId x = b.input("x", three.input());
        outputs(b, bidirectional_rnn(b, x, three, false, b.input("z", three.input())));
      },
      joined({{CALL_ONCE}, long_direction, long_direction}));
  Kinds linked = long_direction;
  linked.insert(linked.begin() + 1, {FULLY_CONNECTED, ADD});
  add(
      unrolled, "both directions with an auxiliary input", true,
      [=](GraphBuilder& b) {
        const ValueId x = b.input("x", three.input());
        outputs(b, bidirectional_rnn(b, x, three, true, b.input("z", {3, 2, 5}), true));
      },
      joined({{CALL_ONCE}, linked, linked, {CONCATENATION}}));
  add(
      unrolled, "one behind the other", true,
      [=](GraphBuilder& b) {
        const ValueId h = rnn(b, b.input("x", {2, 6}), {.batch = 2});
        b.output(rnn(b, h, {.batch = 2, .n = 8}));
      },
      [&] {
        const Kinds cell = {FULLY_CONNECTED, VAR_HANDLE, READ_VARIABLE, FULLY_CONNECTED, ADD, TANH,
                            ASSIGN_VARIABLE};
        return joined({{CALL_ONCE}, cell, cell});
      }());
  add(unrolled, "too many steps", false, [](GraphBuilder& b) {
    const Recurrent s{.steps = kMaxSteps + 1};
    b.output(rnn(b, b.input("x", s.input()), s));
  });
  add(unrolled, "weights that are computed", false, [](GraphBuilder& b) {
    b.output(rnn(b, b.input("x", {2, 6}), {.batch = 2}));
    Graph& g = b.graph();
    g.nodes[0].inputs[2] = b.op(NEG, {b.input("r", {8, 8})});
    std::swap(g.nodes[0], g.nodes[1]);
  });
  return c;
}

}  // namespace

TEST_CASE("recurrent operators become others, or stay") {
  for (const RuleCase& c : cases()) {
    SUBCASE(c.name.c_str()) {
      GraphBuilder b(11);
      c.build(b);
      const ModelData before = model_of(b.build());
      ModelData after = before;
      NodeMarks int16_activations;
      const auto report = unroll(after, {}, int16_activations);
      REQUIRE_MESSAGE(report.ok(), report.status().message());
      CHECK((report->count(c.rule) > 0) == c.fires);
      std::string want;
      for (OpKind k : c.expected)
        want += (want.empty() ? "" : " ") + std::string(name_of(k));
      CHECK(kinds_of(after.main()) == (c.fires ? want : kinds_of(before.main())));
      const Status valid = validate(after);
      CHECK_MESSAGE(valid.ok(), valid.message());
      CHECK(serialize(after).ok());
      const auto x = run_on(before), y = run_on(after);
      REQUIRE(x.size() == y.size());
      for (size_t i = 0; i < x.size(); ++i)
        CHECK(y[i] == doctest::Approx(x[i]).epsilon(1e-5));
      const auto& nodes = after.main().nodes;
      REQUIRE(int16_activations.size() == nodes.size());
      for (size_t i = 0; i < nodes.size(); ++i) {
        if (!c.fires || nodes[i].kind == CALL_ONCE) continue;
        CHECK(!nodes[i].origins.empty());
        CHECK((int16_activations[i] != 0) == (c.rule == "unroll RNN"));
      }
    }
  }
}

TEST_CASE("every rule for recurrent operators fires somewhere and declines somewhere") {
  check_coverage(recurrent_rules(), cases());
}

TEST_CASE("an operator that is wanted as it is stays") {
  GraphBuilder b;
  b.output(rnn(b, b.input("x", {2, 6}), {.batch = 2}));
  ModelData m = model_of(b.build());
  NodeMarks int16_activations;
  const auto report = unroll(
      m, [](const Graph& g, NodeId n) { return g.nodes[static_cast<size_t>(n)].kind == RNN; },
      int16_activations);
  REQUIRE(report.ok());
  CHECK(report->entries.empty());
  CHECK(m.graphs.size() == 1);
}

TEST_CASE("operators of one name have variables of their own") {
  GraphBuilder b;
  const ValueId first = rnn(b, b.input("x", {2, 6}), {.batch = 2});
  const ValueId second = rnn(b, b.input("y", {2, 6}), {.batch = 2});
  b.output(first);
  b.output(second);
  b.graph().value(first).name = b.graph().value(second).name = "h";
  const ModelData before = model_of(b.build());
  ModelData after = before;
  NodeMarks int16_activations;
  REQUIRE(unroll(after, {}, int16_activations).ok());
  const auto x = run_on(before), y = run_on(after);
  REQUIRE(x.size() == y.size());
  for (size_t i = 0; i < x.size(); ++i)
    CHECK(y[i] == doctest::Approx(x[i]).epsilon(1e-5));
}

TEST_CASE("a reset sets the state of an unrolled operator to zeros again") {
  GraphBuilder b;
  b.output(rnn(b, b.input("x", {2, 6}), {.batch = 2}));
  ModelData m = model_of(b.build());
  NodeMarks int16_activations;
  REQUIRE(unroll(m, {}, int16_activations).ok());
  auto e = GraphExecutor::create(m);
  REQUIRE(e.ok());
  const auto inputs = random_inputs(m.main(), 3);
  const ConstTensorView x{inputs[0].data(), DType::float32, {2, 6}, {}};
  auto result = [&] {
    REQUIRE((*e)->run({&x, 1}).ok());
    const ConstTensorView y = (*e)->output(0);
    return std::vector<float>(y.as<float>(), y.as<float>() + y.elements());
  };
  const auto first = result(), second = result();
  CHECK(first != second);
  (*e)->reset_state();
  CHECK(result() == first);
}

}  // namespace octet::test
