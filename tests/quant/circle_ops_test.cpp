// Circle's own operators and the quantizer: int8 where they have a form, with gamma and beta left in float32.
#include <doctest/doctest.h>

#include "graph/verify.hpp"
#include "quant/quantize.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

TEST_CASE("normalizations and rotary embedding become int8, their tables stay float32") {
  GraphBuilder b(11);
  const ValueId x = b.conv_2d(b.input("x", {1, 6, 6, 4}), {.out = 8});
  const ValueId n = b.op(OpKind::INSTANCE_NORM, {x, b.random({8}, 0.5f, 2), b.random({8})},
                         InstanceNormAttrs{.epsilon = 1e-5f, .act = Activation::Kind::relu});
  const ValueId r = b.op(OpKind::RMS_NORM, {n, b.random({8}, 0.5f, 2)}, RmsNormAttrs{.epsilon = 1e-5f});
  const ValueId e = b.op(OpKind::ROPE, {r, b.random({1, 1, 6, 8}), b.random({1, 1, 6, 8})}, RopeAttrs{});
  b.output(b.conv_2d(e, {.out = 2}), "y");
  ModelData m = model_of(b.build());
  m.format = Format::circle;
  RandomSamples samples(m, 12);
  Recipe recipe;
  recipe.observer = "minmax";
  const auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  CHECK(q->report.ops_int8 == 5);
  CHECK(q->report.ops_float == 0);
  REQUIRE(q->report.error);
  CHECK(q->report.error->sqnr_db > 25);
  const Graph& g = q->model->main();
  int seen = 0;
  for (const Node& node : g.nodes) {
    if (node.kind != OpKind::INSTANCE_NORM && node.kind != OpKind::RMS_NORM && node.kind != OpKind::ROPE)
      continue;
    ++seen;
    CHECK(g.value(node.inputs[0]).dtype == DType::int8);
    CHECK(g.value(node.inputs[1]).dtype == DType::float32);
    CHECK(g.value(node.outputs[0]).dtype == DType::int8);
  }
  CHECK(seen == 3);
  // The same in a file.
  const auto bytes = serialize(*q->model);
  REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
  const auto owner = std::make_shared<const std::vector<std::byte>>(*bytes);
  const auto read = read_model(owner, *owner, "m");
  REQUIRE_MESSAGE(read.ok(), read.status().message());
  CHECK(verify_quantized((*read)->main()).ok());
}

TEST_CASE("GRU stays in float, and is reported") {
  GraphBuilder b(12);
  const ValueId x = b.input("x", {4, 1, 3});
  const ValueId h = b.op(
      OpKind::GRU, {x, b.random({6, 3}), b.random({6}), b.random({6, 2}), b.random({6}), b.random({1, 2})},
      GruAttrs{});
  b.output(b.fully_connected(h, 3), "y");
  ModelData m = model_of(b.build());
  m.format = Format::circle;
  RandomSamples samples(m, 8);
  const auto q = quantize(m, samples, {});
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  CHECK(q->report.ops_float == 1);
  REQUIRE(q->report.fallback.size() == 1);
  CHECK(q->report.fallback[0].kind == "GRU");
  CHECK(q->report.fallback[0].reason == "has no int8 form in the circle format");
}
