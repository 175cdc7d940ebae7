// LSTM in int8: what calibration sees inside, what is assigned, what is written, how close it stays.
#include "tests/support/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "graph/verify.hpp"
#include "kernels/op_spec.hpp"
#include "kernels/recurrent/lstm.hpp"
#include "quant/pipeline.hpp"
#include "quant/quantize.hpp"
#include "quant/statistics/keys.hpp"
#include "quant/statistics/runner.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/quant/samples.hpp"

using namespace octet;
using namespace octet::test;

namespace {

ModelData net(const Recurrent& r) {
  GraphBuilder b(3);
  b.output(lstm(b, b.input("x", r.input()), r), "y");
  return model_of(b.build());
}

QuantizedData quantized_recurrent(const ModelData& m, float scale = 1) {
  RandomSamples samples(m, 16, 0, scale);
  auto q = quantize(m, samples, {});
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  return *std::move(q);
}

const Node& lstm_of(const Graph& g) {
  for (const Node& n : g.nodes)
    if (n.kind == OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM) return n;
  FAIL("no LSTM");
  return g.nodes[0];
}

struct Form {
  const char* name;
  Recurrent shape;
};
const Form kForms[] = {
    {"plain", {}},
    {"batch", {.batch = 3, .time_major = true}},
    {"no input gate", {.input_gate = false}},
    {"peepholes", {.peephole = true}},
    {"projection", {.k = 4, .projection = true}},
    {"layer norm", {.norm = true}},
    {"layer norm, no input gate", {.input_gate = false, .norm = true}},
    {"everything", {.k = 4, .peephole = true, .projection = true, .norm = true, .cell_clip = 0.8f}},
};

}  // namespace

TEST_CASE("calibration sees the inside of an LSTM at every time step") {
  for (const Form& f : kForms) {
    INFO(std::string(f.name));
    const Recurrent& r = f.shape;
    const ModelData m = net(r);
    const ValueStatistics statistics = random_statistics(m, 4);
    const uint64_t origin = origins_of(m)[static_cast<size_t>(m.main().outputs[0])];
    const auto find = [&](std::string_view name) -> const TensorStatistics* {
      const auto it = statistics.find({fmt::format("y/{}", name), origin});
      return it == statistics.end() ? nullptr : &it->second;
    };
    const int64_t cells = int64_t{4} * r.batch * r.steps * r.m;
    auto count = [&](const char* name) {
      const TensorStatistics* s = find(name);
      return s == nullptr ? 0 : s->count();
    };
    CHECK(count("cell") == cells);
    CHECK(count("hidden") == (r.projection ? cells : 0));
    CHECK(count("input gate") == (r.norm && r.input_gate ? cells : 0));
    for (const char* gate : {"forget gate", "cell gate", "output gate"})
      CHECK(count(gate) == (r.norm ? cells : 0));
    if (r.cell_clip > 0) CHECK(find("cell")->extremes().max <= r.cell_clip);
    const auto twice = merged(statistics, statistics);
    REQUIRE(twice.ok());
    CHECK(twice->at({"y/cell", origin}).count() == 2 * cells);
  }
}

TEST_CASE("keys of inner tensors are nobody else's") {
  GraphBuilder b;
  const Recurrent r;
  const ValueId y = lstm(b, b.input("x", r.input()), r);
  b.output(b.op(OpKind::NEG, {y}), "y/cell");
  b.output(y, "y");
  const Graph g = b.build();
  CHECK(inner_keys(g)[0] == std::vector<std::string>{"y/input gate", "y/forget gate", "y/cell gate",
                                                     "y/output gate", "y/hidden", "y/cell'"});
  CHECK(inner_keys(g)[1].empty());
}

