// Every row of the rule tables: where it fires, where it must not, and that the result stays the same.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>

#include "tests/graph/rule_case.hpp"

namespace octet::test {
namespace {

using enum OpKind;
using Kind = Activation::Kind;

Activation act_of(const Graph& g, size_t node = 0) {
  return *activation_of(g.nodes[node].attrs);
}

const Padding kValid = Padding::Kind::valid;
const Padding kSame = Padding::Kind::same;

ValueId image_fusion(GraphBuilder& b, int32_t channels = 3) {
  return b.input("x", {1, 6, 5, channels});
}
ValueId vec(GraphBuilder& b, int32_t channels) {
  return b.random({channels}, 0.5f, 2.0f);
}

std::vector<RuleCase> after_conv() {
  std::vector<RuleCase> cases;
  struct Form {
    const char* name;
    std::function<ValueId(GraphBuilder&)> conv;  // four output channels
    OpKind kind;
  };
  const std::vector<Form> forms = {
      {"CONV_2D", [](GraphBuilder& b) { return b.conv_2d(image_fusion(b), {.out = 4}); }, CONV_2D},
      {"CONV_2D without bias",
       [](GraphBuilder& b) { return b.conv_2d(image_fusion(b), {.out = 4, .bias = false}); }, CONV_2D},
      {"CONV_2D of two groups",
       [](GraphBuilder& b) { return b.conv_2d(image_fusion(b, 6), {.out = 4, .groups = 2}); }, CONV_2D},
      {"DEPTHWISE_CONV_2D",
       [](GraphBuilder& b) { return b.depthwise_conv_2d(image_fusion(b, 2), {.multiplier = 2}); },
       DEPTHWISE_CONV_2D},
      {"TRANSPOSE_CONV",
       [](GraphBuilder& b) { return b.transpose_conv(image_fusion(b), {.out = 4, .stride = 2}); },
       TRANSPOSE_CONV},
      {"TRANSPOSE_CONV without bias",
       [](GraphBuilder& b) {
         return b.transpose_conv(image_fusion(b), {.out = 4, .stride = 2, .bias = false});
       },
       TRANSPOSE_CONV},
      {"FULLY_CONNECTED", [](GraphBuilder& b) { return b.fully_connected(b.input("x", {3, 5}), 4); },
       FULLY_CONNECTED},
      {"CONV_3D",
       [](GraphBuilder& b) {
         return b.op(CONV_3D, {b.input("x", {1, 4, 4, 3, 2}), b.random({2, 3, 3, 2, 4}), b.random({4})});
       },
       CONV_3D},
      {"CONV_3D_TRANSPOSE",
       [](GraphBuilder& b) {
         return b.op(CONV_3D_TRANSPOSE, {b.ints({1, 4, 4, 3, 4}), b.random({2, 3, 3, 4, 2}),
                                         b.input("x", {1, 4, 4, 3, 2}), b.random({4})});
       },
       CONV_3D_TRANSPOSE},
  };
  for (const Form& f : forms) {
    auto conv = f.conv;
    const Kinds one{f.kind};
    auto add = [&](std::string what, const char* rule, std::function<void(GraphBuilder&, ValueId)> tail) {
      cases.push_back({fmt::format("{} then {}", f.name, what), rule, true,
                       [conv, tail](GraphBuilder& b) { tail(b, conv(b)); }, one});
    };
    add("MUL", "scale into weights", [](GraphBuilder& b, ValueId y) { b.output(b.op(MUL, {y, vec(b, 4)})); });
    add("MUL by a scalar in front", "scale into weights",
        [](GraphBuilder& b, ValueId y) { b.output(b.op(MUL, {b.scalar(-3), y})); });
    add("DIV", "scale into weights", [](GraphBuilder& b, ValueId y) { b.output(b.op(DIV, {y, vec(b, 4)})); });
    add("ADD", "shift into bias", [](GraphBuilder& b, ValueId y) { b.output(b.op(ADD, {vec(b, 4), y})); });
    add("SUB", "shift into bias", [](GraphBuilder& b, ValueId y) { b.output(b.op(SUB, {y, vec(b, 4)})); });
    add("SUB from", "shift into bias",
        [](GraphBuilder& b, ValueId y) { b.output(b.op(SUB, {vec(b, 4), y})); });
    add("batch norm and RELU6", "activation", [](GraphBuilder& b, ValueId y) {
      b.output(b.op(RELU6, {b.op(ADD, {b.op(MUL, {y, vec(b, 4)}), vec(b, 4)})}));
    });
    for (OpKind k : {RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1}) {
      add(std::string(name_of(k)), "activation", [k](GraphBuilder& b, ValueId y) { b.output(b.op(k, {y})); });
    }
    add("clamp", "clamp", [](GraphBuilder& b, ValueId y) {
      b.output(b.op(MINIMUM, {b.op(MAXIMUM, {y, b.scalar(-0.25f)}), b.scalar(0.75f)}));
    });
  }
  auto conv = [](GraphBuilder& b) { return b.conv_2d(image_fusion(b), {.out = 4}); };
  auto decline = [&](std::string name, const char* rule, std::function<void(GraphBuilder&)> build) {
    cases.push_back({std::move(name), rule, false, std::move(build), {}});
  };
  decline("MUL by a row", "scale into weights",
          [conv](GraphBuilder& b) { b.output(b.op(MUL, {conv(b), b.random({6, 1, 1})})); });
  decline("MUL by a whole map", "scale into weights",
          [conv](GraphBuilder& b) { b.output(b.op(MUL, {conv(b), b.random({1, 6, 5, 4})})); });
  decline("MUL that adds an axis", "scale into weights",
          [conv](GraphBuilder& b) { b.output(b.op(MUL, {conv(b), b.random({1, 1, 1, 1, 4})})); });
  decline("MUL that widens", "scale into weights", [](GraphBuilder& b) {
    b.output(b.op(MUL, {b.conv_2d(image_fusion(b), {.out = 1}), b.random({4})}));
  });
  decline("MUL of a second value", "scale into weights", [conv](GraphBuilder& b) {
    const ValueId y = conv(b);
    b.output(b.op(MUL, {y, b.input("gate", {1, 1, 1, 4})}));
  });
  decline("two readers", "scale into weights", [conv](GraphBuilder& b) {
    const ValueId y = conv(b);
    b.output(b.op(MUL, {y, vec(b, 4)}));
    b.output(b.op(TANH, {y}));
  });
  decline("one reader that reads twice", "scale into weights", [conv](GraphBuilder& b) {
    const ValueId y = conv(b);
    b.output(b.op(MUL, {y, y}));
  });
  decline("graph output", "scale into weights", [conv](GraphBuilder& b) {
    const ValueId y = b.output(conv(b));
    b.output(b.op(MUL, {y, vec(b, 4)}));
  });
  decline("activation in between", "scale into weights", [](GraphBuilder& b) {
    b.output(b.op(MUL, {b.conv_2d(image_fusion(b), {.out = 4, .act = Kind::relu}), vec(b, 4)}));
  });
  decline("weights that are not constant", "scale into weights", [](GraphBuilder& b) {
    const ValueId x = image_fusion(b);
    const ValueId y = b.op(CONV_2D, {x, b.input("w", {4, 3, 3, 3})});
    b.output(b.op(MUL, {y, vec(b, 4)}));
  });
  decline("DIV by zero", "scale into weights",
          [conv](GraphBuilder& b) { b.output(b.op(DIV, {conv(b), b.constant({4}, {1, 0, 1, 1})})); });
  decline("DIV of a constant", "scale into weights",
          [conv](GraphBuilder& b) { b.output(b.op(DIV, {vec(b, 4), conv(b)})); });
  // The first factor still fits into the weights, the second one does not.
  cases.push_back({"a product beyond float",
                   "scale into weights",
                   true,
                   [conv](GraphBuilder& b) {
                     b.output(b.op(MUL, {b.op(MUL, {conv(b), b.scalar(1e38f)}), b.scalar(1e38f)}));
                   },
                   {CONV_2D, MUL}});
  decline("ADD of a map", "shift into bias",
          [conv](GraphBuilder& b) { b.output(b.op(ADD, {conv(b), b.random({1, 6, 5, 4})})); });
  decline("activation with two readers", "activation", [conv](GraphBuilder& b) {
    const ValueId y = conv(b);
    b.output(b.op(RELU, {y}));
    b.output(b.op(TANH, {y}));
  });
  decline("activation behind TANH", "activation", [](GraphBuilder& b) {
    b.output(b.op(RELU, {b.conv_2d(image_fusion(b), {.out = 4, .act = Kind::tanh})}));
  });
  decline("clamp per channel", "clamp",
          [conv](GraphBuilder& b) { b.output(b.op(MAXIMUM, {conv(b), vec(b, 4)})); });
  decline("clamp to an empty range", "clamp", [](GraphBuilder& b) {
    b.output(b.op(MINIMUM, {b.conv_2d(image_fusion(b), {.out = 4, .act = Kind::relu}), b.scalar(-1)}));
  });
  // The forms that activations take together.
  auto acts = [&](std::string name, Activation first, std::function<ValueId(GraphBuilder&, ValueId)> then,
                  Activation want) {
    cases.push_back({std::move(name),
                     "clamp",
                     true,
                     [first, then](GraphBuilder& b) {
                       b.output(then(b, b.conv_2d(image_fusion(b), {.out = 4, .act = first})));
                     },
                     {CONV_2D},
                     [want](const Graph& g) { CHECK(act_of(g) == want); }});
  };
  acts(
      "RELU then min 6 is RELU6", Kind::relu,
      [](GraphBuilder& b, ValueId y) { return b.op(MINIMUM, {y, b.scalar(6)}); }, Kind::relu6);
  acts(
      "RELU then min 1 is a clamp", Kind::relu,
      [](GraphBuilder& b, ValueId y) { return b.op(MINIMUM, {b.scalar(1), y}); }, Activation::clamp(0, 1));
  acts(
      "RELU6 then max 0 is RELU6", Kind::relu6,
      [](GraphBuilder& b, ValueId y) { return b.op(MAXIMUM, {y, b.scalar(0)}); }, Kind::relu6);
  acts(
      "max -1 then min 1 is RELU_N1_TO_1", Kind::none,
      [](GraphBuilder& b, ValueId y) {
        return b.op(MINIMUM, {b.op(MAXIMUM, {y, b.scalar(-1)}), b.scalar(1)});
      },
      Kind::relu_n1_to_1);
  cases.back().rule = "activation";  // the two clamps have become one by then
  return cases;
}

std::vector<RuleCase> before_conv() {
  std::vector<RuleCase> cases;
  auto norm = [](GraphBuilder& b, ValueId x, int32_t c) {
    return b.op(ADD, {b.op(MUL, {x, vec(b, c)}), vec(b, c)});
  };
  auto add = [&](std::string name, const char* rule, bool fires, std::function<void(GraphBuilder&)> build,
                 Kinds expected) {
    cases.push_back({std::move(name), rule, fires, std::move(build), std::move(expected)});
  };
  add("batch norm before an unpadded CONV_2D", "shift into next bias", true,
      [norm](GraphBuilder& b) { b.output(b.conv_2d(norm(b, image_fusion(b), 3), {.padding = kValid})); },
      {CONV_2D});
  add("batch norm before grouped CONV_2D", "shift into next bias", true,
      [norm](GraphBuilder& b) {
        b.output(b.conv_2d(norm(b, image_fusion(b, 6), 6), {.padding = kValid, .groups = 3 - 1}));
      },
      {CONV_2D});
  add("batch norm before CONV_2D of 1x1 and SAME", "scale into next weights", true,
      [norm](GraphBuilder& b) {
        b.output(b.conv_2d(norm(b, image_fusion(b), 3),
                           {.filter = 1, .stride = 2, .padding = kSame, .bias = false}));
      },
      {CONV_2D});
  add("batch norm before DEPTHWISE_CONV_2D", "scale into next weights", true,
      [norm](GraphBuilder& b) {
        b.output(b.depthwise_conv_2d(norm(b, image_fusion(b, 3), 3), {.padding = kValid, .multiplier = 2}));
      },
      {DEPTHWISE_CONV_2D});
  add("batch norm before FULLY_CONNECTED", "shift into next bias", true,
      [norm](GraphBuilder& b) { b.output(b.fully_connected(norm(b, b.input("x", {2, 7}), 7), 4)); },
      {FULLY_CONNECTED});
  add("constant minus x before CONV_2D", "shift into next bias", true,
      [](GraphBuilder& b) {
        b.output(b.conv_2d(b.op(SUB, {b.scalar(1), image_fusion(b)}), {.padding = kValid}));
      },
      {CONV_2D});
  add("MUL before a padded CONV_2D", "scale into next weights", true,
      [](GraphBuilder& b) {
        b.output(b.conv_2d(b.op(DIV, {image_fusion(b), vec(b, 3)}), {.padding = kSame}));
      },
      {CONV_2D});
  add("MUL before TRANSPOSE_CONV", "scale into next weights", true,
      [](GraphBuilder& b) {
        b.output(b.transpose_conv(b.op(MUL, {image_fusion(b), vec(b, 3)}), {.stride = 2}));
      },
      {TRANSPOSE_CONV});
  add("batch norm before CONV_3D", "shift into next bias", true,
      [norm](GraphBuilder& b) {
        Conv3DAttrs a;
        a.padding = kValid;
        b.output(b.op(CONV_3D, {norm(b, b.input("x", {1, 4, 4, 3, 2}), 2), b.random({2, 3, 3, 2, 4})}, a));
      },
      {CONV_3D});
  add("ADD before a padded CONV_2D", "shift into next bias", false,
      [norm](GraphBuilder& b) { b.output(b.conv_2d(norm(b, image_fusion(b), 3), {.padding = kSame})); }, {});
  add("constant minus x before a padded CONV_2D", "shift into next bias", false,
      [](GraphBuilder& b) {
        b.output(b.conv_2d(b.op(SUB, {b.scalar(1), image_fusion(b)}), {.padding = kSame}));
      },
      {});
  add("ADD before TRANSPOSE_CONV", "shift into next bias", false,
      [](GraphBuilder& b) {
        b.output(b.transpose_conv(b.op(ADD, {image_fusion(b), vec(b, 3)}), {.padding = kValid}));
      },
      {});
  add("RELU between batch norm and CONV_2D", "scale into next weights", false,
      [norm](GraphBuilder& b) {
        b.output(b.conv_2d(b.op(RELU, {norm(b, image_fusion(b), 3)}), {.padding = kValid}));
      },
      {MUL, ADD, CONV_2D});
  add("scale by a map before CONV_2D", "scale into next weights", false,
      [](GraphBuilder& b) {
        b.output(b.conv_2d(b.op(MUL, {image_fusion(b), b.random({1, 6, 5, 3})}), {.padding = kValid}));
      },
      {});
  add("scale with two readers before CONV_2D", "scale into next weights", false,
      [](GraphBuilder& b) {
        const ValueId y = b.op(MUL, {image_fusion(b), vec(b, 3)});
        b.output(b.conv_2d(y, {.padding = kValid}));
        b.output(b.op(TANH, {y}));
      },
      {});
  add("scale before a FULLY_CONNECTED that flattens", "scale into next weights", false,
      [](GraphBuilder& b) {
        const ValueId y = b.op(MUL, {b.input("x", {2, 3, 4}), vec(b, 4)});
        b.output(b.op(FULLY_CONNECTED, {y, b.random({5, 12}), kNoValue}));
      },
      {});
  return cases;
}

std::vector<RuleCase> arithmetic() {
  std::vector<RuleCase> cases;
  for (OpKind k : {ADD, SUB, MUL, DIV})
    cases.push_back({fmt::format("{} then RELU", name_of(k)),
                     "activation",
                     true,
                     [k](GraphBuilder& b) {
                       const ValueId x = image_fusion(b);
                       b.output(b.op(RELU, {b.op(k, {x, b.op(EXP, {x})})}));
                     },
                     {EXP, k},
                     [](const Graph& g) { CHECK(act_of(g, 1) == Activation(Kind::relu)); }});
  cases.push_back({"ADD then clamp",
                   "clamp",
                   true,
                   [](GraphBuilder& b) {
                     const ValueId y = b.op(ADD, {image_fusion(b), b.input("z", {1, 6, 5, 3})});
                     b.output(b.op(MAXIMUM, {b.op(MINIMUM, {y, b.scalar(0.5f)}), b.scalar(-0.5f)}));
                   },
                   {ADD},
                   [](const Graph& g) { CHECK(act_of(g) == Activation::clamp(-0.5f, 0.5f)); }});
  cases.push_back({"batch norm alone then RELU",
                   "activation",
                   true,
                   [](GraphBuilder& b) {
                     b.output(b.op(RELU, {b.op(ADD, {b.op(MUL, {image_fusion(b), vec(b, 3)}), vec(b, 3)})}));
                   },
                   {MUL, ADD}});
  cases.push_back({"ADD and RELU of a graph output",
                   "activation",
                   false,
                   [](GraphBuilder& b) {
                     const ValueId y = b.output(b.op(ADD, {image_fusion(b), vec(b, 3)}));
                     b.output(b.op(RELU, {y}));
                   },
                   {}});
  cases.push_back(
      {"MUL of MUL",
       "merge scales",
       true,
       [](GraphBuilder& b) { b.output(b.op(MUL, {b.scalar(3), b.op(DIV, {image_fusion(b), vec(b, 3)})})); },
       {MUL}});
  cases.push_back({"MUL of MUL by row and column",
                   "merge scales",
                   false,
                   [](GraphBuilder& b) {
                     b.output(b.op(MUL, {b.op(MUL, {image_fusion(b), b.random({6, 1, 1})}), vec(b, 3)}));
                   },
                   {}});
  cases.push_back(
      {"ADD of SUB",
       "merge shifts",
       true,
       [](GraphBuilder& b) { b.output(b.op(ADD, {vec(b, 3), b.op(SUB, {image_fusion(b), vec(b, 3)})})); },
       {ADD}});
  cases.push_back(
      {"ADD of (c - x)",
       "merge shifts",
       false,
       [](GraphBuilder& b) { b.output(b.op(ADD, {vec(b, 3), b.op(SUB, {vec(b, 3), image_fusion(b)})})); },
       {}});
  auto two_norms = [](GraphBuilder& b) {
    ValueId y = image_fusion(b);
    for (int i = 0; i < 2; ++i)
      y = b.op(ADD, {b.op(MUL, {y, vec(b, 3)}), vec(b, 3)});
    b.output(b.op(RELU, {y}));
  };
  cases.push_back({"two batch norms", "scale before shift", true, two_norms, {MUL, ADD}});
  cases.push_back(
      {"shift and scale alone",
       "scale before shift",
       false,
       [](GraphBuilder& b) { b.output(b.op(MUL, {b.op(ADD, {image_fusion(b), vec(b, 3)}), vec(b, 3)})); },
       {}});
  return cases;
}

std::vector<RuleCase> branches() {
  std::vector<RuleCase> cases;
  auto grouped = [](GraphBuilder& b, int32_t axis = 3) {
    const std::vector<ValueId> x = b.multi(SPLIT, {b.ints({3}), image_fusion(b, 4)},
                                           SplitAttrs{.num_splits = 2}, {DType::float32, DType::float32});
    std::vector<ValueId> y;
    for (ValueId part : x)
      y.push_back(b.transpose_conv(part, {.out = 3, .stride = 2, .bias = y.empty()}));
    return b.op(CONCATENATION, y, ConcatAttrs{.axis = axis});
  };
  const Kinds folded{SPLIT, TRANSPOSE_CONV, TRANSPOSE_CONV, CONCATENATION};
  cases.push_back(
      {"batch norm behind grouped TRANSPOSE_CONV", "arithmetic into branches", true,
       [grouped](GraphBuilder& b) { b.output(b.op(ADD, {b.op(MUL, {grouped(b), vec(b, 6)}), vec(b, 6)})); },
       folded});
  cases.push_back({"MUL behind a CONCATENATION of rows",
                   "arithmetic into branches",
                   false,
                   [grouped](GraphBuilder& b) { b.output(b.op(MUL, {grouped(b, 1), vec(b, 3)})); },
                   {}});
  cases.push_back({"MUL behind a CONCATENATION with an input",
                   "arithmetic into branches",
                   false,
                   [](GraphBuilder& b) {
                     const ValueId x = image_fusion(b);
                     const ValueId y = b.op(CONCATENATION, {x, b.conv_2d(x, {})}, ConcatAttrs{.axis = 3});
                     b.output(b.op(MUL, {y, vec(b, 7)}));
                   },
                   {}});
  cases.push_back({"RELU behind grouped TRANSPOSE_CONV", "activation into branches", true,
                   [grouped](GraphBuilder& b) { b.output(b.op(RELU, {grouped(b, 1)})); }, folded});
  cases.push_back({"RELU behind a CONCATENATION with an input",
                   "activation into branches",
                   false,
                   [](GraphBuilder& b) {
                     const ValueId x = image_fusion(b);
                     const ValueId y = b.op(CONCATENATION, {x, b.conv_2d(x, {})}, ConcatAttrs{.axis = 3});
                     b.output(b.op(RELU, {y}));
                   },
                   {}});
  return cases;
}

std::vector<RuleCase> padding() {
  std::vector<RuleCase> cases;
  auto conv = [&](std::string name, bool fires, std::vector<int32_t> amounts, GraphBuilder::Conv c,
                  Kinds want) {
    cases.push_back({std::move(name), "pad as SAME", fires,
                     [amounts, c](GraphBuilder& b) {
                       b.output(b.conv_2d(b.pad(b.input("x", {1, 8, 8, 3}), amounts), c));
                     },
                     std::move(want),
                     [fires](const Graph& g) {
                       if (fires) CHECK(std::get<Conv2DAttrs>(g.nodes[0].attrs).padding == kSame);
                     }});
  };
  conv("PAD 1 before 3x3", true, {0, 0, 1, 1, 1, 1, 0, 0}, {.padding = kValid}, {CONV_2D});
  conv("PAD 2 before dilated 3x3", true, {0, 0, 2, 2, 2, 2, 0, 0}, {.dilation = 2, .padding = kValid},
       {CONV_2D});
  conv("PAD behind before strided 3x3", true, {0, 0, 0, 1, 0, 1, 0, 0}, {.stride = 2, .padding = kValid},
       {CONV_2D});
  conv("symmetric PAD before strided 3x3", false, {0, 0, 1, 1, 1, 1, 0, 0}, {.stride = 2, .padding = kValid},
       {});
  conv("PAD of channels", false, {0, 0, 1, 1, 1, 1, 0, 1}, {.padding = kValid}, {});
  conv("PAD before SAME", false, {0, 0, 1, 1, 1, 1, 0, 0}, {.padding = kSame}, {});
  conv("PAD 1 before 5x5", false, {0, 0, 1, 1, 1, 1, 0, 0}, {.filter = 5, .padding = kValid}, {});
  auto pool = [&](std::string name, bool fires, bool relu, float fill, OpKind kind, Kinds want) {
    cases.push_back({std::move(name), "pad as SAME, max pool", fires,
                     [=](GraphBuilder& b) {
                       ValueId x = b.input("x", {1, 8, 8, 2});
                       if (relu) x = b.op(RELU, {x});
                       const ValueId amounts =
                           b.raw("amounts", DType::int32, {4, 2},
                                 Constant::of(std::vector<int32_t>{0, 0, 1, 1, 1, 1, 0, 0}));
                       const ValueId y = b.op(PADV2, {x, amounts, b.scalar(fill)});
                       Pool2DAttrs a;
                       a.padding = kValid;
                       a.filter_h = a.filter_w = 3;
                       b.output(b.op(kind, {y}, a));
                     },
                     std::move(want)});
  };
  pool("PADV2(lowest) before MAX_POOL_2D", true, false, -3.4028234e38f, MAX_POOL_2D, {MAX_POOL_2D});
  pool("PADV2(0) of RELU before MAX_POOL_2D", true, true, 0, MAX_POOL_2D, {RELU, MAX_POOL_2D});
  pool("PADV2(0) before MAX_POOL_2D", false, false, 0, MAX_POOL_2D, {});
  pool("PADV2(0) before AVERAGE_POOL_2D", false, true, 0, AVERAGE_POOL_2D, {});
  return cases;
}

std::vector<RuleCase> all_cases_of_fusion() {
  std::vector<RuleCase> all;
  for (auto list : {after_conv(), before_conv(), arithmetic(), branches(), padding()})
    all.insert(all.end(), list.begin(), list.end());
  return all;
}

}  // namespace

TEST_CASE("fusion rules fire and decline") {
  run_cases(all_cases_of_fusion());
}

TEST_CASE("every fusion rule has a case where it fires and one where it declines") {
  check_coverage(fusion_rules(), all_cases_of_fusion());
  check_coverage(branch_rules(), all_cases_of_fusion());
  check_coverage(padding_rules(), all_cases_of_fusion());
}

}  // namespace octet::test
