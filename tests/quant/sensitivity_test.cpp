// Which roundings the error comes from, and raising operators to 16 bits for a target.
#include "quant/measure/sensitivity.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "quant/quantize.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

namespace octet::test {
namespace {

// z = reshape(relu(conv(x))) + tanh(u) / 64, then a matrix: `u` hardly matters.
ModelData net() {
  GraphBuilder b(9);
  const ValueId c = b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 4, .act = Activation::Kind::relu});
  const ValueId r = b.reshape(c, {1, 144});
  const ValueId t = b.op(OpKind::MUL, {b.op(OpKind::TANH, {b.input("u", {1, 144})}), b.scalar(1.0f / 64)});
  b.output(b.fully_connected(b.op(OpKind::ADD, {r, t}), 8), "y");
  return model_of(b.build());
}

QuantizedData quantized_sensitivity(const ModelData& m, const Recipe& recipe) {
  RandomSamples samples(m, 32);
  auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  return *std::move(q);
}

std::vector<NoisyActivation> noises(std::vector<double> of) {
  std::vector<NoisyActivation> all;
  for (double noise : of)
    all.push_back({std::to_string(all.size()), noise, 1, {}});
  return all;
}

std::string names(const std::vector<NoisyActivation>& all) {
  std::string text;
  for (const NoisyActivation& n : all)
    text += n.name;
  return text;
}

}  // namespace

TEST_CASE("activations are ranked by the noise at the outputs for the work of 16 bits") {
  const ModelData m = net();
  RandomSamples samples(m, 12);
  Recipe recipe;
  recipe.equalize = false;
  const auto prepared = prepare(m, recipe);
  REQUIRE(prepared.ok());
  const ValueStatistics statistics = random_statistics(*prepared->model, 12);
  const GraphStatistics of_graph(statistics, *prepared->model);
  const auto assignment = assign(prepared->graph(), of_graph, recipe);
  REQUIRE(assignment.ok());
  const auto ranked = rank_activations(*prepared, *assignment, recipe, {&samples}, {});
  REQUIRE_MESSAGE(ranked.ok(), ranked.status().message());

  const Graph& g = prepared->model->main();
  const auto find = [&](ValueId v) {
    return std::ranges::find(*ranked, g.value(v).name, &NoisyActivation::name);
  };
  // What is reshaped is not rounded again.
  const auto reshape = std::ranges::find(g.nodes, OpKind::RESHAPE, &Node::kind);
  CHECK(find(reshape->outputs[0]) == ranked->end());
  const auto conv = find(reshape->inputs[0]), u = find(g.inputs[1]), y = find(g.outputs[0]);
  REQUIRE(conv != ranked->end());
  REQUIRE(u != ranked->end());
  REQUIRE(y != ranked->end());
  // Its writer and all readers, also behind the reshape.
  CHECK(conv->nodes.size() == 3);
  CHECK(u->nodes.size() == 1);
  CHECK(conv->noise > 100 * u->noise);
  CHECK(y->noise > 1e-6);
  CHECK(y->noise < 1e-3);
  CHECK(std::ranges::is_sorted(*ranked, std::greater(),
                               [](const NoisyActivation& n) { return n.noise / n.work; }));
  // Alone they are what they are together.
  double sum = 0;
  for (const NoisyActivation& n : *ranked)
    sum += n.noise;
  Recipe nearest = recipe;
  nearest.rounding = Rounding::nearest;
  nearest.bias_correction = false;
  const auto result = integer_candidate(*prepared, of_graph, nearest, {}, {{}, {&samples}}, {});
  REQUIRE(result.ok());
  const double all = std::pow(10, -result->error->sqnr_db / 10);
  CHECK(sum < 1.3 * all);
  CHECK(sum > 0.4 * all);  // the rest is the weights'
}

TEST_CASE("as much is taken as the target needs, in the order of noise for work") {
  auto ranked = noises({4, 3, 2, 1});
  CHECK(names(take(ranked, 10, 4)) == "01");
  CHECK(names(ranked) == "23");
  // What is left stands for all noise that is left.
  CHECK(names(take(ranked, 6, 5)) == "2");
  CHECK(names(take(ranked, 6, 5)) == "3");
  CHECK(take(ranked, 6, 5).empty());
  // The last one makes others unnecessary.
  ranked = noises({1, 2, 9});
  CHECK(names(take(ranked, 12, 4)) == "2");
  CHECK(names(ranked) == "01");
  // These keep their rank.
  ranked = noises({1, 2, 9, 0.5, 0.25});
  CHECK(names(take(ranked, 12.75, 4)) == "2");
  CHECK(names(ranked) == "0134");
  // Not even all of them are enough.
  ranked = noises({1, 2});
  CHECK(names(take(ranked, 3, 0)) == "01");
}

TEST_CASE("a target in dB promotes operators to int16, and to float where that is not enough") {
  const ModelData m = net();
  const double plain = quantized_sensitivity(m, {}).report.error->sqnr_db;
  Recipe recipe;
  recipe.min_sqnr_db = plain + 2;
  const QuantizedData raised = quantized_sensitivity(m, recipe);
  CHECK(raised.report.target_met);
  CHECK(raised.report.error->sqnr_db > plain + 1);  // on samples that the search did not see
  CHECK(raised.report.ops_float == 0);
  CHECK(raised.report.ops_int16 > 0);
  CHECK(raised.report.ops_int8 > 0);
  CHECK(static_cast<int>(raised.report.fallback.size()) == raised.report.ops_int16);
  for (const Fallback& f : raised.report.fallback) {
    CHECK(f.type == DType::int16);
    CHECK(f.reason.starts_with("promoted to int16 to reach "));
  }

  recipe.raise_to = RaiseTo::floating;
  const QuantizedData floating = quantized_sensitivity(m, recipe);
  CHECK(floating.report.target_met);
  CHECK(floating.report.error->sqnr_db > plain + 1);
  CHECK(floating.report.ops_int16 == 0);
  CHECK(floating.report.ops_float > 0);

  // Borders of 8 bits stay, and it is said that they are in the way.
  recipe.raise_to = RaiseTo::int16;
  recipe.min_sqnr_db = 60;
  recipe.io = Io::int8;
  const QuantizedData bound = quantized_sensitivity(m, recipe);
  CHECK(bound.model->main().value(bound.model->main().inputs[0]).dtype == DType::int8);
  CHECK(bound.model->main().value(bound.model->main().outputs[0]).dtype == DType::int8);
  CHECK(!bound.report.target_met);
  CHECK(bound.report.error->sqnr_db < 60);
  CHECK(std::ranges::any_of(bound.report.findings,
                            [](const Finding& f) { return f.what == "miss the target of 60 dB"; }));
  recipe.io = Io::keep;

  // Weights of 8 bits don't allow for that.
  recipe.raise_to = RaiseTo::int16;
  recipe.min_sqnr_db = 90;
  const QuantizedData far = quantized_sensitivity(m, recipe);
  CHECK(far.report.target_met);
  CHECK(far.report.error->sqnr_db > 85);
  CHECK(far.report.ops_float > 0);
}

}  // namespace octet::test
