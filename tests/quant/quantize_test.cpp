// The whole way, on small graphs: float in, int8 out, close to each other.
#include "quant/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "graph/verify.hpp"
#include "kernels/op_spec.hpp"
#include "quant/statistics/runner.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"
#include "tests/support/recurrent.hpp"

using namespace octet;
using namespace octet::test;

namespace {

GraphBuilder small_net() {
  GraphBuilder b(5);
  const ValueId x = b.input("x", {1, 12, 12, 3});
  const ValueId a = b.conv_2d(x, {.out = 8, .act = Activation::Kind::relu});
  const ValueId d = b.depthwise_conv_2d(a, {.act = Activation::Kind::relu6});
  const ValueId s = b.op(OpKind::ADD, {a, d});
  const ValueId c = b.op(OpKind::CONCATENATION, {s, a}, ConcatAttrs{.axis = 3});
  const ValueId r = b.reshape(c, {1, 12 * 12 * 16});
  // Logits of a few units: with larger ones the result would hang on the rounding of the two greatest.
  const ValueId f =
      b.op(OpKind::FULLY_CONNECTED, {r, b.random({10, 12 * 12 * 16}, -0.05f, 0.05f), b.random({10})});
  b.output(b.op(OpKind::SOFTMAX, {f}, SoftmaxAttrs{}), "y");
  return b;
}

QuantizedData quantized_local(const ModelData& m, const Recipe& recipe = {}) {
  RandomSamples samples(m, 12);
  auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  return *std::move(q);
}

int count(const Graph& g, OpKind kind) {
  int n = 0;
  for (const Node& node : g.nodes)
    n += node.kind == kind ? 1 : 0;
  return n;
}

}  // namespace

TEST_CASE("a small network becomes int8 throughout and stays close") {
  const ModelData m = model_of(small_net().build());
  const QuantizedData q = quantized_local(m);
  const Graph& g = q.model->main();
  CHECK(q.report.ops_float == 0);
  CHECK(q.report.fallback.empty());
  CHECK(q.report.ops_int8 == 7);
  CHECK(count(g, OpKind::QUANTIZE) == 1);
  CHECK(count(g, OpKind::DEQUANTIZE) == 1);
  CHECK(g.value(g.inputs[0]).name == "x");
  CHECK(g.value(g.inputs[0]).dtype == DType::float32);
  CHECK(g.value(g.outputs[0]).name == "y");
  CHECK(g.value(g.outputs[0]).dtype == DType::float32);
  REQUIRE(q.report.error);
  CHECK(q.report.error->sqnr_db > 24);
  CHECK(q.report.error->layers.size() >= 6);
  CHECK(q.report.output_bytes < q.report.input_bytes / 2);
  CHECK(verify_quantized(g).ok());
}

TEST_CASE("the same model, data and recipe give the same bytes") {
  const ModelData m = model_of(small_net().build());
  const auto a = serialize(*quantized_local(m).model), b = serialize(*quantized_local(m).model);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK(*a == *b);
}

TEST_CASE(
    "shapes that a file declares for values inside the graph are declarations, and wrong ones are told") {
  const ModelData honest = model_of(small_net().build());
  const auto wanted = serialize(*quantized_local(honest).model);
  REQUIRE(wanted.ok());
  for (const Shape& lie : {Shape{1, 1024, 1024, 8}, Shape{1, 12, 12, 2}, Shape{}, Shape{1, 1, 1, 1, 1, 7}}) {
    ModelData m = honest;
    std::string name;
    for (const Node& n : m.main().nodes) {
      if (n.kind != OpKind::CONV_2D && n.kind != OpKind::DEPTHWISE_CONV_2D) continue;
      m.main().value(n.outputs[0]).shape = lie;
      name = m.main().value(n.outputs[0]).name;
    }
    const QuantizedData q = quantized_local(m);
    CHECK(*serialize(*q.model) == *wanted);
    CHECK(std::any_of(q.report.findings.begin(), q.report.findings.end(), [&](const Finding& f) {
      return f.where == name && f.what.find("is declared " + lie.to_string()) != std::string::npos;
    }));
  }
  ModelData m = honest;
  for (const Node& n : m.main().nodes)
    if (n.kind == OpKind::CONV_2D) m.main().value(n.outputs[0]).shape = Shape{1, 1024, 1024, 8};
  for (const Scheme scheme : {Scheme::int16x8, Scheme::dynamic, Scheme::weight_only, Scheme::float16})
    CHECK(quantized_local(m, Recipe::of(scheme)).model != nullptr);
}

