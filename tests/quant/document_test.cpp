// Assignments as documents: replayed, edited, hostile.
#include "quant/assign/document.hpp"

#include <doctest/doctest.h>
#include <random>

#include "quant/base64.hpp"
#include "quant/json_util.hpp"
#include "quant/quantize.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

ModelData document_net() {
  GraphBuilder b(5);
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId a = b.conv_2d(x, {.out = 8, .act = Activation::Kind::relu6});
  b.graph().value(a).name = "first";
  const ValueId d = b.depthwise_conv_2d(a, {.act = Activation::Kind::relu});
  const ValueId f = b.fully_connected(b.reshape(d, {1, 512}), 10);
  b.output(b.op(OpKind::SOFTMAX, {f}, SoftmaxAttrs{}), "y");
  return model_of(b.build());
}

QuantizedData document_result(const ModelData& m, const Recipe& recipe) {
  RandomSamples samples(m, 20);
  auto q = quantize(m, samples, recipe);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  return *std::move(q);
}

}  // namespace

TEST_CASE("a document gives the same bytes again, without data") {
  const ModelData m = document_net();
  std::vector<Recipe> recipes = {Recipe::int8(), Recipe::of(Scheme::int16x8), Recipe::of(Scheme::weight_only),
                                 Recipe::of(Scheme::float16), Recipe::of(Scheme::dynamic)};
  recipes.emplace_back().io = Io::int8;
  recipes.emplace_back().keep_float = {"first"};
  recipes.emplace_back().min_sqnr_db = 50;
  for (const Recipe& recipe : recipes) {
    CAPTURE(recipe.to_json());
    const QuantizedData q = document_result(m, recipe);
    const auto d = AssignmentDocument::from_json(q.assignment.to_json());
    REQUIRE_MESSAGE(d.ok(), d.status().message());
    CHECK(d->to_json() == q.assignment.to_json());
    const auto again = apply(m, *d);
    REQUIRE_MESSAGE(again.ok(), again.status().message());
    CHECK(*serialize(**again) == *serialize(*q.model));
  }
}

TEST_CASE("an edited document is what is applied") {
  const ModelData m = document_net();
  const QuantizedData q = document_result(m, {});
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(q.assignment.to_json());
  for (auto& o : json["operators"])
    if (o["name"] == "first")
      o = {{"name", "first"}, {"kind", o["kind"]}, {"form", "float"}, {"reason", "because"}};
  json["contents"] = nlohmann::ordered_json::array();
  const auto d = AssignmentDocument::from_json(json.dump());
  REQUIRE_MESSAGE(d.ok(), d.status().message());
  const auto edited = result_of(m, *d, {}, {});
  REQUIRE_MESSAGE(edited.ok(), edited.status().message());
  CHECK(edited->report.ops_float == 1);
  REQUIRE(edited->report.fallback.size() == 1);
  CHECK(edited->report.fallback[0].reason == "because");
  CHECK(!edited->report.error);
  RandomSamples held_out(m, 3, 500);
  const auto measured = result_of(m, *d, {&held_out}, {});
  REQUIRE(measured.ok());
  CHECK(measured->report.measured_on.samples == 3);
  CHECK(measured->report.error->sqnr_db > 15);
}

TEST_CASE("a document that does not fit the model is an error that names what is wrong") {
  const ModelData m = document_net();
  const QuantizedData q = document_result(m, {});
  const auto error_of = [&](auto change) {
    AssignmentDocument d = q.assignment;
    change(d);
    const auto applied = apply(m, d);
    return applied.ok() ? std::string() : applied.status().message();
  };
  CHECK(error_of([](AssignmentDocument& d) { d.operators[0] = "other"; }).find("'other'") !=
        std::string::npos);
  CHECK(error_of([](AssignmentDocument& d) { d.values[0] = "strange"; }).find("'strange'") !=
        std::string::npos);
  CHECK(error_of([](AssignmentDocument& d) { d.values.pop_back(); }).find("tensors") != std::string::npos);
  CHECK(error_of([](AssignmentDocument& d) {
          d.contents.push_back({"nowhere", DType::int8, Constant::of(std::vector<int8_t>{1})});
        }).find("'nowhere'") != std::string::npos);
  CHECK(error_of([](AssignmentDocument& d) { d.exponents["nothing"] = {1}; }).find("'nothing'") !=
        std::string::npos);
  CHECK(error_of([](AssignmentDocument& d) {
          for (auto& v : d.assignment.values)
            if (v) v = Quantization::per_tensor({v.scale(), 1000});
        }).find("can't be held") != std::string::npos);
}

TEST_CASE("hostile documents are errors or documents, never a crash") {
  const ModelData m = document_net();
  const std::string text = document_result(m, {}).assignment.to_json();
  std::mt19937 engine(7);
  for (int i = 0; i < 300; ++i) {
    std::string mutated = text;
    for (int k = 0; k < 3; ++k)
      mutated[engine() % mutated.size()] = "0123456789-.eE[]{}\",:ntf"[engine() % 24];
    if (const auto d = AssignmentDocument::from_json(mutated); d.ok()) (void)apply(m, *d);
  }
  CHECK(AssignmentDocument::from_json("{}").status().message().find("not an assignment") !=
        std::string::npos);
}

TEST_CASE("base 64: every length, and what is not well-formed") {
  for (size_t n = 0; n < 10; ++n) {
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < n; ++i)
      bytes.push_back(static_cast<std::byte>(i * 37 + 200));
    const auto back = from_base64(to_base64(bytes));
    REQUIRE(back);
    CHECK(*back == bytes);
  }
  CHECK(to_base64(std::as_bytes(std::span("Man", 3))) == "TWFu");
  for (const char* bad : {"A", "AB=C", "=AAA", "AA==AAAA", "A===", "AA*A"})
    CHECK(!from_base64(bad));
}
