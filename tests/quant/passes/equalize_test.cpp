// Cross-layer equalization: the float function stays, ranges meet, and what can't be scaled is left alone.
#include "quant/passes/equalize.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "tests/graph/rule_case.hpp"
#include "tests/support/interpreter.hpp"

namespace octet::test {
namespace {

using enum OpKind;
using Kind = Activation::Kind;

// Ratio of the greatest and the least channel peak of a convolution's weights along their first axis.
double spread(const Value& w) {
  const auto v = w.constant.as<float>();
  const size_t inner = v.size() / static_cast<size_t>(w.shape[0]);
  double lo = HUGE_VAL, hi = 0;
  for (size_t o = 0; o < static_cast<size_t>(w.shape[0]); ++o) {
    double peak = 0;
    for (size_t i = 0; i < inner; ++i)
      peak = std::max(peak, std::fabs(static_cast<double>(v[o * inner + i])));
    lo = std::min(lo, peak);
    hi = std::max(hi, peak);
  }
  return hi / lo;
}

// Channels of very different size: output channel o of the weights times 10^(3 o / channels).
void unbalance(Graph& g, ValueId weights) {
  Value& w = g.value(weights);
  std::vector<float> v(w.constant.as<float>().begin(), w.constant.as<float>().end());
  const auto channels = static_cast<size_t>(w.shape[0]);
  for (size_t i = 0; i < v.size(); ++i)
    v[i] *=
        std::pow(10.0f, 3.0f * static_cast<float>(i / (v.size() / channels)) / static_cast<float>(channels));
  w.constant = Constant::of(v);
}

struct EqualizeOutcome {
  size_t entries;
  double spread_before, spread_after;
};
EqualizeOutcome run_equalize(GraphBuilder& b) {
  unbalance(b.graph(), b.graph().nodes[0].inputs[1]);
  const Graph before = b.build();
  Graph after = before;
  FusionReport report;
  const Status status = equalize(after, report);
  REQUIRE_MESSAGE(status.ok(), status.message());
  const auto d = difference(before, after, random_inputs(before, 3));
  REQUIRE_MESSAGE(d.ok(), d.status().message());
  CHECK(*d <= 1e-5);
  return {report.entries.size(), spread(before.value(before.nodes[0].inputs[1])),
          spread(after.value(after.nodes[0].inputs[1]))};
}

}  // namespace

TEST_CASE("a chain of convolutions is equalized") {
  GraphBuilder b;
  ValueId y = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 6, .act = Kind::relu});
  y = b.depthwise_conv_2d(y, {.act = Kind::relu});
  b.output(b.fully_connected(b.conv_2d(y, {.out = 4}), 5));
  const EqualizeOutcome o = run_equalize(b);
  CHECK(o.entries == 3);
  CHECK(o.spread_before > 100);
  CHECK(o.spread_after < 30);
}

TEST_CASE("scaling passes pooling, padding and leaky ReLU") {
  GraphBuilder b;
  ValueId y = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 6});
  y = b.op(LEAKY_RELU, {y}, LeakyReluAttrs{.alpha = 0.2f});
  Pool2DAttrs pool;
  pool.filter_h = pool.filter_w = pool.stride_h = pool.stride_w = 2;
  y = b.op(MAX_POOL_2D, {b.pad(y, {0, 0, 1, 1, 1, 1, 0, 0})}, pool);
  b.output(b.conv_2d(y, {.out = 4}));
  CHECK(run_equalize(b).entries == 1);
}

TEST_CASE("grouped and transposed convolutions are equalized") {
  GraphBuilder b;
  ValueId y = b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 6, .act = Kind::relu, .bias = false});
  y = b.conv_2d(y, {.out = 4, .act = Kind::relu, .groups = 2});
  b.output(b.transpose_conv(y, {.out = 3, .stride = 2}));
  CHECK(run_equalize(b).entries == 2);
}

TEST_CASE("dead channels stay as they are") {
  GraphBuilder b;
  const ValueId y = b.conv_2d(b.input("x", {1, 6, 6, 2}), {.out = 3, .filter = 1, .act = Kind::relu});
  b.output(b.conv_2d(y, {.out = 4, .filter = 1}));
  Graph& g = b.graph();
  Value& w = g.value(g.nodes[0].inputs[1]);
  w.constant = Constant::of(std::vector<float>{0, 0, 100, 50, 1, 2});
  Value& w2 = g.value(g.nodes[1].inputs[1]);
  w2.constant = Constant::of(std::vector<float>{1, 2, 0, 1, 2, 0, 3, 4, 0, 5, 6, 0});
  const Graph before = b.build();
  FusionReport report;
  REQUIRE(equalize(g, report).ok());
  const auto after = g.value(g.nodes[0].inputs[1]).constant.as<float>();
  CHECK(after[0] == 0);
  CHECK(after[4] == 1);  // its reader ignores it
  CHECK(after[2] < 100);
  CHECK(*difference(before, g, random_inputs(before, 3)) <= 1e-5);
}

TEST_CASE("equalization declines") {
  auto entries = [](std::function<void(GraphBuilder&)> build) {
    GraphBuilder b;
    build(b);
    return run_equalize(b).entries;
  };
  auto conv = [](GraphBuilder& b, Activation act = {}) {
    return b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 6, .act = act});
  };
  CHECK(entries([&](GraphBuilder& b) { b.output(b.conv_2d(conv(b, Kind::relu6), {})); }) == 0);
  CHECK(entries([&](GraphBuilder& b) { b.output(b.conv_2d(b.op(TANH, {conv(b)}), {})); }) == 0);
  CHECK(entries([&](GraphBuilder& b) {
          const ValueId y = conv(b);
          b.output(b.conv_2d(y, {}));
          b.output(b.op(NEG, {y}));
        }) == 0);
  CHECK(entries([&](GraphBuilder& b) { b.output(b.conv_2d(b.output(conv(b)), {})); }) == 0);
  CHECK(entries([&](GraphBuilder& b) {
          b.output(b.op(FULLY_CONNECTED, {conv(b), b.random({5, 6 * 36}), kNoValue}));
        }) == 0);
}

}  // namespace octet::test
