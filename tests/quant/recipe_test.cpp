#include "quant/recipe.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace octet;

TEST_CASE("a recipe survives a round trip through JSON") {
  Recipe r;
  r.scheme = Scheme::weight_only;
  r.observer = "percentile";
  r.per_channel = false;
  r.io = Io::uint8;
  r.keep_float = {"conv*", "SOFTMAX"};
  r.equalize = false;
  r.spare_channels = false;
  r.rounding = Rounding::nearest;
  r.bias_correction = false;
  r.min_sqnr_db = 25.5;
  const auto again = Recipe::from_json(r.to_json());
  REQUIRE(again.ok());
  CHECK(*again == r);
  const auto empty = Recipe::from_json("{}");
  REQUIRE(empty.ok());
  CHECK(*empty == Recipe::int8());
}

TEST_CASE("mistakes in a recipe are named") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is not valid JSON"},
      {"[1]", "a recipe is a JSON object"},
      {R"({"schem": "int8"})",
       "unknown key 'schem'; there are scheme, observer, io, per_channel, equalize, spare_channels, "
       "rounding, "
       "bias_correction, keep_float, min_sqnr_db"},
      {R"({"scheme": "int4"})",
       "'scheme': no scheme 'int4'; there are int8, int16x8, dynamic, weight-only, float16"},
      {R"({"scheme": 8})", "'scheme': is not a string"},
      {R"({"observer": "best"})",
       "'observer': no observer 'best'; there are minmax, moving-average, percentile, mse, entropy"},
      {R"({"per_channel": 1})", "'per_channel': is not true or false"},
      {R"({"keep_float": "conv"})", "'keep_float': is not a list of strings"},
      {R"({"keep_float": [1]})", "'keep_float': is not a string"},
      {R"({"io": "int4"})", "'io': no io 'int4'; there are keep, int8, uint8, int16"},
      {R"({"rounding": "up"})", "'rounding': no rounding 'up'; there are nearest, compensated"},
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