TEST_CASE("a model with int8 weights and float activations becomes int8 throughout, with the same weights") {
  GraphBuilder b(4);
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId w = b.raw("w", DType::int8, {4, 1, 1, 3},
                          Constant::of(std::vector<int8_t>{127, -3, 50, 12, 127, 0, -127, 5, 60, 1, 2, -127}),
                          Quantization::per_channel(0, {{0.01f, 0}, {0.02f, 0}, {0.03f, 0}, {0.04f, 0}}));
  b.output(b.op(OpKind::CONV_2D, {x, w, b.random({4})}, Conv2DAttrs{}), "y");
  const ModelData m = model_of(b.build());
  Recipe recipe;
  recipe.rounding = Rounding::nearest;
  const QuantizedData q = quantized_local(m, recipe);
  CHECK(q.report.ops_float == 0);
  const Graph& g = q.model->main();
  for (const Value& v : g.values)
    if (v.name == "w")
      CHECK(std::ranges::equal(v.constant.as<int8_t>(), m.main().value(w).constant.as<int8_t>()));
  CHECK(q.report.error->sqnr_db > 35);
}

TEST_CASE("integer inputs and outputs on request") {
  const ModelData m = model_of(small_net().build());
  for (const auto& [io, type] : {std::pair{Io::int8, DType::int8}, {Io::uint8, DType::uint8}}) {
    Recipe recipe;
    recipe.io = io;
    const QuantizedData q = quantized_local(m, recipe);
    const Graph& g = q.model->main();
    CHECK(g.value(g.inputs[0]).dtype == type);
    CHECK(g.value(g.outputs[0]).dtype == type);
    CHECK(!g.value(g.inputs[0]).quant.empty());
    CHECK(count(g, OpKind::DEQUANTIZE) == 0);
    REQUIRE(q.report.error);
    CHECK(q.report.error->sqnr_db > 24);
  }
}

TEST_CASE("what stays float has its reason, and conversions around it") {
  const ModelData m = model_of(small_net().build());
  Recipe recipe;
  recipe.keep_float = {"DEPTHWISE_CONV_2D"};
  const QuantizedData q = quantized_local(m, recipe);
  CHECK(q.report.ops_float == 1);
  REQUIRE(q.report.fallback.size() == 1);
  CHECK(q.report.fallback[0].kind == "DEPTHWISE_CONV_2D");
  CHECK(count(q.model->main(), OpKind::QUANTIZE) == 2);
  CHECK(count(q.model->main(), OpKind::DEQUANTIZE) == 2);
}

TEST_CASE("a clamp without a code in the format is saturated away in int8 and spelled out in float") {
  GraphBuilder b(2);
  const ValueId x = b.input("x", {1, 6, 6, 2});
  b.output(b.conv_2d(x, {.out = 4, .act = Activation::clamp(0.0f, 0.4f)}), "y");
  const ModelData m = model_of(b.build());
  const QuantizedData q = quantized_local(m);
  CHECK(q.report.ops_float == 0);
  REQUIRE(q.report.error);
  CHECK(q.report.error->sqnr_db > 30);
  CHECK(count(q.model->main(), OpKind::MAXIMUM) == 0);
  Recipe recipe;
  recipe.keep_float = {"CONV_2D"};
  const QuantizedData f = quantized_local(m, recipe);
  CHECK(count(f.model->main(), OpKind::MAXIMUM) == 1);
  CHECK(count(f.model->main(), OpKind::MINIMUM) == 1);
  REQUIRE(f.report.error);
  CHECK(f.report.error->sqnr_db > 90);
  CHECK(serialize(*f.model).ok());
}

