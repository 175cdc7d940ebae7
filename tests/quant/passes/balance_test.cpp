// Balanced channels: the float function stays where the data were, every channel comes to use the range of
// its tensor, and what can't be rescaled is left alone.
#include "quant/passes/balance.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <functional>

#include "tests/graph/rule_case.hpp"
#include "tests/support/interpreter.hpp"

namespace octet::test {
namespace {

using enum OpKind;
using Kind = Activation::Kind;

// Output channel o of a convolution's weights and bias times by[o].
void scale_outputs(Graph& g, size_t node, const std::vector<float>& by) {
  for (size_t slot : {1, 2}) {
    Value& w = g.value(g.nodes[node].inputs[slot]);
    std::vector<float> v(w.constant.as<float>().begin(), w.constant.as<float>().end());
    for (size_t i = 0; i < v.size(); ++i)
      v[i] *= by[i / (v.size() / by.size())];
    w.constant = Constant::of(v);
  }
}

ChannelStatistics statistics_of(const Graph& g, const std::vector<Constant>& inputs) {
  const auto all = interpret(g, inputs);
  REQUIRE_MESSAGE(all.ok(), all.status().message());
  ChannelStatistics result;
  for (ValueId v : rescalable_values(g)) {
    std::vector<ChannelStats>& stats = result[v];
    stats.resize(static_cast<size_t>(g.value(v).shape[-1]));
    const auto x = (*all)[static_cast<size_t>(v)].constant.as<float>();
    for (size_t i = 0; i < x.size(); ++i)
      stats[i % stats.size()].add(x[i]);
  }
  return result;
}

struct Outcome {
  size_t entries;
  ChannelExponents exponents;
  Graph before, after;
  ChannelStatistics statistics;  // of `before`
};
Outcome run_balance(GraphBuilder& b) {
  const Graph before = b.build();
  const std::vector<Constant> inputs = random_inputs(before, 3);
  Graph after = before;
  FusionReport report;
  const ChannelStatistics statistics = statistics_of(before, inputs);
  ChannelExponents e = balance_channels(after, statistics, report);
  const auto d = difference(before, after, inputs);
  REQUIRE_MESSAGE(d.ok(), d.status().message());
  CHECK(*d <= 1e-5);
  return {report.entries.size(), std::move(e), before, std::move(after), statistics};
}

// Greatest range of a value's channels over the least one.
double spread(const std::vector<ChannelStats>& stats) {
  double lo = HUGE_VAL, hi = 0;
  for (const ChannelStats& s : stats) {
    lo = std::min(lo, s.range());
    hi = std::max(hi, s.range());
  }
  return hi / lo;
}

const std::vector<float> kUneven = {1, 0.05f, 0.3f, 0.02f, 1, 0.1f};

}  // namespace

TEST_CASE("channels between two convolutions come to use one range") {
  GraphBuilder b;
  const ValueId y = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 6, .act = Kind::relu});
  b.output(b.conv_2d(y, {.out = 4}));
  scale_outputs(b.graph(), 0, kUneven);
  const Outcome o = run_balance(b);
  CHECK(o.entries == 1);
  const ValueId v = o.before.nodes[0].outputs[0];
  REQUIRE(o.exponents.size() == 1);
  const std::vector<int8_t>& e = o.exponents.at(o.before.value(v).name);
  const auto after = statistics_of(o.after, random_inputs(o.before, 3)).at(o.after.nodes[0].outputs[0]);
  CHECK(spread(o.statistics.at(v)) > 20);
  CHECK(spread(after) < spread(o.statistics.at(v)) / 2);
  // The exponents say what was done.
  for (size_t c = 0; c < e.size(); ++c) {
    CAPTURE(c);
    const double source = after[c].most * std::exp2(e[c] / kExponentSteps);
    CHECK(source == doctest::Approx(o.statistics.at(v)[c].most).epsilon(1e-5));
    CHECK(e[c] <= 0);
    CHECK(e[c] >= -3 * kExponentSteps);
  }
}

TEST_CASE("pieces of a concatenation come to use one range") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId small = b.conv_2d(x, {.out = 4}), large = b.conv_2d(x, {.out = 4});
  const ValueId both = b.op(CONCATENATION, {small, large}, ConcatAttrs{.axis = 3});
  b.output(b.conv_2d(both, {.out = 6, .filter = 1}));
  scale_outputs(b.graph(), 0, std::vector<float>(4, 0.01f));
  const Outcome o = run_balance(b);
  const std::vector<int8_t>& joined = o.exponents.at(o.before.value(both).name);
  REQUIRE(joined.size() == 8);
  for (size_t c = 0; c < 4; ++c)
    CHECK(joined[c] <= -3 * kExponentSteps);
  for (size_t c = 4; c < 8; ++c)
    CHECK(joined[c] > -2 * kExponentSteps);
}

