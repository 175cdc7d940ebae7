// Balanced channels in a whole quantization: less noise, and results that are told apart from errors.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "quant/measure/compare.hpp"
#include "quant/passes/channel_balance.hpp"
#include "quant/quantize.hpp"
#include "quant/statistics/keys.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

namespace octet::test {
namespace {

// Two convolutions; the channels between them differ by up to a factor of 50, and the reader's weights make
// that good, as training does.
ModelData uneven_net() {
  GraphBuilder b(5);
  const ValueId x = b.input("x", {1, 12, 12, 3});
  const ValueId hidden = b.conv_2d(x, {.out = 8, .act = Activation::Kind::relu});
  const ValueId y = b.conv_2d(hidden, {.out = 4, .filter = 1});
  b.output(y, "y");
  Graph g = b.build();
  const auto factor = [](size_t c) { return std::pow(50.0f, -static_cast<float>(c % 4) / 3); };
  const auto scale = [&](ValueId v, const auto& by) {
    std::vector<float> w(g.value(v).constant.as<float>().begin(), g.value(v).constant.as<float>().end());
    for (size_t i = 0; i < w.size(); ++i)
      w[i] *= by(i);
    g.value(v).constant = Constant::of(w);
  };
  const size_t inner = g.value(g.nodes[0].inputs[1]).constant.as<float>().size() / 8;
  scale(g.nodes[0].inputs[1], [&](size_t i) { return factor(i / inner); });
  scale(g.nodes[0].inputs[2], [&](size_t i) { return factor(i); });
  scale(g.nodes[1].inputs[1], [&](size_t i) { return 1 / factor(i % 8); });
  return model_of(std::move(g));
}

QuantizedData quantized(const ModelData& m, const Recipe& recipe = {}) {
  RandomSamples samples(m, 12);
  auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  return *std::move(q);
}

Recipe plain() {
  Recipe r;
  r.equalize = false;  // which would mend this network, too
  r.balance = false;
  return r;
}

Comparison on_new_data(const ModelData& real, const ModelData& q) {
  RandomSamples samples(real, 8, 100);
  CompareOptions options;
  options.layers = true;
  const auto c = compare(real, q, samples, options);
  REQUIRE_MESSAGE(c.ok(), c.status().message());
  return *c;
}

}  // namespace

TEST_CASE("balancing wins decibels on new data, and layers are compared in the source model's numbers") {
  const ModelData m = uneven_net();
  Recipe balanced = plain();
  balanced.balance = true;
  const QuantizedData before = quantized(m, plain()), after = quantized(m, balanced);
  CHECK(before.report.fusions.count("balance") == 0);
  CHECK(after.report.fusions.at("balance") == 1);
  const Comparison worse = on_new_data(m, *before.model), better = on_new_data(m, *after.model);
  MESSAGE("SQNR: " << worse.sqnr_db << " dB, balanced " << better.sqnr_db << " dB");
  CHECK(better.sqnr_db > worse.sqnr_db + 6);

  // The hidden value's channels are other numbers in the file; what is compared is not.
  const std::string& hidden = m.main().value(m.main().nodes[0].outputs[0]).name;
  const ChannelExponents e = exponents_of(*after.model);
  REQUIRE(e.contains(hidden));
  const auto db = [&](const Comparison& c) {
    for (const TensorError& t : c.layers)
      if (t.name == hidden) return t.sqnr_db;
    FAIL("is not compared: " << hidden);
    return 0.0;
  };
  CHECK(db(better) > 30);
  Recipe mixed = balanced;  // the value is there as integers and as reals
  mixed.keep_float = {"y"};
  CHECK(db(on_new_data(m, *quantized(m, mixed).model)) > 30);
  mixed.keep_float = {hidden};
  CHECK(db(on_new_data(m, *quantized(m, mixed).model)) > 30);
  ModelData stranger = *after.model;  // without its metadata
  stranger.metadata.clear();
  CHECK(db(on_new_data(m, stranger)) < 10);
}

TEST_CASE("balancing is for int8 activations, with data, and can be left out") {
  const ModelData m = uneven_net();
  CHECK(exponents_of(*quantized(m, plain()).model).empty());
  Recipe wide = plain();
  wide.balance = true;
  wide.scheme = Scheme::int16x8;
  CHECK(exponents_of(*quantized(m, wide).model).empty());
  const auto prepared = prepare(m, {});
  REQUIRE(prepared.ok());
  const auto same = balance(*prepared, {}, {});
  REQUIRE(same.ok());
  CHECK(same->model == prepared->model);
}

TEST_CASE("a balanced model is measured against the model as it was, and its exponents make it again") {
  const ModelData m = uneven_net();
  const auto prepared = prepare(m, plain());
  REQUIRE(prepared.ok());
  RandomSamples samples(m, 12);
  const auto balanced = balance(*prepared, {&samples}, {});
  REQUIRE(balanced.ok());
  CHECK(balanced->reference == prepared->model);
  REQUIRE(!balanced->exponents.empty());
  const auto again = balance_with(*prepared, balanced->exponents);
  REQUIRE(again.ok());
  CHECK(origins_of(*again->model) == origins_of(*balanced->model));
  ChannelExponents strange = balanced->exponents;
  strange["nothing"] = {1, 2};
  CHECK(balance_with(*prepared, strange).status().message().find("'nothing'") != std::string::npos);
}

TEST_CASE("of two candidates the one with the better score is kept") {
  Candidate a, b;
  a.prepared = b.prepared = *prepare(uneven_net(), plain());
  CHECK(!is_better(a, b));  // without figures
  a.error.emplace();
  b.error.emplace();
  a.error->outputs = {{.name = "y", .sqnr_db = 30}};
  b.error->outputs = {{.name = "y", .sqnr_db = 20}};
  CHECK(is_better(a, b));
  CHECK(!is_better(b, a));
}

TEST_CASE("factors of a source that was balanced before are added up") {
  ModelData m = uneven_net();
  const std::string hidden = m.main().value(m.main().nodes[0].outputs[0]).name;
  Recipe recipe = plain();
  recipe.balance = true;
  const std::vector<int8_t> once = exponents_of(*quantized(m, recipe).model).at(hidden);
  m.metadata.emplace_back("octet.exponents/" + hidden, Constant::of(std::vector<int8_t>(8, -3)));
  const QuantizedData q = quantized(m, recipe);
  const std::vector<int8_t> twice = exponents_of(*q.model).at(hidden);
  for (size_t c = 0; c < 8; ++c)
    CHECK(twice.at(c) == once.at(c) - 3);
  CHECK(q.model->metadata.size() == 1);
}

TEST_CASE("metadata that fit no value are ignored") {
  const ModelData plain_model = uneven_net();
  ModelData m = plain_model;
  const std::string hidden = m.main().value(m.main().nodes[0].outputs[0]).name;
  m.metadata.emplace_back("octet.exponents/" + hidden, Constant::of(std::vector<int8_t>{1, 2, 3, 4, 5}));
  m.metadata.emplace_back("octet.exponents/nothing", Constant::of(std::vector<int8_t>{}));
  m.metadata.emplace_back("something else", Constant::of(std::vector<int8_t>{9}));
  CHECK(exponents_of(m).size() == 2);
  for (const TensorError& e : on_new_data(plain_model, m).layers)
    CHECK(e.sqnr_db == kExactDb);
  m.metadata.emplace_back("octet.exponents/" + hidden,
                          Constant::of(std::vector<int8_t>(8, 4)));  // this one fits
  const auto layers = on_new_data(plain_model, m).layers;
  CHECK(std::any_of(layers.begin(), layers.end(), [](const TensorError& e) { return e.sqnr_db < 1; }));
}

}  // namespace octet::test