TEST_CASE("a target in dB keeps the worst operators in float until it is met") {
  const ModelData m = model_of(small_net().build());
  Recipe recipe;
  recipe.min_sqnr_db = 60;
  const QuantizedData q = quantized_local(m, recipe);
  REQUIRE(q.report.error);
  CHECK(q.report.target_met);
  CHECK(q.report.ops_int16 + q.report.ops_float > 0);
  // On samples that the search did not see it may miss, and says so.
  const bool said = std::ranges::any_of(q.report.findings, [](const Finding& f) {
    return f.what.starts_with("reach 60 dB on the samples of the search");
  });
  CHECK(said == (q.report.measured_on.sqnr_db < 60));
}

TEST_CASE("schemes that need no data") {
  const ModelData m = model_of(small_net().build());
  for (const auto& [scheme, least] : {std::pair{Scheme::float16, 50.0}, {Scheme::weight_only, 25.0}}) {
    CAPTURE(name_of(scheme));
    const QuantizedData q = quantized_local(m, Recipe::of(scheme));
    REQUIRE(q.report.error);
    CHECK(q.report.error->sqnr_db > least);
    CHECK(q.report.output_bytes < q.report.input_bytes * 6 / 10);
    CHECK(serialize(*q.model).ok());
  }
}

TEST_CASE("16-bit activations: int16 throughout, int8 weights, 64-bit biases, closer than 8 bits") {
  const ModelData m = model_of(small_net().build());
  const QuantizedData q = quantized_local(m, Recipe::of(Scheme::int16x8)), narrow = quantized_local(m);
  CHECK(q.report.ops_int16 == 7);
  CHECK(q.report.ops_int8 == 0);
  CHECK(q.report.ops_float == 0);
  CHECK(q.report.fallback.empty());
  REQUIRE(q.report.error);
  CHECK(q.report.error->sqnr_db > narrow.report.error->sqnr_db + 6);
  const Graph& g = q.model->main();
  CHECK(verify_quantized(g).ok());
  CHECK(g.value(g.inputs[0]).dtype == DType::float32);
  for (const Node& n : g.nodes) {
    if (n.kind == OpKind::QUANTIZE || n.kind == OpKind::DEQUANTIZE) continue;
    CAPTURE(name_of(n.kind));
    CHECK(g.value(n.inputs[0]).dtype == DType::int16);
    CHECK(g.value(n.outputs[0]).dtype == DType::int16);
    CHECK(g.value(n.outputs[0]).quant.zero_point() == 0);
    CHECK(n.version == find_spec(n.kind)->version_int16);
    if (n.kind == OpKind::CONV_2D) {
      CHECK(g.value(n.inputs[1]).dtype == DType::int8);
      CHECK(g.value(n.inputs[2]).dtype == DType::int64);
    }
    if (n.kind == OpKind::ADD) CHECK_FALSE(std::get<BinaryAttrs>(n.attrs).pot_scale_int16);
    if (n.kind == OpKind::SOFTMAX) CHECK(g.value(n.outputs[0]).quant.scale() == 1.0f / 32768);
  }
  CHECK(serialize(*q.model).ok());
}

TEST_CASE(
    "16-bit activations: what has no int16 form computes in int8, is reported, and is converted to and "
    "from") {
  GraphBuilder b(7);
  const Recurrent r;
  const ValueId x = b.input("x", r.input());
  const ValueId e = b.op(OpKind::SQUARE, {x});
  b.output(b.op(OpKind::NEG, {lstm(b, e, r)}), "y");
  const ModelData m = model_of(b.build());
  const QuantizedData q = quantized_local(m, Recipe::of(Scheme::int16x8));
  CHECK(q.report.ops_int16 == 2);
  CHECK(q.report.ops_int8 == 1);
  REQUIRE(q.report.fallback.size() == 1);
  CHECK(q.report.fallback[0].kind == "UNIDIRECTIONAL_SEQUENCE_LSTM");
  CHECK(q.report.fallback[0].type == DType::int8);
  CHECK(verify_quantized(q.model->main()).ok());
  CHECK(q.report.error->sqnr_db > 20);
}

