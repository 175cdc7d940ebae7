// validate() on graphs that no file made.
#include "schema/ir/validate.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <functional>
#include <limits>

#include "schema/ir/sort.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;

namespace {

std::string after(const std::function<void(ModelData&)>& change, ModelData m = test::rich_model()) {
  change(m);
  const Status s = validate(m);
  return s.ok() ? "fine" : s.message();
}

}  // namespace

TEST_CASE("validate: sound models pass") {
  CHECK_EQ(after([](ModelData&) {}), "fine");
  CHECK_EQ(after([](ModelData&) {}, test::runnable_model()), "fine");
  for (int k = 0; k < kOpKindCount; ++k)
    CHECK_EQ(after([](ModelData&) {}, test::single_op_model(static_cast<OpKind>(k))), "fine");
}

TEST_CASE("validate: ids, attributes, flow") {
  CHECK_EQ(after([](ModelData& m) { m.graphs.clear(); }), "has no graph");
  CHECK_EQ(after([](ModelData& m) { m.main().inputs = {42}; }),
           "graph input 0 is tensor 42, and there are 9");
  CHECK_EQ(after([](ModelData& m) { m.main().inputs = {kNoValue}; }),
           "graph input 0 is tensor -1, and there are 9");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[0].inputs[0] = 9; }),
           "operator #0 (CONV_2D): input 0 is tensor 9, and there are 9");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[0].attrs = NoAttrs{}; }),
           "CONV_2D 'conv': has attributes of another kind of operator");
  CHECK_EQ(after([](ModelData& m) { std::swap(m.main().nodes[0], m.main().nodes[1]); }),
           "RESHAPE 'flat': reads tensor 'conv' before it is computed");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes.erase(m.main().nodes.begin()); }),
           "RESHAPE 'flat': reads tensor 'conv', which nothing computes and which has no data");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes.pop_back(); }),
           "tensor 'out': is a graph output that nothing computes and that has no data");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[1].outputs = {5}; }),
           "RESHAPE 'state': its result, tensor 'state', is a variable");
  CHECK_EQ(after([](ModelData& m) { m.main().inputs.push_back(1); }),
           "tensor 'w': is a graph input and has data of its own");
  CHECK_EQ(after([](ModelData& m) { m.signatures[0].outputs[1].second = 2; }),
           "signature 'serve': output 'features' is number 2 of 2");
}

TEST_CASE("validate: values") {
  CHECK_EQ(after([](ModelData& m) { m.main().values[1].shape[0] = -1; }), "tensor 'w': has an extent of -1");
  CHECK_EQ(after([](ModelData& m) { m.main().values[3].dtype = static_cast<DType>(200); }),
           "tensor 'conv': has element type 200");
  CHECK_EQ(after([](ModelData& m) { m.main().values[3].shape = {INT32_MAX, INT32_MAX, 0}; }),
           "tensor 'conv': is larger than memory can be (2147483647x2147483647x0 int8)");
  CHECK_EQ(after([](ModelData& m) { m.main().values[1].constant = Constant::of(std::vector<int8_t>(17)); }),
           "tensor 'w': has 17 bytes of data; 2x3x3x1 int8 takes 18");
  CHECK_EQ(after([](ModelData& m) { m.main().values[1].is_variable = true; }),
           "tensor 'w': is a variable and has data of its own");
  CHECK_EQ(after([](ModelData& m) { m.main().values[1].dtype = DType::int4; }),
           "tensor 'w': has 18 bytes of data; 2x3x3x1 int4 takes 9");
  CHECK_EQ(
      after([](ModelData& m) { m.main().values[3].quant = Quantization::per_channel(4, {{1, 0}, {1, 0}}); }),
      "tensor 'conv': is quantized along axis 4, but its shape is 1x2x2x2");
  CHECK_EQ(
      after([](ModelData& m) { m.main().values[3].quant = Quantization::per_channel(0, {{1, 0}, {1, 0}}); }),
      "tensor 'conv': has 2 scales along axis 0 of shape 1x2x2x2");
  CHECK_EQ(after([](ModelData& m) {
             m.main().values[3].quant =
                 Quantization::per_tensor({std::numeric_limits<float>::quiet_NaN(), 0});
           }),
           "tensor 'conv': has scale nan (1 of 1)");
}

TEST_CASE("validate: control flow") {
  const ModelData call = test::single_op_model(OpKind::WHILE);
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[0].attrs = WhileAttrs{1, 3}; }, call),
           "WHILE 'out': calls graph 3, and there are 3");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[0].attrs = WhileAttrs{-1, 2}; }, call),
           "WHILE 'out': calls graph -1, and there are 3");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[0].attrs = WhileAttrs{1, 0}; }, call),
           "graph #0 calls itself");
  CHECK_EQ(after([](ModelData& m) { m.graphs[2].outputs.clear(); }, call),
           "WHILE 'out': its body takes 1 inputs and gives 0 outputs, instead of 1 and 1");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[0].inputs.push_back(0); }, call),
           "WHILE 'out': its condition takes 1 inputs and gives 1 outputs, instead of 2 and 1");
  CHECK_EQ(after([](ModelData& m) { m.main().nodes[0].inputs.clear(); }, test::single_op_model(OpKind::IF)),
           "IF 'out': has no condition");
  // Two graphs that call each other, reached from neither.
  CHECK_EQ(after(
               [](ModelData& m) {
                 m.graphs[1].nodes.push_back({OpKind::CALL_ONCE, CallOnceAttrs{2}, {}, {}, {}, 1, {}});
                 m.graphs[2].nodes.push_back({OpKind::CALL_ONCE, CallOnceAttrs{1}, {}, {}, {}, 1, {}});
               },
               call),
           "graph 'other' calls itself");
}

TEST_CASE("sort_nodes: stable, and only when it must") {
  ModelData m = test::rich_model();
  auto sorted = sort_nodes(m.main());
  REQUIRE(sorted.ok());
  CHECK(!*sorted);
  std::swap(m.main().nodes[0], m.main().nodes[2]);  // CUSTOM, RESHAPE, CONV_2D
  sorted = sort_nodes(m.main());
  REQUIRE(sorted.ok());
  CHECK(*sorted);
  CHECK(m.main().nodes[0].kind == OpKind::CONV_2D);
  CHECK(m.main().nodes[1].kind == OpKind::RESHAPE);
  CHECK(validate(m).ok());
  m.main().nodes[0].inputs.push_back(m.main().nodes[2].outputs[0]);
  CHECK_EQ(sort_nodes(m.main()).status().message(), "operator 'conv' is part of a cycle or waits for one");
}
