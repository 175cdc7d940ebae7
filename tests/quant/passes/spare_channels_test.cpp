// Spare channels become copies: the float function stays, rounding of the tensor between does less harm.
#include "quant/passes/spare_channels.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <functional>

#include "tests/graph/rule_case.hpp"
#include "tests/support/interpreter.hpp"

namespace octet::test {
namespace {

using enum OpKind;
using Kind = Activation::Kind;

Value& input_of(Graph& g, size_t node, size_t slot) {
  return g.value(g.nodes[node].inputs[slot]);
}

void set(Value& v, const std::function<float(size_t, float)>& f) {
  const auto old = v.constant.as<float>();
  std::vector<float> made;
  for (size_t i = 0; i < old.size(); ++i)
    made.push_back(f(i, old[i]));
  v.constant = Constant::of(made);
}

// Output channels from `first` on are 0 for every input; the others stay away from where the activation
// clamps.
void kill(Graph& g, size_t node, size_t first) {
  const auto channels = static_cast<size_t>(input_of(g, node, 1).shape[0]);
  const size_t inner = input_of(g, node, 1).constant.as<float>().size() / channels;
  set(input_of(g, node, 1), [&](size_t i, float w) { return i / inner < first ? 0.1f * w : 1e-12f * w; });
  set(input_of(g, node, 2), [&](size_t i, float) { return i < first ? 3.0f : -0.5f; });
}

struct SpareChannelsOutcome {
  size_t entries;
  double difference;  // of the float results, relative
  Graph before, after;
};
SpareChannelsOutcome run_spare(GraphBuilder& b) {
  const Graph before = b.build();
  Graph after = before;
  const auto report = use_spare_channels(after);
  REQUIRE_MESSAGE(report.ok(), report.status().message());
  const auto d = difference(before, after, random_inputs(before, 3));
  REQUIRE_MESSAGE(d.ok(), d.status().message());
  return {report->entries.size(), *d, before, std::move(after)};
}

// Mean squared error of the graph's output when the output of node 0 is rounded to 255 steps of [0, 6].
double error_by_rounding(const Graph& g) {
  const Constant x = random_inputs(g, 5)[0];
  Graph tail = g;
  tail.inputs = {g.nodes[0].outputs[0]};
  tail.nodes.erase(tail.nodes.begin());
  const auto all = interpret(g, {x});
  REQUIRE(all.ok());
  const auto middle = (*all)[static_cast<size_t>(tail.inputs[0])].constant.as<float>();
  std::vector<float> rounded;
  for (float v : middle)
    rounded.push_back(std::nearbyint(v * 255 / 6) * 6 / 255);
  const auto coarse = interpret(tail, {Constant::of(rounded)});
  REQUIRE(coarse.ok());
  const auto y = (*all)[static_cast<size_t>(g.outputs[0])].constant.as<float>();
  const auto z = (*coarse)[static_cast<size_t>(g.outputs[0])].constant.as<float>();
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i)
    sum += std::pow(static_cast<double>(y[i] - z[i]), 2);
  return sum / static_cast<double>(y.size());
}

}  // namespace

TEST_CASE("spare channels halve the step of others") {
  GraphBuilder b;
  const ValueId y = b.conv_2d(b.input("x", {1, 16, 16, 3}), {.out = 4, .act = Kind::relu6});
  b.output(b.conv_2d(y, {.out = 5}));
  kill(b.graph(), 0, 2);
  const SpareChannelsOutcome o = run_spare(b);
  CHECK(o.entries == 1);
  CHECK(o.difference <= 1e-5);
  // A quarter of the noise.
  CHECK(error_by_rounding(o.after) < 0.4 * error_by_rounding(o.before));
}

