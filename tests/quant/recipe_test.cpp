#include "quant/recipe.hpp"

#include <doctest/doctest.h>
#include <string>

#include "tests/support/graph_builder.hpp"

using namespace octet;

TEST_CASE("a recipe survives a round trip through JSON") {
  Recipe r;
  r.scheme = Scheme::weight_only;
  r.observer = "percentile";
  r.io = Io::uint8;
  r.keep_float = {"conv*", "SOFTMAX"};
  r.equalize = false;
  r.spare_channels = false;
  r.balance = false;
  r.rounding = Rounding::nearest;
  r.bias_correction = false;
  r.min_sqnr_db = 25.5;
  r.raise_to = RaiseTo::floating;
  r.per_channel = true;
  r.weight_bits = 4;
  r.block = 64;
  r.operators = {{.match = "conv*", .scheme = Scheme::float16},
                 {.match = "FULLY_?*", .bits = 8, .per_channel = false},
                 {.match = "logits", .scheme = Scheme::floating},
                 {.match = "embed", .scheme = Scheme::dynamic, .block = 0}};
  const auto again = Recipe::from_json(r.to_json());
  REQUIRE(again.ok());
  CHECK(*again == r);
  const auto empty = Recipe::from_json("{}");
  REQUIRE(empty.ok());
  CHECK(*empty == Recipe::int8());
}

TEST_CASE("one scale for all channels survives it, too") {
  Recipe r;
  r.per_channel = false;
  const auto again = Recipe::from_json(r.to_json());
  REQUIRE(again.ok());
  CHECK(*again == r);
}

TEST_CASE("mistakes in a recipe are named") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is not valid JSON"},
      {"[1]", "a recipe is a JSON object"},
      {R"({"schem": "int8"})",
       "unknown key 'schem'; there are scheme, observer, io, reader, signature, per_channel, weight_bits, "
       "block, "
       "equalize, "
       "spare_channels, balance, wide, rounding, bias_correction, keep_float, operators, min_sqnr_db, "
       "raise_to"},
      {R"({"scheme": "int4"})",
       "'scheme': no scheme 'int4'; there are int8, int16x8, dynamic, weight-only, float16, float"},
      {R"({"scheme": 8})", "'scheme': is not a string"},
      {R"({"observer": "best"})",
       "'observer': no observer 'best'; there are minmax, moving-average, percentile, mse, entropy"},
      {R"({"per_channel": 1})", "'per_channel': is not true or false"},
      {R"({"keep_float": "conv"})", "'keep_float': is not a list of strings"},
      {R"({"keep_float": [1]})", "'keep_float': is not a string"},
      {R"({"io": "int4"})", "'io': no io 'int4'; there are keep, int8, uint8, int16"},
      {R"({"rounding": "up"})", "'rounding': no rounding 'up'; there are nearest, compensated"},
      {R"({"weight_bits": 5})", "'weight_bits': is not 4 or 8"},
      {R"({"weight_bits": 4.0})", "'weight_bits': is not a whole number"},
      {R"({"weight_bits": 4})", "'weight_bits' 4 needs scheme weight-only or dynamic, not int8"},
      {R"({"scheme": "weight-only", "block": 32})", "a 'block' needs 'weight_bits' 4"},
      {R"({"scheme": "dynamic", "weight_bits": 4, "block": 32, "per_channel": false})",
       "a 'block' needs 'per_channel'"},
      {R"({"block": 33})", "'block': is not a multiple of 32 up to 4096, or 0"},
      {R"({"block": -32})", "'block': is not a multiple of 32 up to 4096, or 0"},
      {R"({"block": 18446744073709551615})", "'block': is not a multiple of 32 up to 4096, or 0"},
      {R"({"operators": {}})", "'operators': is not a list of objects"},
      {R"({"operators": ["conv*"]})", "'operators': entry 0: is not an object"},
      {R"({"operators": [{"match": "a"}, {"scheme": "float"}]})", "'operators': entry 1: has no 'match'"},
      {R"({"operators": [{"match": ""}]})", "'operators': entry 0: 'match': is empty"},
      {R"({"operators": [{"match": "a", "bits": 4}]})",
       "'operators': entry 0: unknown key 'bits'; there are match, scheme, weight_bits, block, per_channel"},
      {R"({"operators": [{"match": "a", "scheme": "int3"}]})",
       "'operators': entry 0: 'scheme': no scheme 'int3'; there are int8, int16x8, dynamic, weight-only, "
       "float16, float"},
      {R"({"operators": [{"match": "a", "per_channel": 0}]})",
       "'operators': entry 0: 'per_channel': is not true or false"},
      {R"({"operators": [{"match": "a", "weight_bits": 4}]})",
       "'operators': entry 0 ('a'): 'weight_bits' 4 needs scheme weight-only or dynamic, not int8"},
      {R"({"operators": [{"match": "a", "scheme": "weight-only", "block": 32}]})",
       "'operators': entry 0 ('a'): a 'block' needs 'weight_bits' 4"},
      {R"({"scheme": "float16", "operators": [{"match": "a", "scheme": "int8"}]})",
       "'operators': entry 0 ('a'): int8 is a scheme for the whole graph, not for some operators of a "
       "float16 "
       "one"},
      {R"({"min_sqnr_db": -1})", "'min_sqnr_db': is not between 0 and 200"},
  };
  for (const auto& [text, message] : cases) {
    CAPTURE(text);
    const auto r = Recipe::from_json(text);
    REQUIRE(!r.ok());
    CHECK(r.status().message() == message);
  }
  CHECK(!Recipe::from_json(std::string(100000, '[')).ok());
  CHECK(!Recipe::load("/nonexistent/recipe.json").ok());
}

