// Mutated models, run: one model per case of the operator tables, in float and int8, with damage that leaves
// them readable. OCTET_MUTATIONS sets how many in all (4000).
#include <cstdlib>
#include <doctest/doctest.h>

#include "quant/quantize.hpp"
#include "runtime/executor.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/mutate.hpp"
#include "tests/support/op_case.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;

namespace {

// The case as a model of one operator; its constants are those of the case.
ModelData model_of(const test::OpCase& c, const test::Prepared& p) {
  ModelData m;
  if (builtin_code_of(p.kind) < 0) m.format = Format::circle;
  Graph& g = m.graphs.emplace_back();
  Node n{p.kind, p.attrs, {}, {}, {}, 1, {}};
  for (size_t i = 0; i < p.in.size(); ++i) {
    const TensorDesc& t = p.in[i];
    if (t.absent) {
      n.inputs.push_back(kNoValue);
      continue;
    }
    const ValueId v = test::add_value(g, "in" + std::to_string(i), t.dtype, t.shape);
    g.value(v).quant = t.quant;
    g.value(v).is_variable = t.is_variable;
    if (c.inputs[i].constant)
      g.value(v).constant = Constant::copy_of(std::span(p.bytes[i]).first(static_cast<size_t>(t.bytes())));
    else if (!t.is_variable)
      g.inputs.push_back(v);
    n.inputs.push_back(v);
  }
  for (size_t i = 0; i < p.out.size(); ++i) {
    const ValueId v = test::add_value(g, "out" + std::to_string(i), p.out[i].dtype, p.out[i].shape);
    g.value(v).quant = p.out[i].quant;
    n.outputs.push_back(v);
    g.outputs.push_back(v);
  }
  g.nodes.push_back(std::move(n));
  return m;
}

constexpr size_t kLargest = 4096;  // in larger files mutations only hit weights

std::vector<std::vector<std::byte>> seeds_run_replay() {
  std::vector<std::vector<std::byte>> out;
  for (const test::OpCase& c : test::all_cases())
    for (const test::Form form : {test::Form::float32, test::Form::int8}) {
      if (form == test::Form::int8 && !(c.int8 && find_spec(c.kind)->quant.has_int8)) continue;
      const auto prepared = test::prepare(c, form);
      if (!prepared.ok()) continue;
      const auto bytes = serialize(model_of(c, *prepared));
      if (bytes.ok() && bytes->size() <= kLargest) out.push_back(*bytes);
    }
  return out;
}

}  // namespace

TEST_CASE("bad input: mutated models of every operator, planned and run") {
  const auto originals = seeds_run_replay();
  MESSAGE(originals.size() << " models");
  REQUIRE(originals.size() > 50);
  const char* wanted = std::getenv("OCTET_MUTATIONS");
  const int n = wanted != nullptr ? std::atoi(wanted) : 4000;
  std::mt19937 random(7);
  for (int i = 0; i < n; ++i) {
    const auto bytes = test::mutated(originals[static_cast<size_t>(i) % originals.size()], random);
    test::fuzz_run(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

TEST_CASE("bad input: an operator without an input it needs") {
  int refused = 0;
  for (const test::OpCase& c : test::all_cases()) {
    const auto prepared = test::prepare(c, test::Form::float32);
    if (!prepared.ok()) continue;
    const ModelData whole = model_of(c, *prepared);
    for (int slot = 0; slot < find_spec(c.kind)->inputs.min; ++slot) {
      CAPTURE(c.name);
      CAPTURE(slot);
      ModelData m = whole;
      m.main().nodes[0].inputs[static_cast<size_t>(slot)] = kNoValue;
      const auto run = GraphExecutor::create(m, {});
      REQUIRE(!run.ok());
      CHECK(run.status().message().find("is absent") != std::string::npos);
      const auto quantized = prepare(m, Recipe{});
      REQUIRE(!quantized.ok());
      CHECK(quantized.status().message().find("is absent") != std::string::npos);
      ++refused;
    }
  }
  CHECK(refused > 500);
}
