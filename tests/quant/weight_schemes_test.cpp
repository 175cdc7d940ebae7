// Weights that shrink where activations stay float: int8, int4 per channel and in blocks, float16; for a
// whole graph or for some of its operators.
#include <bit>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <random>
#include <tuple>

#include "kernels/op_spec.hpp"
#include "quant/assign/scales.hpp"
#include "quant/quantize.hpp"
#include "schema/core/half.hpp"
#include "schema/core/int4.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

std::vector<float> normal(size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<float> v(n);
  for (float& x : v) {
    double sum = 0;
    for (int i = 0; i < 12; ++i)
      sum += static_cast<double>(engine()) / 4294967296.0;
    x = static_cast<float>(sum - 6);
  }
  return v;
}

double error(const std::vector<float>& w, const Shape& shape, const Quantization& q) {
  const std::vector<int8_t> integers = int4_weights(w, shape, q);
  const Channels channels = channels_of(shape, q);
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    CHECK(std::abs(integers[i]) <= 7);
    const double e = static_cast<double>(w[i]) -
                     integers[i] * static_cast<double>(q.at(channels.of(static_cast<int64_t>(i))).scale);
    sum += e * e;
  }
  return sum;
}

int64_t count_schemes(const Graph& g, OpKind kind) {
  return std::count_if(g.nodes.begin(), g.nodes.end(), [&](const Node& n) { return n.kind == kind; });
}

// What kind of node has an input of this type.
std::string readers_of(const Graph& g, DType type) {
  std::string names;
  for (const Node& n : g.nodes)
    for (ValueId v : n.inputs)
      if (v != kNoValue && g.value(v).dtype == type) names += std::string(name_of(n.kind)) + " ";
  return names;
}

// Convolutions and two matrix products; the inputs of one are no blocks of 32.
ModelData net_weight_schemes() {
  GraphBuilder b(11);
  ValueId x = b.input("x", {1, 8, 8, 4});
  x = b.conv_2d(x, {.out = 16, .act = Activation::Kind::relu});
  b.graph().value(x).name = "conv1";
  x = b.depthwise_conv_2d(x, {.act = Activation::Kind::relu});
  b.graph().value(x).name = "depthwise";
  x = b.reshape(x, {1, 1024});
  x = b.op(OpKind::RELU, {b.fully_connected(x, 40)});
  x = b.fully_connected(x, 10);
  b.graph().value(x).name = "logits";
  b.output(x);
  return model_of(b.build());
}

QuantizedData quantized_weight_schemes(const ModelData& m, const Recipe& recipe, int64_t count = 96) {
  RandomSamples samples(m, count);
  auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  REQUIRE(q->report.error);
  const auto bytes = serialize(*q->model);
  REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
  CHECK(q->report.output_bytes == static_cast<int64_t>(bytes->size()));
  return *std::move(q);
}

Recipe int4(int32_t block = 0, Scheme scheme = Scheme::weight_only) {
  Recipe r = Recipe::of(scheme);
  r.weight_bits = 4;
  r.block = block;
  return r;
}

}  // namespace

TEST_CASE("int4 scales are searched for, not taken from the greatest weight") {
  const Shape shape{6, 96};
  auto w = normal(6 * 96, 1);
  for (size_t i = 96; i < 192; ++i)
    w[i] *= 100;
  std::fill(w.begin() + 192, w.begin() + 288, 0.0f);
  const Quantization q = int4_quantization(w, shape, 0);
  REQUIRE(q.params().size() == 6);
  std::vector<Affine> plain;
  for (size_t c = 0; c < 6; ++c) {
    float most = 0;
    for (size_t i = 0; i < 96; ++i)
      most = std::max(most, std::fabs(w[c * 96 + i]));
    plain.push_back({most > 0 ? most / 7 : 1, 0});
  }
  CHECK(error(w, shape, q) < 0.9 * error(w, shape, Quantization::per_channel(0, plain)));
  CHECK(q.at(2).scale == q.at(1).scale);  // all zero: the largest of the others
  // Values that lie on a grid stay what they are.
  std::vector<float> grid(96);
  for (size_t i = 0; i < grid.size(); ++i)
    grid[i] = 0.03f * static_cast<float>(static_cast<int>(i % 15) - 7);
  CHECK(error(grid, Shape{1, 96}, int4_quantization(grid, Shape{1, 96}, 0)) < 1e-9);
  CHECK(int4_quantization(w, shape, -1).params().size() == 1);

  const Quantization blocks = int4_blocks(w, 32);
  REQUIRE(blocks.params().size() == 18);
  CHECK(error(w, shape, blocks) < error(w, shape, q));
  for (const Affine& a : blocks.params()) {
    CHECK((std::bit_cast<uint32_t>(a.scale) & 0xFFFF) == 0);
    CHECK(half_to_float(float_to_half(a.scale)) == a.scale);
  }
  for (const float extreme : {1e-30f, 3e-6f, 1e-4f, 4.4e5f}) {
    const std::vector<float> v(32, extreme);
    const float s = int4_blocks(v, 32).scale();
    CAPTURE(extreme);
    CHECK(half_to_float(float_to_half(s)) == s);
    CHECK(s >= 0x1p-17f);
  }
}