TEST_CASE("every form of the LSTM becomes int8, can be written, and stays close") {
  for (const Form& f : kForms) {
    INFO(std::string(f.name));
    const ModelData m = net(f.shape);
    const QuantizedData q = quantized_recurrent(m);
    CHECK(q.report.ops_float == 0);
    CHECK(q.report.ops_int8 == 1);
    REQUIRE(q.report.error);
    CHECK(q.report.error->sqnr_db > 30);
    auto bytes = serialize(*q.model);
    REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
    auto owner = std::make_shared<std::vector<std::byte>>(*std::move(bytes));
    auto read = read_model(owner, *owner, "written");
    REQUIRE_MESSAGE(read.ok(), read.status().message());
    CHECK(verify_quantized((*read)->main()).ok());
    RandomSamples samples(m, 4);
    auto same = compare(*q.model, **read, samples, {});
    REQUIRE_MESSAGE(same.ok(), same.status().message());
    CHECK(same->sqnr_db == kExactDb);
  }
}

TEST_CASE("types and scales of an int8 LSTM are those of the specification") {
  for (const Form& f : kForms) {
    INFO(std::string(f.name));
    const Recurrent& r = f.shape;
    const ModelData m = net(r);
    const QuantizedData q = quantized_recurrent(m);
    const Graph& g = q.model->main();
    const Node& n = lstm_of(g);
    auto in = [&](size_t i) -> const Value* {
      return n.input(i) == kNoValue ? nullptr : &g.value(n.inputs[i]);
    };
    const Value& y = g.value(n.outputs[0]);
    CHECK(n.version == 1);  // in every published model
    for (size_t i = 1; i <= 8; ++i) {
      if (in(i) == nullptr) continue;
      CHECK(in(i)->dtype == DType::int8);
      CHECK(!in(i)->quant.is_per_channel());
    }
    for (size_t i = 9; i <= 11; ++i) {
      CHECK((in(i) != nullptr) == (r.peephole && (i > 9 || r.input_gate)));
      if (in(i) != nullptr) CHECK(in(i)->dtype == DType::int16);
    }
    for (size_t gate = 0; gate < 4; ++gate) {
      const Value* bias = in(12 + gate);
      if (bias == nullptr) continue;
      CHECK(bias->dtype == DType::int32);
      const float want =
          r.norm ? in(20 + gate)->quant.scale() / 1024 : in(0)->quant.scale() * in(1 + gate)->quant.scale();
      CHECK(bias->quant.scale() == doctest::Approx(want));
      CHECK(g.value(n.intermediates[gate]).dtype == (r.norm ? DType::int16 : DType::float32));
      if (r.norm) CHECK(in(20 + gate)->dtype == DType::int16);
    }
    CHECK(in(18)->is_variable);
    CHECK(in(18)->dtype == DType::int8);
    CHECK(in(18)->quant == y.quant);
    CHECK(in(19)->is_variable);
    CHECK(in(19)->dtype == DType::int16);
    CHECK(std::exp2(std::round(std::log2(in(19)->quant.scale()))) == in(19)->quant.scale());
    REQUIRE(n.intermediates.size() == 5);
    const Value& hidden = g.value(n.intermediates[4]);
    CHECK(hidden.dtype == DType::int8);
    CHECK((hidden.quant == y.quant) == !r.projection);
    if (r.projection)
      CHECK(in(17)->quant.scale() == doctest::Approx(hidden.quant.scale() * in(16)->quant.scale()));
  }
}

TEST_CASE("an int8 LSTM keeps its state from run to run") {
  const ModelData m = net({});
  const QuantizedData q = quantized_recurrent(m);
  auto a = GraphExecutor::create(m), b = GraphExecutor::create(*q.model);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  RandomSamples samples(m, 3);
  std::vector<ConstTensorView> x;
  double signal = 0, noise = 0;
  while (*samples.next(x)) {
    REQUIRE((*a)->run(x).ok());
    REQUIRE((*b)->run(x).ok());
    for (int64_t i = 0; i < (*a)->output(0).elements(); ++i) {
      const auto u = static_cast<double>((*a)->output(0).as<float>()[i]),
                 v = static_cast<double>((*b)->output(0).as<float>()[i]);
      signal += u * u;
      noise += (u - v) * (u - v);
    }
  }
  CHECK(10 * std::log10(signal / noise) > 30);
}