TEST_CASE("they pass a depthwise convolution, padding and border included") {
  GraphBuilder b;
  ValueId y = b.conv_2d(b.input("x", {1, 9, 9, 3}), {.out = 6, .act = Kind::relu6});
  y = b.pad(y, {0, 0, 0, 1, 0, 1, 0, 0});
  y = b.depthwise_conv_2d(y, {.stride = 2, .padding = Padding::Kind::valid, .act = Kind::relu6});
  b.output(b.conv_2d(y, {.out = 4, .filter = 1}));
  kill(b.graph(), 0, 4);
  set(input_of(b.graph(), 2, 1), [](size_t, float w) { return 0.1f * w; });
  set(input_of(b.graph(), 2, 2), [](size_t, float) { return 3.0f; });  // what dead channels contribute
  const SpareChannelsOutcome o = run_spare(b);
  CHECK(o.entries == 1);
  CHECK(o.difference <= 1e-5);
}

TEST_CASE("a dozen copies of one channel average out") {
  GraphBuilder b;
  const ValueId y = b.conv_2d(b.input("x", {1, 16, 16, 3}), {.out = 13, .act = Kind::relu6});
  b.output(b.conv_2d(y, {.out = 2, .filter = 1}));
  kill(b.graph(), 0, 1);
  const SpareChannelsOutcome o = run_spare(b);
  CHECK(o.entries == 1);
  CHECK(o.difference <= 1e-5);
  CHECK(error_by_rounding(o.after) < 0.02 * error_by_rounding(o.before));
}

TEST_CASE("spare channels are left alone") {
  const auto entries = [](const std::function<void(GraphBuilder&)>& build) {
    GraphBuilder b;
    build(b);
    const SpareChannelsOutcome o = run_spare(b);
    CHECK(o.difference <= 1e-6);
    return o.entries;
  };
  const auto chain = [&](Activation act, bool dead = true, int readers = 1) {
    return [=](GraphBuilder& b) {
      const ValueId y = b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 4, .act = act});
      for (int i = 0; i < readers; ++i)
        b.output(b.conv_2d(y, {.out = 3}));
      if (dead) kill(b.graph(), 0, 2);
    };
  };
  CHECK(entries(chain(Kind::relu6)) == 1);
  CHECK(entries(chain(Kind::relu6, false)) == 0);  // nothing spare
  CHECK(entries(chain(Kind::relu)) == 0);          // the step is not known
  CHECK(entries(chain(Kind::relu_n1_to_1)) == 0);  // a dead channel is -1, not 0
  CHECK(entries(chain(Activation::clamp(0, 4))) == 1);
  CHECK(entries(chain(Kind::relu6, true, 2)) == 0);  // two readers
  CHECK(entries([](GraphBuilder& b) {                // a graph output
          const ValueId y = b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 4, .act = Kind::relu6});
          b.output(y);
          b.output(b.conv_2d(y, {.out = 3}));
          kill(b.graph(), 0, 2);
        }) == 0);
  CHECK(entries([](GraphBuilder& b) {  // the reader sees a group of the channels only
          const ValueId y = b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 4, .act = Kind::relu6});
          b.output(b.conv_2d(y, {.out = 4, .groups = 2}));
          kill(b.graph(), 0, 2);
        }) == 0);
  // The constant that a dead channel makes in the depthwise convolution is missing where the last one pads.
  const auto padded = [](float bias) {
    return [=](GraphBuilder& b) {
      ValueId y = b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 4, .act = Kind::relu6});
      y = b.depthwise_conv_2d(y, {.act = Kind::relu6});
      b.output(b.conv_2d(y, {.out = 3}));
      kill(b.graph(), 0, 2);
      set(input_of(b.graph(), 1, 1), [](size_t, float w) { return 0.1f * w; });
      set(input_of(b.graph(), 1, 2), [=](size_t i, float) { return i < 2 ? 3.0f : bias; });
    };
  };
  CHECK(entries(padded(0.5f)) == 0);
  CHECK(entries(padded(-0.5f)) == 1);
}

}  // namespace octet::test
