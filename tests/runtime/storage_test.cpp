// Values that share storage, on random graphs.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "runtime/executor.hpp"
#include "tests/runtime/random_graph.hpp"
#include "tests/support/interpreter.hpp"

namespace octet {
namespace {

constexpr uint32_t kGraphs = 300;

// Memory and the steps in which what it holds is needed.
struct Region {
  int64_t begin, end;
  int first, last;
  ValueId group;  // kNoValue: a workspace
};

std::vector<Region> regions_of(const ExecutionPlan& p) {
  const Graph& g = p.graph;
  const int steps = static_cast<int>(p.steps.size());
  std::vector<int> first(g.values.size(), -1), last(g.values.size(), -1);
  for (ValueId v : g.inputs)
    first[static_cast<size_t>(v)] = last[static_cast<size_t>(v)] = 0;
  for (int s = 0; s < steps; ++s) {
    const Node& n = g.nodes[static_cast<size_t>(p.steps[static_cast<size_t>(s)].node)];
    for (ValueId v : n.outputs)
      if (v != kNoValue) first[static_cast<size_t>(v)] = last[static_cast<size_t>(v)] = s;
    for (ValueId v : n.inputs)
      if (v != kNoValue) last[static_cast<size_t>(v)] = s;
  }
  for (ValueId v : g.outputs)
    last[static_cast<size_t>(v)] = steps;
  std::vector<Region> regions;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Place& place = p.places[i];
    if (place.storage != Storage::arena) continue;
    const int64_t bytes = byte_size(g.values[i].dtype, p.shapes[i]);
    regions.push_back({place.offset, place.offset + bytes, first[i], last[i], place.group});
  }
  for (int s = 0; s < steps; ++s) {
    const auto i = static_cast<size_t>(s);
    if (p.workspace_bytes[i] == 0) continue;
    const int64_t at = p.workspace_offset[i];
    regions.push_back({at, at + static_cast<int64_t>(p.workspace_bytes[i]), s, s, kNoValue});
  }
  return regions;
}

// Two regions that are needed at once and overlap although they do not belong together; empty when none do.
std::string find_clash(const ExecutionPlan& p) {
  const std::vector<Region> regions = regions_of(p);
  for (size_t i = 0; i < regions.size(); ++i) {
    const Region& a = regions[i];
    if (a.begin < 0 || a.end > p.arena_bytes) return fmt::format("region {} lies outside of the arena", i);
    for (size_t k = i + 1; k < regions.size(); ++k) {
      const Region& b = regions[k];
      if (a.group != kNoValue && a.group == b.group) continue;
      if (a.first <= b.last && b.first <= a.last && a.begin < b.end && b.begin < a.end)
        return fmt::format("regions {} and {} overlap", i, k);
    }
  }
  return {};
}

std::vector<ConstTensorView> views_of(const Graph& g, const std::vector<Constant>& inputs) {
  std::vector<ConstTensorView> views;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value& v = g.value(g.inputs[i]);
    views.push_back({inputs[i].data(), v.dtype, v.shape, v.quant});
  }
  return views;
}

}  // namespace

TEST_CASE("random graphs: no two values that are needed at once share memory by accident") {
  size_t in_place = 0, elided = 0;
  for (uint32_t seed = 0; seed < kGraphs; ++seed) {
    CAPTURE(seed);
    ThreadPool pool(1);
    const auto prepared = make_plan(test::random_graph(seed), {}, pool);
    REQUIRE_MESSAGE(prepared.ok(), prepared.status().message());
    const ExecutionPlan& p = *prepared->plan;
    CHECK(find_clash(p).empty());
    for (const Step& s : p.steps) {
      const Node& n = p.graph.nodes[static_cast<size_t>(s.node)];
      elided += s.elided ? 1 : 0;
      in_place +=
          s.spec->sharing == Sharing::in_place && p.places[static_cast<size_t>(n.inputs[0])].offset ==
                                                      p.places[static_cast<size_t>(n.outputs[0])].offset
              ? 1
              : 0;
    }
  }
  // The graphs have what this is about.
  CHECK(in_place > kGraphs);
  CHECK(elided > kGraphs / 2);
}

TEST_CASE("a clash is found") {
  ThreadPool pool(1);
  const auto prepared = make_plan(test::random_graph(1), {}, pool);
  REQUIRE(prepared.ok());
  ExecutionPlan p = *prepared->plan;
  for (size_t i = 0; i < p.places.size(); ++i) {
    p.places[i].offset = 0;
    p.places[i].group = static_cast<ValueId>(i);
  }
  CHECK_FALSE(find_clash(p).empty());
}

TEST_CASE("random graphs: sharing storage changes no result") {
  for (uint32_t seed = 0; seed < kGraphs; ++seed) {
    CAPTURE(seed);
    ModelData m;
    m.graphs.push_back(test::random_graph(seed));
    const Graph& g = m.main();
    const std::vector<Constant> inputs = test::random_inputs(g, seed);
    // Every value in memory of its own.
    const auto alone = test::interpret(g, inputs);
    REQUIRE_MESSAGE(alone.ok(), alone.status().message());
    for (const Backend backend : {Backend::reference, Backend::xnnpack}) {
      auto e = GraphExecutor::create(m, {.backend = backend});
      REQUIRE_MESSAGE(e.ok(), e.status().message());
      for (int round = 0; round < 2; ++round) {  // a second run must not see what the first left
        REQUIRE((*e)->run(views_of(g, inputs)).ok());
        for (size_t i = 0; i < g.outputs.size(); ++i) {
          const auto want = (*alone)[static_cast<size_t>(g.outputs[i])].constant.as<float>();
          const ConstTensorView got = (*e)->output(i);
          REQUIRE(got.elements() == static_cast<int64_t>(want.size()));
          double worst = 0, peak = 1e-6;
          for (size_t k = 0; k < want.size(); ++k) {
            worst = std::max(worst, static_cast<double>(std::fabs(got.as<float>()[k] - want[k])));
            peak = std::max(peak, static_cast<double>(std::fabs(want[k])));
          }
          CHECK(worst <= 1e-5 * peak);
        }
      }
    }
  }
}

}  // namespace octet
