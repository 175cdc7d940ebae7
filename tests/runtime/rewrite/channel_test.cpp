// Constants per channel as depthwise convolutions: when, and what the graph is then.
#include <algorithm>
#include <doctest/doctest.h>

#include "tests/runtime/rewrite/rule_case.hpp"

namespace octet::test {
namespace {

using enum OpKind;

std::vector<RuleCase> channel_cases() {
  std::vector<RuleCase> c;
  auto add = [&](std::string name, std::string rule, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected = {}, std::function<void(const Graph&)> check = {}) {
    c.push_back({std::move(name), std::move(rule), fires, std::move(build), std::move(expected),
                 std::move(check), round_once});
  };
  auto norm = [](GraphBuilder& b, const Shape& x, const Shape& constant,
                 const Activation& act = Activation::Kind::none) {
    const ValueId v = b.op(MUL, {b.input("x", x), b.random(constant)});
    return b.op(ADD, {b.random(constant), v}, BinaryAttrs{.act = act});
  };
  add("batch norm of four axes", "batch norm", true,
      [norm](GraphBuilder& b) { b.output(norm(b, {2, 5, 4, 3}, {3})); }, {DEPTHWISE_CONV_2D});
  add(
      "batch norm with its activation", "batch norm", true,
      [norm](GraphBuilder& b) { b.output(norm(b, {1, 5, 4, 3}, {1, 1, 1, 3}, Activation::Kind::relu6)); },
      {DEPTHWISE_CONV_2D},
      [](const Graph& g) { CHECK(activation_of(g.nodes[0].attrs)->kind == Activation::Kind::relu6); });
  add("batch norm of rows", "batch norm", true, [norm](GraphBuilder& b) { b.output(norm(b, {6, 7}, {7})); },
      {RESHAPE, DEPTHWISE_CONV_2D, RESHAPE});
  add("batch norm along another axis", "batch norm", true,
      [norm](GraphBuilder& b) { b.output(norm(b, {2, 3, 2, 4, 5}, {1, 3, 1, 1, 1})); },
      {TRANSPOSE, RESHAPE, DEPTHWISE_CONV_2D, RESHAPE, TRANSPOSE});
  add("batch norm along the second of four axes", "batch norm", true,
      [norm](GraphBuilder& b) { b.output(norm(b, {2, 3, 4, 5}, {3, 1, 1})); },
      {TRANSPOSE, DEPTHWISE_CONV_2D, TRANSPOSE});
  add("division, then subtraction", "batch norm", true,
      [](GraphBuilder& b) {
        const ValueId v = b.op(DIV, {b.input("x", {1, 4, 4, 3}), b.constant({3}, {2, -4, 0.5f})});
        b.output(b.op(SUB, {b.random({3}), v}));
      },
      {DEPTHWISE_CONV_2D});
  add("one number, then one per channel", "batch norm", true,
      [](GraphBuilder& b) {
        const ValueId v = b.op(MUL, {b.input("x", {1, 4, 4, 3}), b.scalar(3)});
        b.output(b.op(ADD, {v, b.random({3})}));
      },
      {DEPTHWISE_CONV_2D});
  add("the scale has another reader", "batch norm", false, [](GraphBuilder& b) {
    const ValueId v = b.op(MUL, {b.input("x", {1, 4, 4, 3}), b.scalar(3)});
    b.output(b.op(ADD, {v, b.scalar(1)}));
    b.output(v);
  });
  add("scale and shift along different axes", "batch norm", false,
      [](GraphBuilder& b) {
        const ValueId v = b.op(MUL, {b.input("x", {1, 4, 4, 3}), b.random({4, 1})});
        b.output(b.op(ADD, {v, b.random({3})}));
      },
      {TRANSPOSE, DEPTHWISE_CONV_2D, TRANSPOSE, DEPTHWISE_CONV_2D});
  add("a scale per channel alone", "per-channel constant", true,
      [](GraphBuilder& b) { b.output(b.op(MUL, {b.input("x", {1, 4, 4, 3}), b.random({3})})); },
      {DEPTHWISE_CONV_2D});
  add("a shift per channel alone", "per-channel constant", true,
      [](GraphBuilder& b) { b.output(b.op(SUB, {b.input("x", {1, 4, 4, 3}), b.random({3})})); },
      {DEPTHWISE_CONV_2D});
  add("one number for all", "per-channel constant", false,
      [](GraphBuilder& b) { b.output(b.op(MUL, {b.input("x", {1, 4, 4, 3}), b.scalar(0.3f)})); });
  add("a constant that varies along two axes", "per-channel constant", false,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.input("x", {1, 4, 4, 3}), b.random({4, 3})})); });
  add("a constant that is larger than x", "per-channel constant", false,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.input("x", {1, 1, 4, 1}), b.random({3})})); });
  const auto average = [](GraphBuilder& b, Padding padding, const Shape& factor) {
    Pool2DAttrs pool;
    pool.filter_h = 2, pool.filter_w = 3;
    pool.stride_h = 2;
    pool.padding = padding;
    return b.op(MUL, {b.op(AVERAGE_POOL_2D, {b.input("x", {2, 6, 5, 3})}, pool), b.random(factor)},
                BinaryAttrs{.act = Activation::Kind::relu});
  };
  add("a power average", "average, then scale", true,
      [=](GraphBuilder& b) { b.output(average(b, Padding::Kind::valid, Shape{})); }, {DEPTHWISE_CONV_2D});
  add("an average, then a factor per channel", "average, then scale", true,
      [=](GraphBuilder& b) { b.output(average(b, Padding::Kind::valid, {3})); }, {DEPTHWISE_CONV_2D});
  add("an average that leaves padding out", "average, then scale", false,
      [=](GraphBuilder& b) { b.output(average(b, Padding::Kind::same, Shape{})); });
  add("an average with two readers", "average, then scale", false, [](GraphBuilder& b) {
    Pool2DAttrs pool;
    pool.filter_h = pool.filter_w = 2;
    pool.padding = Padding::Kind::valid;
    const ValueId v = b.op(AVERAGE_POOL_2D, {b.input("x", {1, 4, 4, 3})}, pool);
    b.output(b.op(MUL, {v, b.scalar(3)}));
    b.output(v);
  });
  const auto quotient = [](GraphBuilder& b, Activation act) {
    // Away from where float rounding decides.
    const ValueId x = b.op(ADD, {b.input("x", {2, 7}), b.scalar(0.123f)});
    const ValueId y = b.op(ADD, {b.op(EXP, {b.input("y", {2, 7})}), b.scalar(0.5f)});
    return b.op(FLOOR, {b.op(DIV, {x, y}, BinaryAttrs{.act = act})});
  };
  add("a quotient rounded down", "floor of a quotient", true,
      [=](GraphBuilder& b) { b.output(quotient(b, {})); }, {ADD, EXP, ADD, FLOOR_DIV});
  add("a clamped quotient rounded down", "floor of a quotient", false,
      [=](GraphBuilder& b) { b.output(quotient(b, Activation::Kind::relu)); });
  const auto cells = [](GraphBuilder& b, bool copies) {
    const ValueId w = b.random({4, 3}), r = b.random({4, 4});
    const ValueId again = copies ? b.raw("again", DType::float32, {4, 4}, b.graph().value(r).constant) : r;
    auto product = [&](ValueId x, ValueId weights) {
      return b.op(FULLY_CONNECTED, {x, weights, kNoValue}, FullyConnectedAttrs{});
    };
    ValueId h = b.input("h", {2, 4});
    h = b.op(TANH, {b.op(ADD, {product(b.input("x0", {2, 3}), w), product(h, r)})});
    return b.op(TANH, {b.op(ADD, {product(b.input("x1", {2, 3}), b.random({4, 3})), product(h, again)})});
  };
  for (bool copies : {false, true})
    add(
        copies ? "cells with copies of the weights" : "cells with the same weights", "recurrent cell", true,
        [=](GraphBuilder& b) { b.output(cells(b, copies)); }, {},
        [](const Graph& g) { CHECK(std::ranges::all_of(g.nodes, [](const Node& n) { return n.wide; })); });
  add("a sum of two products with weights of their own", "recurrent cell", false, [](GraphBuilder& b) {
    const ValueId x =
        b.op(FULLY_CONNECTED, {b.input("x", {2, 3}), b.random({4, 3}), kNoValue}, FullyConnectedAttrs{});
    const ValueId y =
        b.op(FULLY_CONNECTED, {b.input("y", {2, 3}), b.random({4, 3}), kNoValue}, FullyConnectedAttrs{});
    b.output(b.op(ADD, {x, y}));
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
      {},
      [](const Graph& g) {
        for (const Node& n : g.nodes)
          CHECK(n.wide == (n.kind != TANH && &n != &g.nodes[g.nodes.size() - 2]));
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
      [=](GraphBuilder& b) { skip(b, true); }, {},
      [](const Graph& g) {
        for (const Node& n : g.nodes)
          CHECK(n.wide == (n.kind == RESIZE_BILINEAR || n.kind == ADD || n.kind == RELU));
      });
  add("a correction in the middle", "global skip", false, [=](GraphBuilder& b) { skip(b, false); });
  add(
      "a network that finds the noise", "global skip", true,
      [](GraphBuilder& b) {
        const ValueId x = b.input("x", {1, 4, 4, 3});
        b.output(b.op(SUB, {x, b.op(TANH, {x})}));
      },
      {},
      [](const Graph& g) {
        CHECK(g.nodes[1].wide);
        CHECK(!g.nodes[0].wide);
      });
  add("a sum of two inputs", "global skip", false,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.input("x", {1, 4, 4, 3}), b.input("y", {1, 4, 4, 3})})); });
  add("an input and a constant", "global skip", false,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.input("x", {1, 4, 4, 3}), b.random({1, 4, 4, 3})})); });
  add("two values", "per-channel constant", false,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.input("x", {1, 4, 4, 3}), b.input("y", {1, 4, 4, 3})})); });
  return c;
}

}  // namespace

TEST_CASE("constants per channel become depthwise convolutions") {
  run_cases(channel_cases());
  check_coverage(channel_rules(), channel_cases());
}

}  // namespace octet::test
