// Integer operators that a file says in float, because its reader has no integer form of them.
#include "quant/portable.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <set>

#include "octet/executor.hpp"
#include "octet/quantize.hpp"
#include "quant/quantize.hpp"
#include "runtime/executor.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/case_model.hpp"
#include "tests/support/graph_builder.hpp"
#include "tests/support/interpreter.hpp"

namespace octet::test {
namespace {

std::vector<std::vector<std::byte>> outputs_of(const ModelData& m, const Prepared& p) {
  auto plan = Plan::create(Model(std::make_shared<ModelData>(m)));
  REQUIRE_MESSAGE(plan.ok(), plan.status().message());
  auto e = Executor::create(*plan);
  REQUIRE_MESSAGE(e.ok(), e.status().message());
  std::vector<ConstTensorView> in;
  const auto bytes = inputs_of(m, p);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const Value& v = m.main().value(m.main().inputs[i]);
    in.push_back({bytes[i].data(), v.dtype, v.shape, v.quant});
  }
  const Status s = e->run(in);
  REQUIRE_MESSAGE(s.ok(), s.message());
  std::vector<std::vector<std::byte>> out;
  for (size_t i = 0; i < m.main().outputs.size(); ++i) {
    const ConstTensorView view = e->output(i);
    const auto* data = static_cast<const std::byte*>(view.data);
    out.emplace_back(data, data + view.bytes());
  }
  return out;
}

int count_of(const ModelData& m, OpKind kind) {
  return static_cast<int>(
      std::ranges::count_if(m.main().nodes, [&](const Node& n) { return n.kind == kind; }));
}

}  // namespace

TEST_CASE("a file for others computes the same integers") {
  std::set<OpKind> said_in_float;
  for (const OpCase& c : all_cases()) {
    const OpSpec& spec = *find_spec(c.kind);
    if (c.bench || !c.int8 || !spec.quant.has_int8) continue;
    for (const Form form : {Form::int8, Form::int16}) {
      const auto p = prepare(c, form);
      if (!p.ok() || !run(*p, spec.reference, 1).ok()) continue;
      const ModelData direct = model_of(c, *p, form);
      for (const Reader reader : {Reader::tflite, Reader::tflite_micro}) {
        INFO(c.name << " for " << name_of(reader));
        ModelData portable = direct;
        REQUIRE(make_portable(portable, reader).ok());
        if (portable.main().nodes.size() == direct.main().nodes.size()) continue;
        said_in_float.insert(c.kind);
        CHECK(count_float_operators(portable) == 1);
        CHECK(outputs_of(portable, *p) == outputs_of(direct, *p));
        const auto back = integer_form(portable);
        REQUIRE(back.ok());
        CHECK(back->main().nodes.size() == direct.main().nodes.size());
        CHECK(count_float_operators(*back) == count_float_operators(direct));
      }
    }
  }
  CHECK(said_in_float.size() > 50);
  for (const OpKind kind : {OpKind::CONV_3D, OpKind::DIV, OpKind::SQRT, OpKind::LESS, OpKind::NEG})
    CHECK(said_in_float.contains(kind));
}

TEST_CASE("constants stay small in a file for others") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 4});
  b.output(b.op(OpKind::DIV, {x, b.random({1, 4, 4}, 1, 2)}), "y");
  ModelData m;
  m.graphs.push_back(b.build());
  RandomSamples samples(m, 8);
  const auto q = quantize(m, samples, {}, {});
  REQUIRE(q.ok());
  CHECK(q->report.ops_int8 == 1);
  CHECK(q->report.ops_float == 0);
  CHECK(q->report.ops_float_in_file == 1);
  for (const Value& v : q->model->main().values)
    if (v.is_constant()) CHECK(v.dtype == DType::int8);
  CHECK(count_of(*q->model, OpKind::DEQUANTIZE) == 3);
}

TEST_CASE("a file for Octet alone has every operator as what it is, and an accelerator's has int8 alone") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8}), y = b.op(OpKind::ABS, {x});
  b.output(b.op(OpKind::SQRT, {y}), "y");
  ModelData m;
  m.graphs.push_back(b.build());
  RandomSamples samples(m, 8);
  Recipe recipe;
  recipe.reader = Reader::octet;
  const auto q = quantize(m, samples, recipe, {});
  REQUIRE(q.ok());
  CHECK(q->report.ops_float_in_file == 0);
  CHECK(q->model->main().nodes.size() == 4);
  recipe.reader = Reader::int8_only;
  const auto refused = quantize(m, samples, recipe, {});
  REQUIRE(!refused.ok());
  CHECK(refused.status().message().find("SQRT 'y") != std::string::npos);
  CHECK(refused.status().message().find("no int8 form") != std::string::npos);
}

TEST_CASE("float that is wanted stays float") {
  // Every reader has ADD in integers: who writes it in float between integers wants it so.
  GraphBuilder b;
  const Quantization q = Quantization::per_tensor({0.1f, 3});
  const ValueId x = b.input("x", {4}, DType::int8, q);
  const ValueId sum = b.op(OpKind::ADD, {b.op(OpKind::DEQUANTIZE, {x}), b.random({4})});
  b.output(b.op(OpKind::QUANTIZE, {sum}, DType::int8, q), "y");
  ModelData m;
  m.graphs.push_back(b.build());
  const auto same = integer_form(m);
  REQUIRE(same.ok());
  CHECK(same->main().nodes.size() == 3);
}

}  // namespace octet::test