TEST_CASE("16-bit inputs and outputs on request, of 8-bit and of 16-bit models") {
  const ModelData m = model_of(small_net().build());
  for (Scheme scheme : {Scheme::int8, Scheme::int16x8})
    for (const auto& [io, type] :
         {std::pair{Io::int16, DType::int16}, {Io::int8, DType::int8}, {Io::uint8, DType::uint8}}) {
      CAPTURE(name_of(scheme));
      CAPTURE(name_of(io));
      Recipe recipe = Recipe::of(scheme);
      recipe.io = io;
      recipe.reader = Reader::octet;  // others widen no integers
      const QuantizedData q = quantized_local(m, recipe);
      const Graph& g = q.model->main();
      CHECK(g.value(g.inputs[0]).dtype == type);
      CHECK(g.value(g.outputs[0]).dtype == type);
      CHECK(count(g, OpKind::DEQUANTIZE) == 0);
      CHECK(q.report.error->sqnr_db > 20);
    }
}

TEST_CASE("8-bit borders of 16-bit values have the range that 8 bits would have had") {
  const ModelData m = model_of(small_net().build());
  Quantization in[2], out[2];
  for (const auto& [i, scheme] : {std::pair{0, Scheme::int8}, {1, Scheme::int16x8}}) {
    Recipe recipe = Recipe::of(scheme);
    recipe.io = Io::int8;
    const QuantizedData q = quantized_local(m, recipe);
    in[i] = q.model->main().value(q.model->main().inputs[0]).quant;
    out[i] = q.model->main().value(q.model->main().outputs[0]).quant;
  }
  CHECK(in[0] == in[1]);
  CHECK(out[0] == out[1]);
  CHECK(out[0].scale() == 1.0f / 256);  // a SOFTMAX's, whatever was seen
}

TEST_CASE(
    "a pattern that matches nothing is an error, repeated data a finding, and an unknown shape is inferred") {
  GraphBuilder b(3);
  const ValueId x = b.input("x", {1, 64});
  const ValueId y = b.op(OpKind::ABS, {x});
  b.output(b.op(OpKind::EXP, {y}), "z");
  b.graph().value(y).has_rank = false;
  b.graph().value(y).shape = {};
  const ModelData m = model_of(b.build());
  RandomSamples samples(m, 8);
  Recipe recipe;
  recipe.keep_float = {"CONV_*"};
  const auto refused = quantize(m, samples, recipe);
  REQUIRE(!refused.ok());
  CHECK(refused.status().message().find("no operator matches 'CONV_*'") != std::string::npos);
  const auto says = [](const QuantizedData& q, std::string_view what) {
    return std::ranges::any_of(q.report.findings,
                               [&](const Finding& f) { return f.what.find(what) != std::string::npos; });
  };
  const auto q = quantize(m, samples, {});
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  CHECK(!says(*q, "again and again"));
  // One sample, many times.
  SampleSet same;
  for (int64_t i = 0; i < 8; ++i) {
    RandomSamples one(m, 1);
    std::vector<ConstTensorView> sample;
    REQUIRE(one.next(sample).ok());
    keep_sample(same, i, sample);
  }
  KeptSamples repeated({&same});
  const auto odd = quantize(m, repeated, {});
  REQUIRE_MESSAGE(odd.ok(), odd.status().message());
  CHECK(says(*odd, "again and again"));
}

TEST_CASE("a result under 0 dB is raised for a target alone") {
  // The difference of two large numbers that are rounded apart.
  GraphBuilder b(3);
  const ValueId x = b.input("x", {1, 64}), y = b.input("y", {1, 64});
  const ValueId a = b.op(OpKind::EXP, {b.op(OpKind::ADD, {x, b.scalar(4)})});
  const ValueId c = b.op(OpKind::MUL, {y, b.scalar(1e-3f)});
  b.output(b.op(OpKind::SUB, {b.op(OpKind::ADD, {a, c}), a}), "z");
  const QuantizedData q = quantized_local(model_of(b.build()));
  REQUIRE(q.report.error);
  CHECK(q.report.error->sqnr_db < 0);
  CHECK(q.report.fallback.empty());
  CHECK(q.report.findings.size() == 1);  // that this is little
}

