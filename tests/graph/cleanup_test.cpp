// Clean-up, look-through and lowering: where each row fires and where it must not.
#include <doctest/doctest.h>

#include "tests/graph/rule_case.hpp"

namespace octet::test {
namespace {

using enum OpKind;
using Kind = Activation::Kind;

ValueId image(GraphBuilder& b) {
  return b.input("x", {1, 6, 5, 3});
}

std::vector<RuleCase> cleanup_cases() {
  std::vector<RuleCase> c;
  auto add = [&](std::string name, const char* rule, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected = {}) {
    c.push_back({std::move(name), rule, fires, std::move(build), std::move(expected)});
  };
  add("constant branch", "fold constant", true,
      [](GraphBuilder& b) { b.output(b.op(ADD, {b.op(EXP, {image(b)}), b.op(NEG, {b.random({3})})})); },
      {EXP, ADD});
  add("constant graph output", "fold constant", false, [](GraphBuilder& b) {
    b.output(b.op(NEG, {b.random({3})}));
    b.output(b.op(NEG, {image(b)}));
  });
  add("half precision weights", "fold constant", true,
      [](GraphBuilder& b) {
        const ValueId h =
            b.raw("half", DType::float16, {3}, Constant::of(std::vector<uint16_t>{0x3c00, 0x4000, 0xc200}));
        b.output(b.op(ADD, {image(b), b.op(DEQUANTIZE, {h})}));
      },
      {ADD});
  add("several constants at once", "fold constant", true,
      [](GraphBuilder& b) {
        const ValueId axis = b.raw("axis", DType::int32, Shape{}, Constant::of(std::vector<int32_t>{1}));
        const auto parts =
            b.multi(SPLIT, {axis, b.random({2, 6})}, SplitAttrs{2}, {DType::float32, DType::float32});
        const ValueId x = b.input("x", {2, 3});
        b.output(b.op(EXP, {b.op(ADD, {b.op(EXP, {b.op(MUL, {b.op(EXP, {x}), parts[0]})}), parts[1]})}));
      },
      {EXP, MUL, EXP, ADD, EXP});
  add("initial state that nobody writes", "idle variable", true,
      [](GraphBuilder& b) {
        b.output(b.op(
            ADD, {b.fully_connected(b.input("x", {2, 3}), 4), b.fully_connected(b.state("h0", {2, 5}), 4)}));
      },
      {FULLY_CONNECTED, ADD});
  add("state that an operator writes", "idle variable", false, [](GraphBuilder& b) {
    const ValueId x = b.input("x", {1, 3}), h = b.state("h", {1, 4});
    b.output(b.op(RNN, {x, b.random({4, 3}), b.random({4, 4}), b.random({4}), h}));
    b.output(b.op(NEG, {h}));
  });
  add("RESHAPE to the same shape", "drop RESHAPE", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.reshape(image(b), {-1, 6, 5, 3})})); }, {NEG});
  add("RESHAPE that flattens with another batch", "drop RESHAPE", false,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.reshape(b.input("x", {1, 10}), {1, -1})})); });
  add("RESHAPE of a graph input to a graph output", "drop RESHAPE", false,
      [](GraphBuilder& b) { b.output(b.reshape(image(b), {1, 6, 5, 3})); });
  add("RESHAPE that is a graph output", "drop RESHAPE", true,
      [](GraphBuilder& b) { b.output(b.reshape(b.op(EXP, {image(b)}), {1, 6, 5, 3}), "result"); }, {EXP});
  add("TRANSPOSE by nothing", "drop TRANSPOSE", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.transpose(image(b), {0, 1, 2, 3})})); }, {NEG});
  add("TRANSPOSE of equal extents", "drop TRANSPOSE", false,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.transpose(b.input("x", {3, 3}), {1, 0})})); });
  add("PAD by nothing", "drop PAD", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.pad(image(b), {0, 0, 0, 0, 0, 0, 0, 0})})); }, {NEG});
  add("PAD by one", "drop PAD", false,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.pad(image(b), {0, 0, 0, 1, 0, 0, 0, 0})})); });
  add("x * 1", "drop x * 1, x + 0", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.op(MUL, {image(b), b.scalar(1)})})); }, {NEG});
  add("x * 1 with RELU", "drop x * 1, x + 0", false, [](GraphBuilder& b) {
    b.output(b.op(NEG, {b.op(MUL, {image(b), b.scalar(1)}, BinaryAttrs{.act = Kind::relu})}));
  });
  add("0 + x", "drop 1 * x, 0 + x", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.op(ADD, {b.constant({3}, {0, 0, 0}), image(b)})})); },
      {NEG});
  add("0 - x", "drop 1 * x, 0 + x", false,
      [](GraphBuilder& b) { b.output(b.op(EXP, {b.op(SUB, {b.constant({3}, {0, 0, 0}), image(b)})})); });
  add("pool of 1x1", "drop pool of 1x1", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.op(MAX_POOL_2D, {image(b)})})); }, {NEG});
  add("pool of 1x1 with stride", "drop pool of 1x1", false, [](GraphBuilder& b) {
    Pool2DAttrs a;
    a.stride_h = 2;
    b.output(b.op(NEG, {b.op(MAX_POOL_2D, {image(b)}, a)}));
  });
  add("CONCATENATION of one", "drop CONCATENATION", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.op(CONCATENATION, {image(b)})})); }, {NEG});
  add("CONCATENATION of two", "drop CONCATENATION", false, [](GraphBuilder& b) {
    const ValueId x = image(b);
    b.output(b.op(NEG, {b.op(CONCATENATION, {x, x})}));
  });
  add("RESHAPE of RESHAPE", "chain of RESHAPE", true,
      [](GraphBuilder& b) { b.output(b.reshape(b.reshape(image(b), {6, 15}), {9, 10})); }, {RESHAPE});
  add("RESHAPE there and back", "chain of RESHAPE", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.reshape(b.reshape(image(b), {6, 15}), {1, 6, 5, 3})})); },
      {NEG});
  add("RESHAPE of TRANSPOSE", "chain of RESHAPE", false,
      [](GraphBuilder& b) { b.output(b.reshape(b.transpose(image(b), {0, 2, 1, 3}), {9, 10})); });
  add("TRANSPOSE of TRANSPOSE", "chain of TRANSPOSE", true,
      [](GraphBuilder& b) { b.output(b.transpose(b.transpose(image(b), {0, 3, 1, 2}), {0, 3, 2, 1})); },
      {TRANSPOSE});
  add("TRANSPOSE there and back", "chain of TRANSPOSE", true,
      [](GraphBuilder& b) {
        b.output(b.op(NEG, {b.transpose(b.transpose(image(b), {0, 3, 1, 2}), {0, 2, 3, 1})}));
      },
      {NEG});
  add("TRANSPOSE of a TRANSPOSE that others read", "chain of TRANSPOSE", true,
      [](GraphBuilder& b) {
        const ValueId t = b.transpose(image(b), {0, 3, 1, 2});
        b.output(b.op(NEG, {b.transpose(t, {0, 2, 3, 1})}));
        b.output(b.op(EXP, {t}));
      },
      {TRANSPOSE, NEG, EXP});
  add("TRANSPOSE of RESHAPE", "chain of TRANSPOSE", false,
      [](GraphBuilder& b) { b.output(b.transpose(b.reshape(image(b), {6, 15}), {1, 0})); });
  add("clamps that are RELU6", "merge clamps", true,
      [](GraphBuilder& b) { b.output(b.op(MINIMUM, {b.op(MAXIMUM, {b.scalar(0), image(b)}), b.scalar(6)})); },
      {RELU6});
  add("clamps that are RELU_0_TO_1", "merge clamps", true,
      [](GraphBuilder& b) { b.output(b.op(MINIMUM, {b.op(RELU, {image(b)}), b.scalar(1)})); }, {RELU_0_TO_1});
  add("clamps without a name", "merge clamps", false, [](GraphBuilder& b) {
    b.output(b.op(MINIMUM, {b.op(MAXIMUM, {image(b), b.scalar(0.1f)}), b.scalar(6)}));
  });
  const auto q = Quantization::per_tensor({0.1f, 3}), r = Quantization::per_tensor({0.1f, 4});
  add("DEQUANTIZE then QUANTIZE", "DEQUANTIZE, QUANTIZE", true,
      [q](GraphBuilder& b) {
        const ValueId x = b.input("x", {4}, DType::int8, q);
        const ValueId y = b.op(QUANTIZE, {b.op(DEQUANTIZE, {x})}, DType::int8, q);
        b.output(b.op(DEQUANTIZE, {y}));
      },
      {DEQUANTIZE});
  add("DEQUANTIZE then QUANTIZE to another zero point", "DEQUANTIZE, QUANTIZE", false,
      [q, r](GraphBuilder& b) {
        const ValueId x = b.input("x", {4}, DType::int8, q);
        const ValueId y = b.op(QUANTIZE, {b.op(DEQUANTIZE, {x})}, DType::int8, r);
        b.output(b.op(DEQUANTIZE, {y}));
      });
  add("CAST to the same type", "drop CAST", true,
      [](GraphBuilder& b) { b.output(b.op(NEG, {b.op(CAST, {image(b)})})); }, {NEG});
  add("CAST to another type", "drop CAST", false, [](GraphBuilder& b) {
    CastAttrs a{.in = DType::int32, .out = DType::float32, .has_types = true};
    b.output(b.op(NEG, {b.op(CAST, {b.input("x", {4}, DType::int32)}, a)}));
  });
  add("ADD_N and its activation", "ADD_N of two", true,
      [](GraphBuilder& b) {
        const ValueId x = image(b);
        b.output(b.op(RELU, {b.op(ADD_N, {b.op(EXP, {x}), x})}));
      },
      {EXP, ADD});
  add("ADD_N of three", "ADD_N of two", false, [](GraphBuilder& b) {
    const ValueId x = image(b);
    b.output(b.op(ADD_N, {b.op(EXP, {x}), x, b.op(TANH, {x})}));
  });
  const auto twice = [](std::vector<int32_t> first, std::vector<int32_t> second) {
    return [=](GraphBuilder& b) {
      const ValueId v = b.op(SOFTMAX, {b.input("x", {2, 3, 3})});
      b.output(b.op(L2_NORMALIZATION, {b.transpose(v, first)}));
      b.output(b.op(SOFTMAX, {b.transpose(v, second)}));
    };
  };
  add("the same order twice", "the same TRANSPOSE twice", true, twice({0, 2, 1}, {0, 2, 1}),
      {SOFTMAX, TRANSPOSE, L2_NORMALIZATION, SOFTMAX});
  add("two orders", "the same TRANSPOSE twice", false, twice({0, 2, 1}, {2, 1, 0}));
  return c;
}

