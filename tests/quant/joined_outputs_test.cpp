// Outputs that join pieces of different ranges, in whatever way they are joined: every piece keeps its
// information, and what is measured shows the worst.
#include <cmath>
#include <doctest/doctest.h>
#include <functional>
#include <string>

#include "quant/measure/parts.hpp"
#include "quant/quantize.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

namespace octet::test {
namespace {

// Boxes of up to some hundreds and scores of at most 1, 4 channels each.
using Join = std::function<ValueId(GraphBuilder&, ValueId boxes, ValueId scores)>;

ModelData detector(const Join& join) {
  GraphBuilder b(11);
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId features = b.conv_2d(x, {.out = 8, .act = Activation::Kind::relu});
  const ValueId boxes = b.op(OpKind::MUL, {b.conv_2d(features, {.out = 4, .filter = 1}), b.scalar(100)});
  const ValueId scores = b.op(OpKind::LOGISTIC, {b.conv_2d(features, {.out = 4, .filter = 1})});
  b.output(join(b, boxes, scores), "y");
  return model_of(b.build());
}

ValueId concatenated(GraphBuilder& b, ValueId boxes, ValueId scores) {
  ConcatAttrs attrs;
  attrs.axis = 3;
  return b.op(OpKind::CONCATENATION, {boxes, scores}, attrs);
}

QuantizedData quantized_detector(const ModelData& m, const Recipe& recipe = {}) {
  RandomSamples samples(m, 40);
  auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  return *std::move(q);
}

}  // namespace

TEST_CASE("every piece of a joined output keeps its information") {
  const std::vector<float> columns = {50, 50, 50, 50, 1, 1, 1, 1};
  const std::pair<const char*, Join> joins[] = {
      {"CONCATENATION", concatenated},
      {"TRANSPOSE", [](GraphBuilder& b, ValueId boxes,
                       ValueId scores) { return b.transpose(concatenated(b, boxes, scores), {0, 3, 1, 2}); }},
      {"RESHAPE", [](GraphBuilder& b, ValueId boxes,
                     ValueId scores) { return b.reshape(concatenated(b, boxes, scores), {1, 64, 8}); }},
      {"PACK",
       [](GraphBuilder& b, ValueId boxes, ValueId scores) {
         PackAttrs attrs;
         attrs.count = 2;
         return b.op(OpKind::PACK, {boxes, scores}, attrs);
       }},
      {"PAD and ADD",
       [](GraphBuilder& b, ValueId boxes, ValueId scores) {
         return b.op(OpKind::ADD,
                     {b.pad(boxes, {0, 0, 0, 0, 0, 0, 0, 4}), b.pad(scores, {0, 0, 0, 0, 0, 0, 4, 0})});
       }},
      {"DYNAMIC_UPDATE_SLICE",
       [](GraphBuilder& b, ValueId boxes, ValueId scores) {
         return b.op(OpKind::DYNAMIC_UPDATE_SLICE,
                     {b.pad(boxes, {0, 0, 0, 0, 0, 0, 0, 4}), scores, b.ints({0, 0, 0, 4})});
       }},
      {"factors of columns",
       [&](GraphBuilder& b, ValueId boxes, ValueId) {
         const ValueId twice = concatenated(b, boxes, boxes);
         return b.op(OpKind::MUL, {twice, b.constant({8}, columns)});
       }},
  };
  for (const auto& [how, join] : joins) {
    INFO(std::string(how));
    const QuantizedData q = quantized_detector(detector(join));
    REQUIRE(q.report.error);
    CHECK(q.report.error->worst.sqnr_db > 25);
    // Convolutions stay integers, and the LOGISTIC where there is one.
    CHECK(q.report.ops_int8 >= (std::string(how) == "factors of columns" ? 2 : 4));
  }
}

TEST_CASE("with integer outputs, the piece that is lost is named") {
  Recipe recipe;
  recipe.io = Io::int8;
  const QuantizedData q = quantized_detector(detector(concatenated), recipe);
  REQUIRE(q.report.error);
  CHECK(q.report.error->sqnr_db > 30);
  CHECK(q.report.error->worst.output == "y");
  CHECK(q.report.error->worst.sqnr_db < 10);
  CHECK(q.report.error->outputs[0].parts.size() == 2);
  CHECK(std::ranges::any_of(q.report.findings, [](const Finding& f) {
    return f.where == "y" && f.what.find("joins parts of very different ranges") != std::string::npos;
  }));
}

TEST_CASE("parts of an output are its pieces, or its channels") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 4, 2}), y = b.op(OpKind::ABS, {x}), z = b.op(OpKind::NEG, {x});
  b.output(b.transpose(concatenated(b, y, z), {0, 3, 1, 2}), "joined");
  b.output(b.op(OpKind::RELU, {x}), "plain");
  b.output(b.reshape(x, {1, 32}), "row");
  const Graph g = b.build();
  const auto parts = parts_of_outputs(g);
  CHECK(parts[0].axis == 1);
  CHECK(parts[0].ends == std::vector<int64_t>{2, 4});
  const auto of_elements = parts_of_elements(parts[0], g.value(g.outputs[0]).shape);
  CHECK(of_elements[0] == 0);
  CHECK(of_elements[31] == 0);
  CHECK(of_elements[32] == 1);
  CHECK(!parts[1].joined());
  CHECK(parts_of_elements(parts[1], Shape{1, 4, 4, 2})[3] == 1);
  CHECK(parts_of_elements(parts[2], Shape{1, 32}).empty());
}

}  // namespace octet::test