TEST_CASE("whatever is in a recipe, reading it ends, and what is read can be written") {
  const std::string text = R"({"scheme": "weight-only", "weight_bits": 4, "block": 32, "min_sqnr_db": 1e2,
    "operators": [{"match": "a*", "scheme": "dynamic", "per_channel": true}, {"match": "b", "weight_bits": 8}]})";
  REQUIRE(Recipe::from_json(text).ok());
  const auto check = [](const std::string& t) {
    const auto r = Recipe::from_json(t);
    if (!r.ok()) return;
    const auto again = Recipe::from_json(r->to_json());
    REQUIRE_MESSAGE(again.ok(), t);
    CHECK(*again == *r);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    check(text.substr(0, i));
    for (const char c : std::string("\"[]{}:,0-9e.\xff ")) {
      std::string damaged = text;
      damaged[i] = c;
      check(damaged);
    }
  }
}

TEST_CASE("the first entry that matches an operator counts, after what is kept in float") {
  test::GraphBuilder b(1);
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId c = b.conv_2d(x, {.out = 4});
  b.graph().value(c).name = "conv1";
  const ValueId d = b.conv_2d(c, {.out = 4});
  b.graph().value(d).name = "conv2";
  b.graph().nodes[1].origins = {"block/conv", "block/bn"};
  const ValueId r = b.op(OpKind::RELU, {d});
  b.output(r, "y");
  const Graph g = b.build();

  auto recipe = Recipe::from_json(R"({
    "weight_bits": 4, "block": 64, "keep_float": ["*/bn"],
    "operators": [{"match": "conv1", "scheme": "weight-only", "weight_bits": 8},
                  {"match": "CONV_2D", "scheme": "dynamic"}]})");
  REQUIRE_MESSAGE(recipe.ok(), recipe.status().message());
  const OperatorChoice one = choice_for(*recipe, g, 0), two = choice_for(*recipe, g, 1),
                       rest = choice_for(*recipe, g, 2);
  CHECK(one.scheme == Scheme::weight_only);
  CHECK(one.weights == WeightForm{8, 0, true});  // 8 bits have no blocks, whatever the recipe says
  CHECK(one.reason() == "weight-only by 'conv1'");
  CHECK(two.scheme == Scheme::floating);
  CHECK(two.reason() == "kept in float by '*/bn'");
  CHECK(rest.scheme == Scheme::int8);
  CHECK(rest.reason().empty());
  recipe->keep_float.clear();
  CHECK(choice_for(*recipe, g, 1).scheme == Scheme::dynamic);
  CHECK(choice_for(*recipe, g, 1).weights == WeightForm{4, 64, true});

  CHECK(check_operators(*recipe, g).ok());
  recipe->operators.push_back({.match = "conv3"});
  CHECK(check_operators(*recipe, g).message() == "'operators': entry 2: no operator matches 'conv3'");
}

TEST_CASE("globs") {
  CHECK(glob_match("conv*", "conv1/add"));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("a?c", "abc"));
  CHECK(glob_match("*x*y*", "axbyc"));
  CHECK(glob_match("**a", "bba"));
  CHECK(!glob_match("conv", "conv1"));
  CHECK(!glob_match("a?c", "ac"));
  CHECK(!glob_match("*x", "xy"));
  CHECK(!glob_match("", "a"));
}