std::vector<RuleCase> layout_cases() {
  std::vector<RuleCase> c;
  auto add = [&](std::string name, const char* rule, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected = {}) {
    c.push_back({std::move(name), rule, fires, std::move(build), std::move(expected)});
  };
  auto conv = [](GraphBuilder& b) { return b.conv_2d(image(b), {.out = 4}); };
  add("batch norm behind TRANSPOSE", "arithmetic before layout", true,
      [conv](GraphBuilder& b) {
        const ValueId t = b.transpose(conv(b), {0, 3, 1, 2});
        b.output(b.op(ADD, {b.random({4, 1, 1}), b.op(MUL, {t, b.random({1, 4, 1, 1})})}));
      },
      {CONV_2D, TRANSPOSE});
  add("batch norm behind TRANSPOSE and RESHAPE", "arithmetic before layout", true,
      [](GraphBuilder& b) {
        // A one-dimensional convolution: [N, C, L] as [N, 1, L, C].
        const ValueId y = b.conv_2d(b.input("x", {2, 1, 9, 3}), {.out = 4, .filter = 1});
        const ValueId t = b.op(MUL, {b.transpose(y, {0, 3, 1, 2}), b.random({4, 1, 1})});
        b.output(b.op(RELU, {b.op(ADD, {b.reshape(t, {2, 4, 9}), b.random({4, 1})})}));
      },
      {CONV_2D, TRANSPOSE, RESHAPE});
  add("arithmetic along an axis that RESHAPE splits", "arithmetic before layout", false,
      [conv](GraphBuilder& b) { b.output(b.op(MUL, {b.reshape(conv(b), {1, 30, 2, 2}), b.random({2})})); });
  add("arithmetic behind a TRANSPOSE with two readers", "arithmetic before layout", false,
      [conv](GraphBuilder& b) {
        const ValueId t = b.transpose(conv(b), {0, 3, 1, 2});
        b.output(b.op(MUL, {t, b.random({4, 1, 1})}));
        b.output(b.op(EXP, {t}));
      });
  add("RELU6 behind TRANSPOSE", "activation before layout", true,
      [conv](GraphBuilder& b) { b.output(b.op(RELU6, {b.transpose(conv(b), {0, 3, 1, 2})})); },
      {CONV_2D, TRANSPOSE});
  add("clamp behind RESHAPE", "activation before layout", true,
      [conv](GraphBuilder& b) {
        b.output(b.op(MAXIMUM, {b.op(MINIMUM, {b.reshape(conv(b), {30, 4}), b.scalar(1)}), b.scalar(-0.5f)}));
      },
      {CONV_2D, RESHAPE});
  add("RELU behind TRANSPOSE of a pooling", "activation before layout", true,
      [](GraphBuilder& b) {
        Pool2DAttrs p;
        p.filter_h = p.filter_w = 2;
        b.output(b.op(RELU, {b.transpose(b.op(MAX_POOL_2D, {image(b)}, p), {0, 3, 1, 2})}));
      },
      {MAX_POOL_2D, TRANSPOSE});
  add("RELU behind a TRANSPOSE of an input", "activation before layout", false,
      [](GraphBuilder& b) { b.output(b.op(RELU, {b.transpose(image(b), {0, 3, 1, 2})})); });
  add("TRANSPOSE, TANH, TRANSPOSE", "TRANSPOSE past element-wise", true,
      [](GraphBuilder& b) {
        b.output(b.transpose(b.op(TANH, {b.transpose(image(b), {0, 3, 1, 2})}), {0, 2, 3, 1}));
      },
      {TANH});
  add("TRANSPOSE, PRELU per channel, TRANSPOSE", "TRANSPOSE past element-wise", true,
      [](GraphBuilder& b) {
        const ValueId t = b.op(PRELU, {b.transpose(image(b), {0, 3, 1, 2}), b.random({3, 1, 1})});
        b.output(b.transpose(t, {0, 2, 3, 1}));
      },
      {PRELU});
  add("TRANSPOSE, TANH, RESHAPE", "TRANSPOSE past element-wise", false, [](GraphBuilder& b) {
    b.output(b.reshape(b.op(TANH, {b.transpose(image(b), {0, 3, 1, 2})}), {9, 10}));
  });
  add("TRANSPOSE, square, sum, root, TRANSPOSE", "TRANSPOSE past reduction", true,
      [](GraphBuilder& b) {
        const ValueId t = b.op(SQUARE, {b.transpose(image(b), {0, 3, 1, 2})});
        const ValueId s = b.op(SUM, {t, b.ints({1})}, ReduceAttrs{.keep_dims = true});
        b.output(b.transpose(b.op(SQRT, {s}), {0, 2, 3, 1}));
      },
      {SQUARE, SUM, SQRT});
  add("TRANSPOSE and a sum that drops the axis", "TRANSPOSE past reduction", false, [](GraphBuilder& b) {
    const ValueId t = b.transpose(image(b), {0, 3, 1, 2});
    b.output(b.transpose(b.op(SUM, {t, b.ints({1})}), {0, 2, 1}));
  });
  add("SiLU between TRANSPOSEs", "TRANSPOSE past x * sigmoid(x)", true,
      [](GraphBuilder& b) {
        const ValueId t = b.transpose(image(b), {0, 3, 1, 2});
        b.output(b.transpose(b.op(MUL, {t, b.op(LOGISTIC, {t})}), {0, 2, 3, 1}));
      },
      {LOGISTIC, MUL});
  add("what ELU takes away, between TRANSPOSEs", "TRANSPOSE past x * sigmoid(x)", true,
      [](GraphBuilder& b) {
        const ValueId t = b.transpose(image(b), {0, 3, 1, 2});
        b.output(b.transpose(b.op(SUB, {t, b.op(ELU, {t})}), {0, 2, 3, 1}));
      },
      {ELU, SUB});
  add("SiLU between TRANSPOSEs with a third reader", "TRANSPOSE past x * sigmoid(x)", false,
      [](GraphBuilder& b) {
        const ValueId t = b.transpose(image(b), {0, 3, 1, 2});
        b.output(b.transpose(b.op(MUL, {t, b.op(LOGISTIC, {t})}), {0, 2, 3, 1}));
        b.output(b.op(EXP, {t}));
      });
  return c;
}