TEST_CASE("LSTMs that have no int8 form stay float and say why") {
  auto reason = [](const ModelData& m) {
    const QuantizedData q = quantized_recurrent(m);
    REQUIRE(q.report.fallback.size() == 1);
    return q.report.fallback[0].reason;
  };
  CHECK(reason(net({.act = Activation::Kind::relu})) ==
        "no kernel takes it in int8: an integer LSTM with another activation than tanh");
  GraphBuilder shared;  // one state for two operators: which of them would it be quantized_recurrent for?
  const Recurrent r;
  const ValueId x = shared.input("x", r.input());
  shared.output(lstm(shared, x, r), "y");
  shared.output(lstm(shared, x, r), "z");
  Graph g = shared.build();
  g.nodes[1].inputs[19] = g.nodes[0].inputs[19];
  const std::string cell = g.value(g.nodes[0].inputs[19]).name;
  const QuantizedData q = quantized_recurrent(model_of(g));
  REQUIRE(q.report.fallback.size() == 2);
  CHECK(q.report.fallback[0].reason == "its state '" + cell + "' is that of another operator too");
  GraphBuilder basic;
  LstmAttrs a{.act = Activation::Kind::tanh, .basic_kernel = true};
  const auto out = basic.multi(OpKind::LSTM,
                               {basic.input("x", {2, 3}), basic.state("h", {2, 4}), basic.random({16, 7}),
                                basic.random({16}), basic.state("c", {2, 4})},
                               a, std::vector<DType>(4, DType::float32));
  basic.output(out[0], "y");
  CHECK(reason(model_of(basic.build())) == "is a basic cell, which has a uint8 form only");
}

TEST_CASE("SVDF becomes int8 with an int16 state") {
  for (const bool bias : {true, false}) {
    GraphBuilder b(5);
    const ValueId x = b.input("x", {2, 6});
    const ValueId y = b.op(
        OpKind::SVDF,
        {x, b.random({8, 6}), b.random({8, 5}), bias ? b.random({4}) : kNoValue, b.state("state", {2, 40})},
        SvdfAttrs{.rank = 2, .act = Activation::Kind::relu});
    b.output(y, "y");
    const ModelData m = model_of(b.build());
    const QuantizedData q = quantized_recurrent(m);
    CHECK(q.report.ops_float == 0);
    REQUIRE(q.report.error);
    CHECK(q.report.error->sqnr_db > 30);
    const Graph& g = q.model->main();
    const Node& n = g.nodes[1];
    REQUIRE(n.kind == OpKind::SVDF);
    CHECK(n.version == 3);
    const Value &time = g.value(n.inputs[2]), &state = g.value(n.inputs[4]);
    CHECK(time.dtype == DType::int16);
    for (const int16_t t : time.constant.as<int16_t>())
      CHECK(std::abs(t) <= 511);
    CHECK(state.dtype == DType::int16);
    CHECK(state.is_variable);
    if (bias)
      CHECK(g.value(n.inputs[3]).quant.scale() == doctest::Approx(time.quant.scale() * state.quant.scale()));
    CHECK(serialize(*q.model).ok());
    Graph broken = g;
    broken.value(n.inputs[2]).quant = Quantization::per_tensor({time.quant.scale() / 64, 0});
    std::vector<int16_t> fine(time.constant.as<int16_t>().begin(), time.constant.as<int16_t>().end());
    fine[0] = 5000;
    broken.value(n.inputs[2]).constant = Constant::of(fine);
    CHECK(verify_quantized(broken).message().find("holds 5000, must stay in ±511") != std::string::npos);
  }
}

TEST_CASE("a dynamic LSTM has all its weights in one type, however small some are") {
  const ModelData m = net({.n = 20, .m = 4, .k = 4});  // 80 input weights a gate, 16 recurrent ones
  RandomSamples samples(m, 4);
  auto q = quantize(m, samples, Recipe::of(Scheme::dynamic));
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  const Graph& g = q->model->main();
  const Node& n = lstm_of(g);
  for (size_t i = 1; i <= 8; ++i)
    CHECK(g.value(n.inputs[i]).dtype == DType::int8);
  for (size_t i : {12, 18, 19})
    CHECK(g.value(n.inputs[i]).dtype == DType::float32);
  REQUIRE(q->report.error);
  CHECK(q->report.error->sqnr_db > 30);
}