TEST_CASE("int4 weights: what is in the file, and what that costs") {
  const ModelData m = net_weight_schemes();
  const auto floats = serialize(m);
  Recipe nearest = int4();
  nearest.rounding = Rounding::nearest;
  nearest.bias_correction = false;
  const QuantizedData q = quantized_weight_schemes(m, nearest);
  const Graph& g = q.model->main();
  CHECK(readers_of(g, DType::int4) == "DEQUANTIZE DEQUANTIZE DEQUANTIZE DEQUANTIZE ");
  for (const Node& n : g.nodes)
    if (n.kind == OpKind::DEQUANTIZE) CHECK(n.version == 6);
  for (const Value& v : g.values)
    if (v.dtype == DType::int4) CHECK(v.quant.is_per_channel());
  CHECK(q.report.output_bytes < static_cast<int64_t>(floats->size()) / 5);
  CHECK(q.report.error->sqnr_db > 12);
  CHECK(q.report.ops_int8 == 0);

  const QuantizedData refined = quantized_weight_schemes(m, int4());
  CHECK(refined.report.error->sqnr_db > q.report.error->sqnr_db);

  Recipe one = nearest;
  one.per_channel = false;
  const QuantizedData whole = quantized_weight_schemes(m, one);
  for (const Value& v : whole.model->main().values)
    if (v.dtype == DType::int4) CHECK(v.quant.params().size() == 1);

  // Activations quantized_weight_schemes in every run: what can reads int4 itself.
  const QuantizedData dynamic = quantized_weight_schemes(m, int4(0, Scheme::dynamic));
  CHECK(count_schemes(dynamic.model->main(), OpKind::DEQUANTIZE) == 0);
  CHECK(dynamic.report.error->sqnr_db > 12);
  CHECK(dynamic.report.ops_int8 == 4);
}

TEST_CASE("int4 weights in blocks, where an operator takes them") {
  const ModelData m = net_weight_schemes();
  const QuantizedData q = quantized_weight_schemes(m, int4(32));
  const Graph& g = q.model->main();
  // 1024 inputs are blocks of 32, 40 are not; convolutions have none.
  CHECK(readers_of(g, DType::int4) == "DEQUANTIZE DEQUANTIZE FULLY_CONNECTED DEQUANTIZE ");
  int blockwise = 0;
  for (const Value& v : g.values)
    if (v.quant.is_blockwise()) {
      ++blockwise;
      CHECK(v.quant.block() == 32);
      CHECK(v.quant.params().size() == 40 * 32);
    }
  CHECK(blockwise == 1);
  REQUIRE(q.report.findings.size() == 1);
  CHECK(q.report.findings[0].where == "logits");
  CHECK(q.report.findings[0].what == "its 40 inputs are not blocks of 32; one scale per channel");
  CHECK(q.report.error->sqnr_db > quantized_weight_schemes(m, int4()).report.error->sqnr_db - 0.5);
  // Through a file it is the same model.
  auto bytes = std::make_shared<const std::vector<std::byte>>(*serialize(*q.model));
  const std::span<const std::byte> view = *bytes;
  const auto again = read_model(bytes, view, "m");
  REQUIRE_MESSAGE(again.ok(), again.status().message());
  CHECK(*serialize(**again) == *bytes);
  RandomSamples samples(m, 8);
  const auto same = compare(*q.model, **again, samples, {});
  REQUIRE(same.ok());
  CHECK(same->sqnr_db == kExactDb);
}