Result<FusionReport> lower_alone(Graph& g, NodeMarks& marks) {
  auto report = lower(g);
  marks.resize(g.nodes.size());
  return report;
}

std::vector<RuleCase> lower_cases() {
  std::vector<RuleCase> c;
  auto add = [&](std::string name, const char* rule, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected = {}) {
    c.push_back({std::move(name), rule, fires, std::move(build), std::move(expected), {}, lower_alone});
  };
  const Padding valid = Padding::Kind::valid;
  add("symmetric PAD before a strided CONV_2D", "pad inside", true,
      [valid](GraphBuilder& b) {
        const ValueId y = b.pad(b.input("x", {1, 8, 8, 3}), {0, 0, 1, 1, 1, 1, 0, 0});
        b.output(b.conv_2d(y, {.stride = 2, .padding = valid}));
      },
      {CONV_2D});
  add("PAD before DEPTHWISE_CONV_2D", "pad inside", true,
      [valid](GraphBuilder& b) {
        const ValueId y = b.pad(b.input("x", {1, 8, 8, 3}), {0, 0, 0, 2, 2, 1, 0, 0});
        b.output(b.depthwise_conv_2d(y, {.padding = valid}));
      },
      {DEPTHWISE_CONV_2D});
  const auto q = Quantization::per_tensor({0.05f, 11});
  add("PAD before an integer CONV_2D", "pad inside", true,
      [valid, q](GraphBuilder& b) {
        const ValueId x = b.input("x", {1, 8, 8, 1}, DType::int8, q);
        const ValueId a = b.raw("amounts", DType::int32, {4, 2},
                                Constant::of(std::vector<int32_t>{0, 0, 1, 1, 1, 1, 0, 0}));
        const ValueId p = b.op(PAD, {x, a}, DType::int8, q);
        const ValueId w =
            b.raw("w", DType::int8, {1, 2, 2, 1}, Constant::of(std::vector<int8_t>{1, -20, 30, 127}),
                  Quantization::per_tensor({0.01f, 0}));
        Conv2DAttrs attrs;
        attrs.padding = valid;
        attrs.stride_h = attrs.stride_w = 2;
        b.output(b.op(CONV_2D, {p, w, kNoValue}, attrs, DType::int8, Quantization::per_tensor({0.1f, -5})));
      },
      {CONV_2D});
  add("PAD wider than the window", "pad inside", false, [valid](GraphBuilder& b) {
    const ValueId y = b.pad(b.input("x", {1, 8, 8, 3}), {0, 0, 3, 3, 1, 1, 0, 0});
    b.output(b.conv_2d(y, {.padding = valid}));
  });
  auto pool = [valid](GraphBuilder& b, float fill) {
    const ValueId a =
        b.raw("amounts", DType::int32, {4, 2}, Constant::of(std::vector<int32_t>{0, 0, 1, 1, 1, 1, 0, 0}));
    const ValueId y = b.op(PADV2, {b.input("x", {1, 8, 8, 3}), a, b.scalar(fill)});
    Pool2DAttrs p;
    p.padding = valid;
    p.filter_h = p.filter_w = 3;
    p.stride_h = p.stride_w = 2;
    b.output(b.op(MAX_POOL_2D, {y}, p));
  };
  add("PADV2(lowest) before MAX_POOL_2D", "pad inside, max pool", true,
      [pool](GraphBuilder& b) { pool(b, -3.4028234e38f); }, {MAX_POOL_2D});
  add("PADV2(0) before MAX_POOL_2D", "pad inside, max pool", false, [pool](GraphBuilder& b) { pool(b, 0); });
  auto add_relu = [q](GraphBuilder& b, OpKind act, Quantization out) {
    const ValueId x = b.input("x", {1, 8, 8, 3}, DType::int8, q);
    const ValueId y = b.op(ADD, {x, x}, DType::int8, q);
    b.output(b.op(act, {y}, DType::int8, std::move(out)));
  };
  add("integer pooling then RELU6", "integer activation", true,
      [q](GraphBuilder& b) {
        Pool2DAttrs p;
        p.filter_h = p.filter_w = 2;
        const ValueId x = b.input("x", {1, 8, 8, 3}, DType::int8, q);
        b.output(b.op(RELU6, {b.op(AVERAGE_POOL_2D, {x}, p, DType::int8, q)}, DType::int8, q));
      },
      {AVERAGE_POOL_2D});
  for (OpKind act : {RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1})
    add(std::string("integer ADD then ") + std::string(name_of(act)), "integer activation", true,
        [add_relu, act, q](GraphBuilder& b) { add_relu(b, act, q); }, {ADD});
  auto add_bound = [q](GraphBuilder& b, OpKind act, const Quantization& bound) {
    const ValueId x = b.input("x", {1, 8, 8, 3}, DType::int8, q);
    const ValueId y = b.op(ADD, {x, x}, DType::int8, q);
    const ValueId c = b.raw("c", DType::int8, {}, Constant::of(std::vector<int8_t>{37}), bound);
    b.output(b.op(act, {y, c}, DType::int8, q));
  };
  for (OpKind act : {MINIMUM, MAXIMUM}) {
    add(std::string("integer ADD then ") + std::string(name_of(act)), "integer activation", true,
        [add_bound, act, q](GraphBuilder& b) { add_bound(b, act, q); }, {ADD});
    add(std::string("integer ADD then ") + std::string(name_of(act)) + " of another scale",
        "integer activation", false,
        [add_bound, act](GraphBuilder& b) { add_bound(b, act, Quantization::per_tensor({0.04f, 11})); });
  }
  add("integer ADD then RELU with another scale", "integer activation", false,
      [add_relu](GraphBuilder& b) { add_relu(b, RELU, Quantization::per_tensor({0.04f, 11})); });
  return c;
}

}  // namespace

TEST_CASE("clean-up rules fire and decline") {
  run_cases(cleanup_cases());
  check_coverage(cleanup_rules(), cleanup_cases());
}

TEST_CASE("layout rules fire and decline") {
  run_cases(layout_cases());
  check_coverage(layout_rules(), layout_cases());
}

TEST_CASE("lowering rules fire and decline") {
  run_cases(lower_cases());
  check_coverage(lower_rules(), lower_cases());
}

}  // namespace octet::test