TEST_CASE("a cell that grows beyond what its scale can hold saturates and is reported") {
  // Gates wide open: the cell grows by one a step.
  Recurrent r;
  r.steps = 80;
  ModelData m = net(r);
  Graph& g = m.main();
  for (size_t gate = 0; gate < 4; ++gate)
    g.value(g.nodes[0].inputs[12 + gate]).constant =
        Constant::of(std::vector<float>(8, gate == kOutputGate ? 0.0f : 20.0f));
  const QuantizedData q = quantized_recurrent(m);
  CHECK(q.model->main().value(lstm_of(q.model->main()).inputs[19]).quant.scale() == 0x1p-9f);
  bool reported = false;
  for (const Finding& f : q.report.findings)
    reported = reported || (f.where == "y/cell" && f.what.find("it saturates at 64") != std::string::npos);
  CHECK(reported);
}

TEST_CASE("refinement leaves the weights and biases of gates alone: the output is no sum of theirs") {
  const ModelData m = net({});
  auto prepared = prepare(m, {});
  REQUIRE(prepared.ok());
  const ValueStatistics statistics = random_statistics(*prepared->model, 4);
  const auto q = quantize_once(*prepared, GraphStatistics(statistics, *prepared->model), {}, {});
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  for (const WeightSite& s : weight_sites(*prepared, *q))
    for (const Node& n : q->model->main().nodes)
      if (n.kind == OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM)
        CHECK(std::find(n.inputs.begin(), n.inputs.end(), s.weights) == n.inputs.end());
}

TEST_CASE("the verifier notices every kind of corruption of an LSTM") {
  const ModelData m = net({.k = 4, .peephole = true, .projection = true, .norm = true});
  const QuantizedData q = quantized_recurrent(m);
  const Graph& good = q.model->main();
  size_t at = 0;
  while (good.nodes[at].kind != OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM)
    ++at;
  REQUIRE(verify_quantized(good).ok());
  auto expect = [&](const char* message, auto corrupt) {
    Graph g = good;
    corrupt(g, g.nodes[at]);
    const Status s = verify_quantized(g);
    CAPTURE(message);
    CAPTURE(s.message());
    CHECK(s.message().find(message) != std::string::npos);
  };
  auto scaled = [](Value& v, float factor) {
    v.quant = Quantization::per_tensor({v.quant.scale() * factor, v.quant.zero_point()});
  };
  expect("power of two", [&](Graph& g, Node& n) { scaled(g.value(n.inputs[19]), 1.5f); });
  expect("power of two", [&](Graph& g, Node& n) { scaled(g.value(n.inputs[19]), 0x1p-8f); });
  expect("is int8, must be int16", [&](Graph& g, Node& n) { g.value(n.inputs[19]).dtype = DType::int8; });
  expect("is not a variable", [&](Graph& g, Node& n) { g.value(n.inputs[19]).is_variable = false; });
  expect("must have the type, scale", [&](Graph& g, Node& n) { scaled(g.value(n.inputs[18]), 2); });
  expect("has the scale", [&](Graph& g, Node& n) { scaled(g.value(n.inputs[13]), 2); });
  expect("has the scale", [&](Graph& g, Node& n) { scaled(g.value(n.inputs[17]), 2); });
  expect("has the scale", [&](Graph& g, Node& n) { scaled(g.value(n.intermediates[4]), 2); });
  expect("holds -32768", [&](Graph& g, Node& n) {
    Value& v = g.value(n.inputs[21]);
    std::vector<int16_t> data(v.constant.as<int16_t>().begin(), v.constant.as<int16_t>().end());
    data[0] = -32768;
    v.constant = Constant::of(data);
  });
  expect("must be 0", [&](Graph& g, Node& n) {
    Value& v = g.value(n.inputs[10]);
    v.quant = Quantization::per_tensor({v.quant.scale(), 3});
  });
  expect("intermediate 1: has no scale", [&](Graph& g, Node& n) { g.value(n.intermediates[1]).quant = {}; });
  expect("has 4 intermediates, needs 5", [&](Graph&, Node& n) { n.intermediates.pop_back(); });
}