TEST_CASE("the same bytes, whatever the number of threads") {
  const ModelData m = net_weight_schemes();
  for (const Recipe& recipe : {int4(), int4(64), int4(32, Scheme::dynamic)}) {
    std::vector<std::vector<std::byte>> results;
    for (const int threads : {1, 2}) {
      RandomSamples samples(m, 24);
      QuantizeOptions options;
      options.threads = threads;
      const auto q = quantize(m, samples, recipe, options);
      REQUIRE(q.ok());
      results.push_back(*serialize(*q->model));
    }
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("operators of an int8 graph that differ") {
  const ModelData m = net_weight_schemes();
  const auto recipe = Recipe::from_json(R"({"operators": [
      {"match": "logits", "scheme": "float"},
      {"match": "FULLY_CONNECTED", "scheme": "weight-only", "weight_bits": 4, "block": 64},
      {"match": "depth*", "scheme": "float16"}]})");
  REQUIRE_MESSAGE(recipe.ok(), recipe.status().message());
  const QuantizedData q = quantized_weight_schemes(m, *recipe);
  const Graph& g = q.model->main();
  CHECK(q.report.ops_int8 == 2);  // the convolution and RESHAPE
  CHECK(q.report.ops_float == 3);
  std::vector<std::string> reasons;
  for (const Fallback& f : q.report.fallback)
    reasons.push_back(f.reason);
  CHECK(reasons == std::vector<std::string>{"float16 by 'depth*'", "weight-only by 'FULLY_CONNECTED'",
                                            "kept in float by 'logits'"});
  CHECK(readers_of(g, DType::int4) == "FULLY_CONNECTED ");
  CHECK(readers_of(g, DType::float16) == "DEQUANTIZE ");
  // Nothing of what was shrunk is left behind.
  for (const Value& v : g.values)
    if (v.is_constant() && v.dtype == DType::float32) CHECK(v.shape.elements() <= 400);
  CHECK(q.report.error->sqnr_db > 15);

  Recipe none = *recipe;
  none.operators.push_back({.match = "no_such_operator"});
  RandomSamples samples(m, 4);
  CHECK(quantize(m, samples, none).status().message() ==
        "the recipe: 'operators': entry 3: no operator matches 'no_such_operator'");
}

TEST_CASE("a model with int4 weights becomes int8 throughout") {
  const ModelData m = net_weight_schemes();
  for (const int32_t block : {0, 32}) {
    const QuantizedData four = quantized_weight_schemes(m, int4(block, Scheme::dynamic));
    const QuantizedData eight = quantized_weight_schemes(*four.model, Recipe::int8());
    CHECK(eight.report.ops_float == 0);
    CHECK(readers_of(eight.model->main(), DType::int4).empty());
    CHECK(eight.report.error->sqnr_db > 25);  // against the model with int4 weights
  }
}

TEST_CASE("operators of a weight-only graph that differ") {
  const ModelData m = net_weight_schemes();
  const auto recipe = Recipe::from_json(R"({"scheme": "weight-only", "operators": [
      {"match": "logits", "weight_bits": 8},
      {"match": "FULLY_CONNECTED", "scheme": "dynamic", "weight_bits": 4},
      {"match": "conv1", "scheme": "float"}]})");
  REQUIRE_MESSAGE(recipe.ok(), recipe.status().message());
  const QuantizedData q = quantized_weight_schemes(m, *recipe);
  const Graph& g = q.model->main();
  CHECK(readers_of(g, DType::int4) == "FULLY_CONNECTED ");
  CHECK(readers_of(g, DType::int8) == "DEQUANTIZE DEQUANTIZE ");
  REQUIRE(q.report.fallback.size() == 1);
  CHECK(q.report.fallback[0].op == "conv1");
  CHECK(q.report.fallback[0].reason == "kept in float by 'conv1'");
  // Nothing but what is asked for.
  const auto few = Recipe::from_json(R"({"scheme": "float", "operators": [
      {"match": "logits", "scheme": "float16"}]})");
  REQUIRE(few.ok());
  CHECK(readers_of(quantized_weight_schemes(m, *few).model->main(), DType::float16) == "DEQUANTIZE ");
}

TEST_CASE("real networks with int4 weights") {
  const char* folder = std::getenv("OCTET_MODELS");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  const std::string root = folder;
  // Their weights are products of integers in [-7, 7] and scales, per channel and in blocks: nothing may be
  // lost but what quantizing activations costs where the weights are in blocks.
  for (const auto& [file, block, least] :
       {std::tuple{"channel_i4rangedvalues_fc", 0, 90.0}, {"blockwise_i4rangedvalues_fc", 32, 35.0}}) {
    CAPTURE(file);
    const auto m = read_model(root + "/unit_models/aeq/" + file + ".tflite");
    REQUIRE_MESSAGE(m.ok(), m.status().message());
    RandomSamples samples(**m, 16);
    const auto q = quantize(**m, samples, int4(block));
    REQUIRE_MESSAGE(q.ok(), q.status().message());
    CHECK(q->report.error->sqnr_db > least);
    CHECK(q->report.output_bytes < q->report.input_bytes / 5);
  }
}
