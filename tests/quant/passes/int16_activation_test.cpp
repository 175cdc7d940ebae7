// What 16-bit activations are wanted for: when, and which operators.
#include <algorithm>
#include <doctest/doctest.h>

#include "quant/passes/round_once.hpp"
#include "tests/graph/rule_case.hpp"

namespace octet::test {
namespace {

using enum OpKind;

ValueId product(GraphBuilder& b, ValueId x, ValueId weights) {
  return b.op(FULLY_CONNECTED, {x, weights, kNoValue}, FullyConnectedAttrs{});
}

// Two steps of h = tanh(W x + R h), two units wide.
struct Steps {
  bool own_inputs = false;   // each step has a W of its own
  bool own_states = false;   // each step has an R of its own
  bool copies = false;       // R is there twice
  bool from_zero = false;    // there is no R in the first step
  bool interrupted = false;  // a SOFTMAX between the steps
};
void steps(GraphBuilder& b, const Steps& s) {
  const ValueId w = b.random({2, 3}), r = b.random({2, 2});
  const ValueId copy = s.copies ? b.raw("copy", DType::float32, {2, 2}, b.graph().value(r).constant) : r;
  ValueId first = product(b, b.input("x0", {2, 3}), w);
  if (!s.from_zero) first = b.op(ADD, {first, product(b, b.input("h", {2, 2}), r)});
  ValueId h = b.op(TANH, {first});
  if (s.interrupted) h = b.op(SOFTMAX, {h}, SoftmaxAttrs{});
  const ValueId x = product(b, b.input("x1", {2, 3}), s.own_inputs ? b.random({2, 3}) : w);
  b.output(b.op(TANH, {b.op(ADD, {x, product(b, h, s.own_states ? b.random({2, 2}) : copy)})}));
}

// Two steps of a gated unit with gates split from one product: h = (1 - z) n + z h.
void gated_steps(GraphBuilder& b) {
  const ValueId w = b.random({6, 3}), r = b.random({6, 2}), axis = b.ints({1});
  const std::vector<DType> gates(3, DType::float32);
  ValueId h = b.input("h", {2, 2});
  for (const char* name : {"x0", "x1"}) {
    const auto x = b.multi(SPLIT, {axis, product(b, b.input(name, {2, 3}), w)}, SplitAttrs{3}, gates);
    const auto y = b.multi(SPLIT, {axis, product(b, h, r)}, SplitAttrs{3}, gates);
    const ValueId reset = b.op(LOGISTIC, {b.op(ADD, {x[0], y[0]})});
    const ValueId update = b.op(LOGISTIC, {b.op(ADD, {x[1], y[1]})});
    const ValueId fresh = b.op(TANH, {b.op(ADD, {x[2], b.op(MUL, {reset, y[2]})})});
    h = b.op(ADD, {b.op(MUL, {b.op(SUB, {b.scalar(1), update}), fresh}), b.op(MUL, {update, h})});
  }
  b.output(b.op(SOFTMAX, {h}, SoftmaxAttrs{}));
}

std::vector<RuleCase> int16_cases() {
  std::vector<RuleCase> c;
  auto add = [&](std::string name, std::string rule, bool fires, std::function<void(GraphBuilder&)> build,
                 std::function<void(const Graph&, const NodeMarks&)> check = {}) {
    c.push_back(
        {std::move(name), std::move(rule), fires, std::move(build), {}, {}, round_once, std::move(check)});
  };
  const auto whole = [](const Graph&, const NodeMarks& marks) {
    CHECK(std::ranges::all_of(marks, [](char m) { return m != 0; }));
  };
  for (const auto& [name, s] : {std::pair{"steps with the same weights", Steps{}},
                                {"steps with copies of the weights", {.copies = true}},
                                {"steps that share the weights of states", {.own_inputs = true}},
                                {"steps that begin with zero", {.from_zero = true}}})
    add(name, "recurrent cell", true, [s = s](GraphBuilder& b) { steps(b, s); }, whole);
  add("steps with weights of their own", "recurrent cell", false,
      [](GraphBuilder& b) { steps(b, {.own_inputs = true, .own_states = true}); });
  add("steps with something else between", "recurrent cell", false,
      [](GraphBuilder& b) { steps(b, {.interrupted = true}); });
  add("layers in a row with the same weights", "recurrent cell", false, [](GraphBuilder& b) {
    const ValueId w = b.random({3, 3});
    b.output(product(b, b.op(TANH, {product(b, b.input("x", {2, 3}), w)}), w));
  });
  add("gated steps", "recurrent cell", true, gated_steps, [](const Graph& g, const NodeMarks& marks) {
    for (size_t i = 0; i < marks.size(); ++i)
      CHECK((marks[i] != 0) == (g.nodes[i].kind != SOFTMAX));
  });
  // (x - mean) / sqrt(variance + epsilon) * gamma, then something that is no part of it.
  add(
      "a normalization", "statistics", true,
      [](GraphBuilder& b) {
        const ValueId x = b.input("x", {2, 5, 4}), axis = b.ints({2});
        const ValueId mean = b.op(MEAN, {x, axis}, ReduceAttrs{.keep_dims = true});
        const ValueId square = b.op(SQUARED_DIFFERENCE, {x, mean});
        const ValueId variance = b.op(MEAN, {square, axis}, ReduceAttrs{.keep_dims = true});
        const ValueId down = b.op(RSQRT, {b.op(ADD, {variance, b.scalar(1e-3f)})});
        const ValueId y = b.op(MUL, {b.op(SUB, {x, mean}), down});
        b.output(b.op(TANH, {b.op(MUL, {y, b.random({2, 5, 4})})}));
      },
      [](const Graph& g, const NodeMarks& marks) {
        for (size_t i = 0; i < marks.size(); ++i)
          CHECK((marks[i] != 0) == (g.nodes[i].kind != TANH && i != marks.size() - 2));
      });
  add("a mean of products", "statistics", false, [](GraphBuilder& b) {
    const ValueId p = b.op(MUL, {b.input("x", {2, 5, 4}), b.input("y", {2, 5, 4})});
    b.output(b.op(MEAN, {p, b.ints({2})}, ReduceAttrs{}));
  });
  // A network that corrects its own input, and what is like one but for a detail.
  const auto corrected = [](GraphBuilder& b, ValueId x, bool shrunk) {
    Conv2DAttrs conv;
    conv.padding = Padding(Padding::Kind::same);
    const ValueId y = b.op(CONV_2D, {x, b.random({12, 3, 3, 3}), b.random({12})}, conv);
    return shrunk ? y : b.op(DEPTH_TO_SPACE, {y}, BlockAttrs{2});
  };
  const auto skip = [=](GraphBuilder& b, bool output) {
    const ValueId x = b.input("x", {1, 4, 4, 3});
    const ValueId up = b.op(RESIZE_BILINEAR, {x, b.ints({8, 8})}, ResizeAttrs{.half_pixel_centers = true});
    const ValueId y = b.op(RELU, {b.op(ADD, {up, corrected(b, x, false)})});
    b.output(output ? y : b.op(TANH, {y}));
  };
  add(
      "a network that corrects its enlarged input", "global skip", true,
      [=](GraphBuilder& b) { skip(b, true); },
      [](const Graph& g, const NodeMarks& marks) {
        for (size_t i = 0; i < marks.size(); ++i) {
          const OpKind k = g.nodes[i].kind;
          CHECK((marks[i] != 0) == (k == RESIZE_BILINEAR || k == ADD || k == RELU));
        }
      });
  add("a correction in the middle", "global skip", false, [=](GraphBuilder& b) { skip(b, false); });
  add(
      "a network that finds the noise", "global skip", true,
      [](GraphBuilder& b) {
        const ValueId x = b.input("x", {1, 4, 4, 3});
        b.output(b.op(SUB, {x, b.op(TANH, {x})}));
      },
      [](const Graph&, const NodeMarks& marks) {
        CHECK(marks[1] != 0);
        CHECK(marks[0] == 0);
      });
  add("a sum of two inputs", "global skip", false,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.input("x", {1, 4, 4, 3}), b.input("y", {1, 4, 4, 3})})); });
  add("an input and a constant", "global skip", false,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.input("x", {1, 4, 4, 3}), b.random({1, 4, 4, 3})})); });
  return c;
}

}  // namespace

TEST_CASE("what needs 16-bit activations is marked") {
  run_cases(int16_cases());
  check_coverage(int16_activation_rules(), int16_cases());
}

}  // namespace octet::test
