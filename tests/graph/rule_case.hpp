// A small graph, the rule it is about, and the graph that must come out.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/rewriter.hpp"
#include "tests/support/graph_builder.hpp"

namespace octet::test {

using Kinds = std::vector<OpKind>;

struct RuleCase {
  std::string name;
  std::string rule;  // of the tables
  bool fires;
  std::function<void(GraphBuilder&)> build;
  Kinds expected;  // operators afterwards, in order; empty: as before
  std::function<void(const Graph&)> check = {};
  std::function<Result<FusionReport>(Graph&, NodeMarks&)> rewrite = [](Graph& g, NodeMarks& marks) {
    return fuse(g, &marks);
  };
  std::function<void(const Graph&, const NodeMarks&)> check_marks = {};
};

// "CONV_2D RELU"
std::string kinds_of(const Graph& g);

// Each case as a subcase: the rule fires or not, the operators are the expected ones, and the reference
// results before and after agree (floats to 1e-5, integers exactly).
void run_cases(const std::vector<RuleCase>& cases);
// Every rule has a case where it fires and one where it declines.
void check_coverage(std::span<const Rule> rules, const std::vector<RuleCase>& cases);

}  // namespace octet::test
