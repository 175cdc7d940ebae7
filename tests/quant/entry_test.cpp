// Graphs behind signatures, and graphs that operators call.
#include "quant/entry.hpp"

#include <algorithm>
#include <doctest/doctest.h>

#include "quant/quantize.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

namespace octet::test {
namespace {

Graph layer(uint32_t seed, const char* name) {
  GraphBuilder b(seed);
  b.output(b.fully_connected(b.input("x", {1, 8}), 4), "y");
  Graph g = b.build();
  g.name = name;
  return g;
}

// Two entries with a layer each, and a branch.
ModelData two_signatures() {
  ModelData m;
  m.graphs = {layer(1, "encoder"), layer(2, "branch"), layer(3, "decoder")};
  m.signatures = {{"encode", 0, {{"x", 0}}, {{"y", 0}}}, {"decode", 2, {{"x", 0}}, {{"y", 0}}}};
  return m;
}

int integer_layers(const Graph& g) {
  return static_cast<int>(std::ranges::count_if(g.nodes, [&](const Node& n) {
    return n.kind == OpKind::FULLY_CONNECTED && g.value(n.outputs[0]).dtype == DType::int8;
  }));
}

}  // namespace

TEST_CASE("the graph of a signature is quantized in its place") {
  const ModelData m = two_signatures();
  Recipe recipe;
  recipe.signature = "decode";
  RandomSamples samples(m, 16);
  const auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  REQUIRE(q->model->graphs.size() == 3);
  CHECK(q->model->graphs[2].name == "decoder");
  CHECK(integer_layers(q->model->graphs[0]) == 0);
  CHECK(integer_layers(q->model->graphs[2]) == 1);
  CHECK(q->report.ops_int8 == 1);
  CHECK(q->report.ops_float_in_file == 0);
  // The document knows the signature, and the main graph can follow.
  const auto again = apply(m, q->assignment);
  REQUIRE_MESSAGE(again.ok(), again.status().message());
  CHECK(integer_layers((*again)->graphs[2]) == 1);
  recipe.signature.clear();
  const auto both = quantize(*q->model, samples, recipe);
  REQUIRE_MESSAGE(both.ok(), both.status().message());
  CHECK(integer_layers(both->model->graphs[0]) == 1);
  CHECK(integer_layers(both->model->graphs[2]) == 1);
}

TEST_CASE(
    "what stays float in a graph without an entry is said, and a signature that is not there is an error") {
  const ModelData m = two_signatures();
  RandomSamples samples(m, 16);
  const auto q = quantize(m, samples, {});
  REQUIRE(q.ok());
  CHECK(q->report.ops_float == 1);
  CHECK(std::ranges::any_of(q->report.findings, [](const Finding& f) {
    return f.where == "branch" && f.what.find("stay in float") != std::string::npos;
  }));
  Recipe recipe;
  recipe.signature = "sing";
  const auto refused = quantize(m, samples, recipe);
  REQUIRE(!refused.ok());
  CHECK(refused.status().message().find("'sing'; it has encode, decode") != std::string::npos);
}

TEST_CASE("exchanging the main graph twice changes nothing") {
  ModelData m = two_signatures();
  Node branch;
  branch.kind = OpKind::IF;
  branch.attrs = IfAttrs{.then_graph = 0, .else_graph = 2};
  m.graphs[1].nodes.push_back(branch);
  exchange_main(m, 2);
  CHECK(m.main().name == "decoder");
  CHECK(m.signatures[0].graph == 2);
  CHECK(std::get<IfAttrs>(m.graphs[1].nodes.back().attrs) == IfAttrs{.then_graph = 2, .else_graph = 0});
  exchange_main(m, 2);
  CHECK(m.main().name == "encoder");
  CHECK(std::get<IfAttrs>(m.graphs[1].nodes.back().attrs) == IfAttrs{.then_graph = 0, .else_graph = 2});
}

}  // namespace octet::test
