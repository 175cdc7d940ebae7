// Composite operators: spelled out by the graph they refer to, or refused.
#include <doctest/doctest.h>
#include <functional>

#include "schema/flatbuffer/format.hpp"
#include "schema/ir/inline.hpp"
#include "tests/support/raw_writer.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;
using test::RawTable;
namespace slot = test::slot;

namespace {

constexpr int32_t kComposite = 206;

Node op(OpKind kind, Attrs attrs, std::vector<ValueId> in, std::vector<ValueId> out) {
  Node n;
  n.kind = kind;
  n.attrs = std::move(attrs);
  n.inputs = std::move(in);
  n.outputs = std::move(out);
  return n;
}
Node call(int32_t graph, std::vector<ValueId> in, std::vector<ValueId> out) {
  return op(OpKind::UNKNOWN, UnknownAttrs{kComposite, "twice", graph}, std::move(in), std::move(out));
}

// main: z = twice(exp(x)); graph 1, twice: b = (a + a) + 1
ModelData model() {
  ModelData m;
  m.graphs.resize(2);
  const Shape shape{2};
  Graph &g = m.graphs[0], &f = m.graphs[1];
  for (const char* name : {"x", "y", "z"})
    test::add_value(g, name, DType::float32, shape);
  g.inputs = {0};
  g.outputs = {2};
  g.nodes = {op(OpKind::EXP, NoAttrs{}, {0}, {1}), call(1, {1}, {2})};
  test::add_value(f, "a", DType::float32, shape);
  test::add_value(f, "sum", DType::float32, shape);
  test::add_value(f, "one", DType::float32, shape, Constant::of(std::vector<float>{1, 1}));
  test::add_value(f, "b", DType::float32, shape);
  f.inputs = {0};
  f.outputs = {3};
  f.nodes = {op(OpKind::ADD, BinaryAttrs{}, {0, 0}, {1}), op(OpKind::ADD, BinaryAttrs{}, {1, 2}, {3})};
  return m;
}

std::string refusal(const std::function<void(ModelData&)>& damage) {
  ModelData m = model();
  damage(m);
  const Status s = inline_composites(m);
  return s.ok() ? "fine" : s.message();
}

}  // namespace

TEST_CASE("a composite operator becomes the operators of its graph") {
  ModelData m = model();
  REQUIRE(inline_composites(m).ok());
  const Graph& g = m.main();
  REQUIRE(g.nodes.size() == 3);
  CHECK(g.nodes[0].kind == OpKind::EXP);
  CHECK(g.nodes[1].inputs == std::vector<ValueId>{1, 1});
  CHECK(g.value(g.nodes[1].outputs[0]).name == "sum");
  CHECK(g.nodes[2].inputs[0] == g.nodes[1].outputs[0]);
  CHECK(g.value(g.nodes[2].inputs[1]).is_constant());
  CHECK(g.nodes[2].outputs == std::vector<ValueId>{2});
  CHECK(m.notes == std::vector<std::string>{"spelled out 1 composite operators 'twice'"});
  CHECK(m.graphs[1].nodes.size() == 2);
}

TEST_CASE("composite operators inside of composite operators") {
  ModelData m = model();
  m.graphs.push_back(m.graphs[1]);
  // graph 1 is now: sum = twice(a), b = sum + 1
  m.graphs[1].nodes[0] = call(2, {0}, {1});
  REQUIRE(inline_composites(m).ok());
  CHECK(m.main().nodes.size() == 4);
  CHECK(m.notes == std::vector<std::string>{"spelled out 2 composite operators 'twice'"});
}

TEST_CASE("composite operators that are refused") {
  CHECK_EQ(refusal([](ModelData&) {}), "fine");
  CHECK_EQ(
      refusal([](ModelData& m) { std::get<UnknownAttrs>(m.graphs[0].nodes[1].attrs).decomposition = 2; }),
      "composite operator 'twice': graph 2 does not exist (there are 2)");
  CHECK_EQ(refusal([](ModelData& m) { m.graphs[1].nodes[0] = call(1, {0}, {1}); }),
           "composite operator 'twice': contains itself");
  CHECK_EQ(refusal([](ModelData& m) { m.graphs[0].nodes[1].inputs = {1, 1}; }),
           "composite operator 'twice': has 2 inputs and 1 outputs, its graph 1 and 1");
  CHECK_EQ(refusal([](ModelData& m) { m.graphs[1].outputs = {0}; }),
           "composite operator 'twice': output 'z' is an input, a constant or another output");
  CHECK_EQ(refusal([](ModelData& m) { m.graphs[1].values[3].dtype = DType::int8; }),
           "composite operator 'twice': output 'z' is float32, that of its graph int8");
  // 2^30 operators out of thirty.
  const std::string bomb = refusal([](ModelData& m) {
    const Graph last = m.graphs[1];
    for (int32_t i = 2; i < 31; ++i) {
      m.graphs.push_back(last);
      m.graphs[static_cast<size_t>(i - 1)].nodes = {call(i, {0}, {1}), call(i, {1}, {3})};
    }
  });
  CHECK_MESSAGE(bomb.ends_with("spells out to more than a million operators and tensors"), bomb);
}

TEST_CASE("a composite operator in a file") {
  // The second operator of the main graph, RELU, made into a call of graph 1.
  ModelData m = model();
  m.graphs[0].nodes[1] = op(OpKind::RELU, NoAttrs{}, {1}, {2});
  auto bytes = *serialize(m);
  RawTable root = RawTable::root(bytes);
  const RawTable old = root.element(slot::model_graphs, 0).element(slot::graph_operators, 1);
  const auto code = old.get<uint32_t>(slot::op_code);
  RawTable codes = root.element(slot::model_codes, code);
  codes.set<int8_t>(slot::code_old, 127);
  test::RawWriter writer(bytes);
  RawTable made = writer.put_table(root.element(slot::model_graphs, 0).slot(slot::graph_operators, 1),
                                   {4, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4});
  made.set<uint32_t>(slot::op_code, code);
  writer.put_vector(made.field(slot::op_inputs), std::vector<int32_t>{1});
  writer.put_vector(made.field(slot::op_outputs), std::vector<int32_t>{2});
  made.set<uint8_t>(11, 21);
  RawTable options = writer.put_table(made.field(12), {4, 4});
  options.set<int32_t>(1, 1);
  writer.put_text(options.field(0), "twice");
  const RawTable fresh = RawTable::root(bytes).element(slot::model_codes, code);
  RawTable(bytes, fresh.position()).set<int32_t>(slot::code_new, kComposite);

  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  const auto read = read_model(std::move(owner), view, "m");
  REQUIRE_MESSAGE(read.ok(), read.status().message());
  CHECK((*read)->main().nodes.size() == 3);
  CHECK((*read)->notes == std::vector<std::string>{"spelled out 1 composite operators 'twice'"});
}
