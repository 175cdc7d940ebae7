// Constants per channel as depthwise convolutions: when, and what the graph is then.
#include <doctest/doctest.h>

#include "quant/passes/round_once.hpp"
#include "tests/graph/rule_case.hpp"

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
