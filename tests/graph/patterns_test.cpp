// Decompositions that are one builtin.
#include "graph/patterns.hpp"

#include <doctest/doctest.h>

#include "graph/formula.hpp"
#include "tests/graph/rule_case.hpp"

namespace octet::test {
namespace {

using enum OpKind;
using Kind = Activation::Kind;

const ReduceAttrs kKeep{.keep_dims = true};

ValueId image_patterns(GraphBuilder& b) {
  return b.input("x", {2, 4, 5, 3});
}
ValueId times(GraphBuilder& b, ValueId x, float by) {
  return b.op(MUL, {x, b.scalar(by)});
}
ValueId plus(GraphBuilder& b, ValueId x, float by) {
  return b.op(ADD, {x, b.scalar(by)});
}
ValueId sum(GraphBuilder& b, ValueId x, int32_t axis = -1) {
  return b.op(SUM, {x, b.ints({axis})}, kKeep);
}

std::vector<RuleCase> builtin_cases() {
  std::vector<RuleCase> c;
  auto add = [&](std::string name, const char* rule, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected = {}) {
    c.push_back({std::move(name), rule, fires, std::move(build), std::move(expected)});
  };
  add("x * (relu6(x + 3) / 6)", "hard swish", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId gate = b.op(DIV, {b.op(RELU6, {plus(b, x, 3)}), b.scalar(6)});
        b.output(b.op(MUL, {x, gate}));
      },
      {HARD_SWISH});
  add("(relu6(3 + x) * x) / 6, fused", "hard swish", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId gate = b.op(ADD, {b.scalar(3), x}, BinaryAttrs{.act = Kind::relu6});
        b.output(b.op(DIV, {b.op(MUL, {gate, x}), b.scalar(6)}));
      },
      {HARD_SWISH});
  add("x * clamp(x + 3) / 6", "hard swish", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId gate = b.op(MINIMUM, {b.op(MAXIMUM, {plus(b, x, 3), b.scalar(0)}), b.scalar(6)});
        b.output(b.op(MUL, {times(b, x, 1.0f / 6), gate}));
      },
      {HARD_SWISH});
  add("x * clamp(x / 6 + 0.5)", "hard swish", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        b.output(b.op(MUL, {x, b.op(RELU_0_TO_1, {plus(b, times(b, x, 1.0f / 6), 0.5f)})}));
      },
      {HARD_SWISH});
  add("x * relu6(x + 2) / 6", "hard swish", false, [](GraphBuilder& b) {
    const ValueId x = image_patterns(b);
    b.output(
        b.op(MUL, {x, times(b, b.op(ADD, {x, b.scalar(2)}, BinaryAttrs{.act = Kind::relu6}), 1.0f / 6)}));
  });
  add("y * relu6(x + 3) / 6", "hard swish", false, [](GraphBuilder& b) {
    const ValueId x = image_patterns(b), y = b.input("y", {2, 4, 5, 3});
    b.output(
        b.op(MUL, {y, times(b, b.op(ADD, {x, b.scalar(3)}, BinaryAttrs{.act = Kind::relu6}), 1.0f / 6)}));
  });
  add("hard swish whose gate is an output", "hard swish", false, [](GraphBuilder& b) {
    const ValueId x = image_patterns(b);
    const ValueId gate =
        b.output(times(b, b.op(ADD, {x, b.scalar(3)}, BinaryAttrs{.act = Kind::relu6}), 1.0f / 6));
    b.output(b.op(MUL, {x, gate}));
  });
  auto gelu = [](GraphBuilder& b, float factor) {
    const ValueId x = image_patterns(b);
    const ValueId cube = b.op(POW, {x, b.scalar(3)});
    const ValueId inner = times(b, b.op(ADD, {x, times(b, cube, factor)}), 0.7978845608f);
    b.output(b.op(MUL, {times(b, x, 0.5f), plus(b, b.op(TANH, {inner}), 1)}));
  };
  add("GELU by tanh", "gelu (tanh)", true, [gelu](GraphBuilder& b) { gelu(b, 0.044715f); }, {GELU});
  add("GELU by tanh, factored", "gelu (tanh)", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId poly = plus(b, times(b, b.op(SQUARE, {x}), 0.044715f), 1);
        const ValueId t = b.op(TANH, {times(b, b.op(MUL, {poly, x}), 0.7978845608f)});
        b.output(times(b, b.op(MUL, {plus(b, t, 1), x}), 0.5f));
      },
      {GELU});
  add("GELU with another factor", "gelu (tanh)", false, [gelu](GraphBuilder& b) { gelu(b, 0.05f); });
  auto softmax = [](GraphBuilder& b, int32_t axis) {
    const ValueId x = image_patterns(b);
    const ValueId peak = b.op(REDUCE_MAX, {x, b.ints({axis})}, kKeep);
    const ValueId e = b.op(EXP, {b.op(SUB, {x, peak})});
    b.output(b.op(DIV, {e, sum(b, e, axis)}));
  };
  add("softmax", "softmax", true, [softmax](GraphBuilder& b) { softmax(b, -1); }, {SOFTMAX});
  add("softmax without the maximum", "softmax", true,
      [](GraphBuilder& b) {
        const ValueId e = b.op(EXP, {image_patterns(b)});
        b.output(b.op(DIV, {e, sum(b, e)}));
      },
      {SOFTMAX});
  add("softmax over another axis", "softmax", true, [softmax](GraphBuilder& b) { softmax(b, 1); },
      {TRANSPOSE, SOFTMAX, TRANSPOSE});
  add("softmax over two axes", "softmax", false, [](GraphBuilder& b) {
    const ValueId e = b.op(EXP, {image_patterns(b)});
    b.output(b.op(DIV, {e, b.op(SUM, {e, b.ints({1, 2})}, kKeep)}));
  });
  add("softmax whose exponents are an output", "softmax", false, [](GraphBuilder& b) {
    const ValueId e = b.output(b.op(EXP, {image_patterns(b)}));
    b.output(b.op(DIV, {e, sum(b, e)}));
  });
  auto l2 = [](GraphBuilder& b, float eps, int32_t axis) {
    const ValueId x = image_patterns(b);
    const ValueId norm = b.op(POW, {sum(b, b.op(POW, {x, b.scalar(2)}), axis), b.scalar(0.5f)});
    b.output(b.op(DIV, {x, b.op(MAXIMUM, {norm, b.scalar(eps)})}));
  };
  add("L2 norm", "l2 norm", true, [l2](GraphBuilder& b) { l2(b, 1e-12f, 3); }, {L2_NORMALIZATION});
  add("L2 norm by rsqrt", "l2 norm", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId s = b.op(MAXIMUM, {sum(b, b.op(MUL, {x, x})), b.scalar(1e-12f)});
        b.output(b.op(MUL, {b.op(RSQRT, {s}), x}));
      },
      {L2_NORMALIZATION});
  add("L2 norm in a channels-first graph", "l2 norm", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId squares = b.op(POW, {b.transpose(x, {0, 3, 1, 2}), b.scalar(2)});
        const ValueId norm = b.op(POW, {sum(b, squares, 1), b.scalar(0.5f)});
        b.output(b.op(DIV, {x, b.op(MAXIMUM, {b.transpose(norm, {0, 2, 3, 1}), b.scalar(1e-12f)})}));
      },
      {L2_NORMALIZATION});
  add("L2 norm with a large limit", "l2 norm", false, [l2](GraphBuilder& b) { l2(b, 0.1f, 3); });
  add("L2 norm over rows", "l2 norm", true, [l2](GraphBuilder& b) { l2(b, 1e-12f, 1); },
      {TRANSPOSE, L2_NORMALIZATION, TRANSPOSE});
  add("max(x, 0.1 x)", "leaky relu", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        b.output(b.op(MAXIMUM, {times(b, x, 0.1f), x}));
      },
      {LEAKY_RELU});
  add("max(x, 2 x)", "leaky relu", false, [](GraphBuilder& b) {
    const ValueId x = image_patterns(b);
    b.output(b.op(MAXIMUM, {times(b, x, 2), x}));
  });
  add("relu(x) - a relu(-x)", "prelu", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId negative = b.op(MUL, {b.op(RELU, {b.op(NEG, {x})}), b.random({1, 1, 3})});
        b.output(b.op(SUB, {b.op(RELU, {x}), negative}));
      },
      {PRELU});
  add("relu(x) + a min(x, 0)", "prelu", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        const ValueId negative = b.op(MUL, {b.random({1, 1, 1, 3}), b.op(MINIMUM, {x, b.scalar(0)})});
        b.output(b.op(ADD, {b.op(RELU, {x}), negative}));
      },
      {PRELU});
  add("relu(x) + -0.2 relu(-x)", "prelu", true,
      [](GraphBuilder& b) {
        const ValueId x = image_patterns(b);
        b.output(b.op(ADD, {b.op(RELU, {x}), times(b, b.op(RELU, {b.op(NEG, {x})}), -0.2f)}));
      },
      {LEAKY_RELU});
  add("a slope per sample", "prelu", false, [](GraphBuilder& b) {
    const ValueId x = image_patterns(b);
    const ValueId negative = b.op(MUL, {b.random({2, 1, 1, 3}), b.op(MINIMUM, {x, b.scalar(0)})});
    b.output(b.op(ADD, {b.op(RELU, {x}), negative}));
  });
  return c;
}

}  // namespace

TEST_CASE("formulas are well-formed") {
  for (std::string_view f : pattern_formulas()) {
    const auto term = parse_formula(f);
    CHECK_MESSAGE(term.ok(), term.status().message());
  }
  CHECK(!parse_formula("mul(x, ").ok());
  CHECK(!parse_formula("mul(x) y").ok());
  CHECK(!parse_formula("").ok());
}

TEST_CASE("decompositions become builtins") {
  run_cases(builtin_cases());
}

}  // namespace octet::test
