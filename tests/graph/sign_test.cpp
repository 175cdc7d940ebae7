// Identities by a known sign.
#include <doctest/doctest.h>

#include "tests/graph/rule_case.hpp"

namespace octet::test {
namespace {

using enum OpKind;
using Kind = Activation::Kind;

std::vector<RuleCase> sign_cases() {
  std::vector<RuleCase> c;
  auto add = [&](std::string name, const char* rule, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected = {}) {
    c.push_back({std::move(name), rule, fires, std::move(build), std::move(expected)});
  };
  const auto x = [](GraphBuilder& b) { return b.input("x", {2, 6, 5, 3}); };
  add("RELU of a magnitude", "drop RELU, ABS", true,
      [=](GraphBuilder& b) { b.output(b.op(RELU, {b.op(ABS, {x(b)})})); }, {ABS});
  add("ABS of averages of squares", "drop RELU, ABS", true,
      [=](GraphBuilder& b) {
        Pool2DAttrs pool;
        pool.filter_h = pool.filter_w = 2;
        const ValueId p = b.op(AVERAGE_POOL_2D, {b.op(SQUARE, {x(b)})}, pool);
        b.output(b.op(NEG, {b.op(ABS, {p})}));
      },
      {SQUARE, AVERAGE_POOL_2D, NEG});
  add("RELU of interpolated probabilities", "drop RELU, ABS", true,
      [=](GraphBuilder& b) {
        const ValueId p = b.op(SOFTMAX, {x(b)}, SoftmaxAttrs{});
        b.output(b.op(RELU, {b.op(RESIZE_BILINEAR, {p, b.ints({9, 7})}, ResizeAttrs{})}));
      },
      {SOFTMAX, RESIZE_BILINEAR});
  add("RELU of a magnitude with its sign changed", "drop RELU, ABS", false,
      [=](GraphBuilder& b) { b.output(b.op(RELU, {b.op(NEG, {b.op(ABS, {x(b)})})})); });
  add("RELU of an even power", "drop RELU, ABS", true,
      [=](GraphBuilder& b) { b.output(b.op(RELU, {b.op(POW, {x(b), b.scalar(4)})})); }, {POW});
  add("RELU of an odd power", "drop RELU, ABS", false,
      [=](GraphBuilder& b) { b.output(b.op(RELU, {b.op(POW, {x(b), b.scalar(3)})})); });
  add("ABS of a sum with something", "drop RELU, ABS", false, [=](GraphBuilder& b) {
    const ValueId v = x(b);
    b.output(b.op(ABS, {b.op(ADD, {b.op(SQUARE, {v}), v})}));
  });
  add("sign times magnitude", "sign times magnitude", true,
      [=](GraphBuilder& b) {
        const ValueId v = b.op(TANH, {x(b)});
        b.output(b.op(EXP, {b.op(MUL, {b.op(SIGN, {v}), b.op(ABS, {v})})}));
      },
      {TANH, EXP});
  add("sign times what has none", "sign times magnitude", true,
      [=](GraphBuilder& b) {
        const ValueId v = b.op(SQUARE, {x(b)});
        b.output(b.op(EXP, {b.op(MUL, {v, b.op(SIGN, {v})})}));
      },
      {SQUARE, EXP});
  add("sign times the value", "sign times magnitude", false, [=](GraphBuilder& b) {
    const ValueId v = x(b);
    b.output(b.op(EXP, {b.op(MUL, {b.op(SIGN, {v}), v})}));
  });
  add("sign times another magnitude", "sign times magnitude", false, [=](GraphBuilder& b) {
    const ValueId v = x(b);
    b.output(b.op(EXP, {b.op(MUL, {b.op(SIGN, {b.op(TANH, {v})}), b.op(ABS, {v})})}));
  });
  add("sign times a magnitude that is broadcast", "sign times magnitude", false, [](GraphBuilder& b) {
    const ValueId v = b.op(SQUARE, {b.input("x", {1, 3})});
    b.output(b.op(ADD, {b.op(MUL, {b.op(SIGN, {v}), b.op(ABS, {b.input("y", {4, 3})})}), b.scalar(1)}));
  });
  return c;
}

}  // namespace

TEST_CASE("what a known sign makes needless goes away") {
  run_cases(sign_cases());
  check_coverage(sign_rules(), sign_cases());
}

}  // namespace octet::test