TEST_CASE("factors pass depthwise convolutions, pooling, padding and concatenations") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId left = b.conv_2d(x, {.out = 6, .act = Kind::relu});
  const ValueId right = b.conv_2d(x, {.out = 2});
  Pool2DAttrs pool;
  pool.filter_h = pool.filter_w = pool.stride_h = pool.stride_w = 2;
  const ValueId both = b.op(CONCATENATION, {right, left}, ConcatAttrs{.axis = 3});
  const ValueId pooled = b.op(MAX_POOL_2D, {b.pad(both, {0, 0, 1, 1, 1, 1, 0, 0})}, pool);
  b.output(b.conv_2d(pooled, {.out = 4}));
  b.output(b.depthwise_conv_2d(left, {}));
  scale_outputs(b.graph(), 0, kUneven);
  const Outcome o = run_balance(b);
  const std::vector<int8_t>& own = o.exponents.at(o.before.value(left).name);
  const std::vector<int8_t>& joined = o.exponents.at(o.before.value(both).name);
  REQUIRE(joined.size() == 8);
  CHECK(joined[0] >= -2);  // even channels, almost as great as the others
  CHECK(joined[1] >= -2);
  CHECK(std::equal(own.begin(), own.end(), joined.begin() + 2));
  CHECK(o.exponents.at(o.before.value(pooled).name) == joined);
}

TEST_CASE("behind a bounded activation channels grow up to the bound") {
  GraphBuilder b;
  const ValueId y = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 6, .act = Kind::relu6});
  b.output(b.conv_2d(y, {.out = 4}));
  scale_outputs(b.graph(), 0, {4, 0.05f, 0.3f, 0.02f, 4, 0.1f});
  const Outcome o = run_balance(b);
  REQUIRE(o.entries == 1);
  const ValueId v = o.before.nodes[0].outputs[0];
  CHECK(o.statistics.at(v)[0].most == 6);
  const std::vector<int8_t>& e = o.exponents.at(o.before.value(v).name);
  CHECK(e[0] == 0);
  CHECK(e[1] < -kExponentSteps);
  const auto after = statistics_of(o.after, random_inputs(o.before, 3)).at(o.after.nodes[0].outputs[0]);
  CHECK(after[1].most > 2 * o.statistics.at(v)[1].most);
  CHECK(after[1].most < 6);  // run_balance() has seen that nothing is cut off
}

TEST_CASE("balancing declines") {
  auto entries = [](std::function<void(GraphBuilder&)> build) {
    GraphBuilder b;
    build(b);
    scale_outputs(b.graph(), 0, kUneven);
    const Outcome o = run_balance(b);
    CHECK(o.exponents.empty() == (o.entries == 0));
    return o.entries;
  };
  auto conv = [](GraphBuilder& b, Activation act = Kind::relu) {
    return b.conv_2d(b.input("x", {1, 6, 6, 3}), {.out = 6, .act = act});
  };
  CHECK(entries([&](GraphBuilder& b) { b.output(b.conv_2d(conv(b), {})); }) == 1);
  CHECK(entries([&](GraphBuilder& b) { b.output(b.conv_2d(b.op(TANH, {conv(b)}), {})); }) == 0);
  CHECK(entries([&](GraphBuilder& b) { b.output(b.conv_2d(b.output(conv(b)), {})); }) == 0);
  CHECK(entries([&](GraphBuilder& b) { b.output(b.conv_2d(conv(b, Activation::clamp(0.5f, 2)), {})); }) == 0);
  CHECK(entries([&](GraphBuilder& b) { b.output(conv(b)); }) == 0);
  CHECK(entries([&](GraphBuilder& b) {
          const ValueId y = conv(b);
          b.output(b.op(ADD, {y, b.conv_2d(y, {.out = 6})}));
        }) == 0);
  CHECK(entries([&](GraphBuilder& b) {
          const ValueId y = conv(b);
          b.output(b.conv_2d(b.op(CONCATENATION, {y, y}, ConcatAttrs{.axis = 1}), {}));
        }) == 0);
  CHECK(entries([&](GraphBuilder& b) {  // channels move by one
          b.output(b.conv_2d(b.pad(conv(b), {0, 0, 0, 0, 0, 0, 1, 0}), {}));
        }) == 0);
  CHECK(entries([&](GraphBuilder& b) {  // x * x below 0
          const ValueId y = conv(b, {});
          b.output(b.conv_2d(b.op(PRELU, {y, y}), {}));
        }) == 0);
  CHECK(entries([&](GraphBuilder& b) {  // weights that somebody else reads
          const ValueId y = conv(b);
          b.output(b.conv_2d(y, {}));
          b.output(b.op(NEG, {b.graph().nodes[1].inputs[1]}));
        }) == 0);
  CHECK(entries([&](GraphBuilder& b) {
          b.output(b.op(FULLY_CONNECTED, {conv(b), b.random({5, 6 * 36}), kNoValue}));
        }) == 0);
}