TEST_CASE("a network that corrects its own picture rounds the picture to 16 bits") {
  GraphBuilder b(11);
  const ValueId x = b.input("x", {1, 8, 8, 1});
  const ValueId up =
      b.op(OpKind::RESIZE_BILINEAR, {x, b.ints({16, 16})}, ResizeAttrs{.half_pixel_centers = true});
  const ValueId h = b.conv_2d(x, {.out = 8, .act = Activation::Kind::relu});
  const ValueId c = b.op(OpKind::MUL, {b.conv_2d(h, {.out = 4}), b.scalar(0.1f)});
  b.output(b.op(OpKind::ADD, {up, b.op(OpKind::DEPTH_TO_SPACE, {c}, BlockAttrs{2})}), "y");
  const ModelData m = model_of(b.build());
  double db[2] = {};
  for (const auto& [i, io] : {std::pair{0, Io::keep}, {1, Io::int8}}) {
    Recipe recipe;
    recipe.io = io;
    const QuantizedData q = quantized_local(m, recipe);
    CHECK(q.report.ops_int16 == 2);
    CHECK(q.report.ops_float == 0);
    CHECK(q.report.fallback.empty());
    REQUIRE(q.report.error);
    db[i] = q.report.error->sqnr_db;
    // With `wide` off, or asked for by name, it is 8 bits all through.
    recipe.wide = false;
    CHECK(quantized_local(m, recipe).report.ops_int16 == 0);
    recipe.wide = true;
    recipe.operators.push_back(
        {.match = "ADD", .scheme = Scheme::int8, .bits = {}, .block = {}, .per_channel = {}});
    CHECK(quantized_local(m, recipe).report.ops_int16 == 1);
    // An 8-bit picture is read as it comes: no second conversion for the convolution.
    CHECK(count(q.model->main(), OpKind::QUANTIZE) == 3);
  }
  CHECK(db[0] > 40);
  CHECK(db[1] > 36);
  CHECK(db[1] < db[0]);
}

TEST_CASE("NaN in the data is left out and reported") {
  const ModelData m = model_of(small_net().build());
  class Poisoned final : public SampleSource {
   public:
    explicit Poisoned(const ModelData& m) : inner_(m, 6) {}
    Result<bool> next(std::vector<ConstTensorView>& sample) override {
      auto more = inner_.next(sample);
      if (more.ok() && *more) const_cast<float*>(sample[0].as<float>())[3] = std::nanf("");
      return more;
    }
    Status rewind() override { return inner_.rewind(); }

   private:
    RandomSamples inner_;
  } samples(m);
  const auto q = quantize(m, samples, {});
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  bool reported = false;
  for (const Finding& f : q->report.findings)
    reported = reported || (f.where == "x" && f.what.find(" NaN") != std::string::npos);
  CHECK(reported);
}

TEST_CASE("a quantized model is not quantized again") {
  const ModelData m = model_of(small_net().build());
  Recipe recipe;
  recipe.io = Io::int8;
  const QuantizedData q = quantized_local(m, recipe);
  const auto again = prepare(*q.model, {});
  REQUIRE(!again.ok());
  CHECK(again.status().message().starts_with("is quantized already: tensor 'x' is int8"));
}

TEST_CASE("statistics of another model are refused, and the tensor is named") {
  const ModelData m = model_of(small_net().build());
  CHECK(quantize(m, StatisticsStore(), {}).status().message().find("have nothing on tensor") !=
        std::string::npos);
}

