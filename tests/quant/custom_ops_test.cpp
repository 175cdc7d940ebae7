// Custom operators and the quantizer: kept in float, said so, and run on the way.
#include <cmath>
#include <doctest/doctest.h>

#include "octet/custom.hpp"
#include "quant/quantize.hpp"
#include "quant/statistics/runner.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

// The mean over all runs since the last reset, of sinh(x): wrong when state leaks from sample to sample.
class RunningSinh final : public CustomKernel {
 public:
  Status run(std::span<const ConstTensorView> in, std::span<const TensorView> out) override {
    ++runs_;
    for (int64_t i = 0; i < in[0].elements(); ++i)
      out[0].as<float>()[i] = std::sinh(in[0].as<float>()[i]) / static_cast<float>(runs_);
    return {};
  }
  void reset_state() override { runs_ = 0; }

 private:
  int runs_ = 0;
};

std::shared_ptr<const CustomOps> sinh_ops() {
  CustomOp op;
  op.name = "Sinh";
  op.create = [](const CustomNode& n) -> Result<std::unique_ptr<CustomKernel>> {
    if (n.in[0].dtype != DType::float32) return Status::unsupported("Sinh takes float32");
    return std::unique_ptr<CustomKernel>(std::make_unique<RunningSinh>());
  };
  auto ops = std::make_shared<CustomOps>();
  REQUIRE(ops->add(std::move(op)).ok());
  return ops;
}

// A convolution, the operator, another convolution.
ModelData custom_net() {
  GraphBuilder b(3);
  const ValueId a = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 4, .act = Activation::Kind::relu6});
  Graph& g = b.graph();
  Value v = g.value(a);
  v.name = "middle";
  const ValueId s = g.add_value(v);
  g.nodes.push_back({OpKind::CUSTOM, CustomAttrs{"Sinh", {}}, {a}, {s}, {}, 1, {}});
  b.output(b.conv_2d(s, {.out = 2}), "y");
  return model_of(b.build());
}

}  // namespace

TEST_CASE("a custom operator stays in float between int8 operators, and is reported") {
  const ModelData m = custom_net();
  RandomSamples samples(m, 12);
  QuantizeOptions options;
  CHECK(quantize(m, samples, {}, options).status().message() ==
        "sample 0: CUSTOM:Sinh 'middle': custom operator 'Sinh' is not registered");
  REQUIRE(samples.rewind().ok());
  options.custom_ops = sinh_ops();
  const auto q = quantize(m, samples, {}, options);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  CHECK(q->report.ops_int8 == 2);
  CHECK(q->report.ops_float == 1);
  REQUIRE(q->report.fallback.size() == 1);
  CHECK(q->report.fallback[0].op == "middle");
  CHECK(q->report.fallback[0].kind == "CUSTOM");
  CHECK(q->report.fallback[0].reason == "a custom operator: Octet does not know its int8 form");
  REQUIRE(q->report.error);
  CHECK(q->report.error->sqnr_db > 30);

  const Graph& g = q->model->main();
  for (const Node& n : g.nodes)
    if (n.kind == OpKind::CUSTOM) {
      CHECK(g.value(n.inputs[0]).dtype == DType::float32);
      CHECK(g.value(n.outputs[0]).dtype == DType::float32);
    } else if (n.kind == OpKind::CONV_2D) {
      CHECK(g.value(n.inputs[0]).dtype == DType::int8);
    }
  CHECK(!GraphExecutor::create(*q->model).ok());
  CHECK(GraphExecutor::create(*q->model, {.custom_ops = options.custom_ops}).ok());
}