TEST_CASE("factors pass whatever commutes with them, and reach every kind of reader") {
  Pool2DAttrs pool;
  pool.filter_h = pool.filter_w = pool.stride_h = pool.stride_w = 2;
  const auto entries = [](const std::function<ValueId(GraphBuilder&, ValueId)>& reader, Activation act = {}) {
    GraphBuilder b;
    const ValueId y = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 6, .act = act});
    b.output(reader(b, y));
    scale_outputs(b.graph(), 0, kUneven);
    return run_balance(b).entries;
  };
  CHECK(entries([&](GraphBuilder& b, ValueId y) {
          return b.conv_2d(b.op(AVERAGE_POOL_2D, {y}, pool), {});
        }) == 1);
  CHECK(entries([&](GraphBuilder& b, ValueId y) {
          return b.conv_2d(b.op(LEAKY_RELU, {y}, LeakyReluAttrs{.alpha = 0.2f}), {});
        }) == 1);
  CHECK(entries([&](GraphBuilder& b, ValueId y) {
          return b.conv_2d(b.op(PRELU, {y, b.random({1, 1, 6})}), {});
        }) == 1);
  CHECK(entries([&](GraphBuilder& b, ValueId y) {
          return b.conv_2d(b.op(CONCATENATION, {y, y}, ConcatAttrs{.axis = -1}), {});
        }) == 1);
  CHECK(entries([&](GraphBuilder& b, ValueId y) { return b.conv_2d(y, {.out = 4, .groups = 2}); }) == 1);
  CHECK(entries([&](GraphBuilder& b, ValueId y) { return b.transpose_conv(y, {.out = 3, .stride = 2}); }) ==
        1);
  CHECK(entries([&](GraphBuilder& b, ValueId y) { return b.conv_2d(y, {}); }, Activation::clamp(-1, 2)) == 1);
}

TEST_CASE("shapes that a file has wrong are not trusted") {
  const auto spoil = [](size_t node, const Shape& shape, bool has_rank) {
    GraphBuilder b;
    const ValueId x = b.input("x", {1, 8, 8, 3});
    const ValueId y = b.conv_2d(x, {.out = 6, .act = Kind::relu});
    const ValueId both = b.op(CONCATENATION, {y, b.conv_2d(x, {.out = 2})}, ConcatAttrs{.axis = 3});
    b.output(b.conv_2d(b.op(LEAKY_RELU, {both}, LeakyReluAttrs{.alpha = 0.2f}), {.out = 4}));
    scale_outputs(b.graph(), 0, {1, 0.02f, 0.02f, 0.02f, 0.02f, 0.02f});
    Graph g = b.build();
    const ChannelStatistics statistics = statistics_of(g, random_inputs(g, 3));
    Value& v = g.value(g.nodes[node].outputs[0]);
    v.shape = shape;
    v.has_rank = has_rank;
    const std::string name = g.value(y).name;
    FusionReport report;
    return balance_channels(g, statistics, report).contains(name);
  };
  CHECK(spoil(0, {1, 8, 8, 6}, true));  // right
  CHECK(!spoil(0, {1, 8, 8, 2}, true));
  CHECK(!spoil(0, {}, false));
  CHECK(!spoil(2, {1, 8, 8, 1}, true));
  CHECK(!spoil(2, {1, 8, 8, -1}, true));
  CHECK(!spoil(2, {}, false));
  CHECK(!spoil(3, {1, 8, 8, 4}, true));
  CHECK(!spoil(3, {1, 8, 8}, true));
  CHECK(!spoil(3, {}, true));
}

TEST_CASE("even channels, and values without statistics, stay as they are") {
  GraphBuilder b;
  const ValueId y = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 6, .act = Kind::relu});
  b.output(b.conv_2d(y, {.out = 4}));
  GraphBuilder even = b;
  CHECK(run_balance(even).entries == 0);
  scale_outputs(b.graph(), 0, kUneven);
  Graph g = b.build();
  const ValueId v = g.nodes[0].outputs[0];
  FusionReport report;
  CHECK(balance_channels(g, ChannelStatistics{}, report).empty());
  CHECK(balance_channels(g, {{v, std::vector<ChannelStats>(6)}}, report).empty());  // nothing was seen
  CHECK(balance_channels(g, {{v, std::vector<ChannelStats>(5, {.most = 1, .count = 1})}}, report).empty());
  CHECK(report.entries.empty());
}

TEST_CASE("weights that would leave the range of float stop balancing as a whole") {
  GraphBuilder b;
  const ValueId y = b.conv_2d(b.input("x", {1, 8, 8, 3}), {.out = 6, .act = Kind::relu});
  b.output(b.conv_2d(y, {.out = 4}));
  scale_outputs(b.graph(), 0, kUneven);
  Graph g = b.build();
  const ChannelStatistics statistics = statistics_of(g, random_inputs(g, 3));
  scale_outputs(g, 0, std::vector<float>(6, 3e38f));
  const auto weights = [](const Graph& of) {
    const auto w = of.value(of.nodes[0].inputs[1]).constant.as<float>();
    return std::vector<float>(w.begin(), w.end());
  };
  Graph after = g;
  FusionReport report;
  CHECK(balance_channels(after, statistics, report).empty());
  CHECK(report.entries.empty());
  CHECK(weights(after) == weights(g));
}

}  // namespace octet::test