TEST_CASE("the verifier notices every kind of corruption") {
  const ModelData m = model_of(small_net().build());
  const QuantizedData q = quantized_local(m);
  const Graph& good = q.model->main();
  auto find = [&](OpKind kind) {
    for (size_t i = 0; i < good.nodes.size(); ++i)
      if (good.nodes[i].kind == kind) return i;
    return size_t{0};
  };
  const size_t conv = find(OpKind::CONV_2D), concat = find(OpKind::CONCATENATION),
               softmax = find(OpKind::SOFTMAX);
  auto expect = [&](const char* message, auto corrupt) {
    Graph g = good;
    corrupt(g);
    const Status s = verify_quantized(g);
    CAPTURE(message);
    CAPTURE(s.message());
    CHECK(s.message().find(message) != std::string::npos);
  };
  auto input = [](Graph& g, size_t node, size_t i) -> Value& { return g.value(g.nodes[node].inputs[i]); };
  auto output = [](Graph& g, size_t node) -> Value& { return g.value(g.nodes[node].outputs[0]); };
  auto shifted = [](const Quantization& q, float factor, int64_t zero) {
    std::vector<Affine> p(q.params().begin(), q.params().end());
    for (Affine& a : p) {
      a.scale *= factor;
      a.zero_point += zero;
    }
    return q.is_per_channel() ? Quantization::per_channel(*q.axis(), p) : Quantization::per_tensor(p[0]);
  };
  expect("must stay in [-127, 127]", [&](Graph& g) {
    Value& w = input(g, conv, 1);
    std::vector<int8_t> data(w.constant.as<int8_t>().begin(), w.constant.as<int8_t>().end());
    data[0] = -128;
    w.constant = Constant::of(data);
  });
  expect("must be 0", [&](Graph& g) { input(g, conv, 1).quant = shifted(input(g, conv, 1).quant, 1, 1); });
  expect("must be 0", [&](Graph& g) { input(g, conv, 2).quant = shifted(input(g, conv, 2).quant, 1, 1); });
  expect("must be", [&](Graph& g) { input(g, conv, 2).quant = shifted(input(g, conv, 2).quant, 1.01f, 0); });
  expect("along axis 3", [&](Graph& g) {
    const auto p = input(g, conv, 1).quant.params();
    input(g, conv, 1).quant = Quantization::per_channel(3, {p.begin(), p.end()});
  });
  expect("is int32, must be int8", [&](Graph& g) { input(g, conv, 1).dtype = DType::int32; });
  expect("is int16, must be int32", [&](Graph& g) { input(g, conv, 2).dtype = DType::int16; });
  expect("has no scale", [&](Graph& g) { output(g, conv).quant = {}; });
  expect("must have the type, scale and zero point of",
         [&](Graph& g) { input(g, concat, 0).quant = shifted(input(g, concat, 0).quant, 2, 0); });
  expect("the operator dictates",
         [&](Graph& g) { output(g, softmax).quant = shifted(output(g, softmax).quant, 2, 0); });
  expect("must be positive and normal",
         [&](Graph& g) { output(g, conv).quant = Quantization::per_tensor({1e-40f, 0}); });
  expect("outside of its type",
         [&](Graph& g) { output(g, conv).quant = Quantization::per_tensor({0.1f, 200}); });
  expect("must be per tensor", [&](Graph& g) {
    output(g, conv).quant = Quantization::per_channel(3, std::vector<Affine>(8, {0.1f, 0}));
  });
  expect("is float32, must be int8", [&](Graph& g) {
    output(g, conv).dtype = DType::float32;
    output(g, conv).quant = {};
  });
}

TEST_CASE("of equalized and plain weights the better result is kept") {
  GraphBuilder b(5);
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId hidden = b.conv_2d(x, {.out = 8, .act = Activation::Kind::relu});
  b.output(b.conv_2d(hidden, {.out = 4}), "y");
  Graph g = b.build();
  Value& weights = g.value(g.nodes[0].inputs[1]);  // channels of very different size, as equalization mends
  std::vector<float> w(weights.constant.as<float>().begin(), weights.constant.as<float>().end());
  for (size_t i = 0; i < w.size(); ++i)
    w[i] *= std::pow(10.0f, 0.5f * static_cast<float>(i / (w.size() / 8)));
  weights.constant = Constant::of(w);
  const ModelData m = model_of(std::move(g));

  const auto variants = variants_of(m, {});
  REQUIRE(variants.ok());
  REQUIRE(variants->size() == 2);
  CHECK((*variants)[0].prepared.equalized);
  CHECK(!(*variants)[1].prepared.equalized);
  CHECK(!(*variants)[1].recipe.equalize);

  // What the whole job returns is, on the samples that choose, the better of what both recipes give; on
  // others it is not much worse.
  const auto db = [&](const Recipe& recipe) { return quantized_local(m, recipe).report.error->sqnr_db; };
  Recipe plain;
  plain.equalize = false;
  CHECK(db({}) >= db(plain) - 1);
}
