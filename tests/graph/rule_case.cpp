#include "tests/graph/rule_case.hpp"

#include <doctest/doctest.h>
#include <set>

#include "tests/support/interpreter.hpp"

namespace octet::test {
namespace {

std::string text(const Kinds& kinds) {
  std::string s;
  for (OpKind k : kinds)
    s += (s.empty() ? "" : " ") + std::string(name_of(k));
  return s;
}

void run_case(const RuleCase& c) {
  GraphBuilder b;
  c.build(b);
  const Graph before = b.build();
  Graph after = before;
  NodeMarks marks;
  const auto report = c.rewrite(after, marks);
  REQUIRE_MESSAGE(report.ok(), report.status().message());
  const std::string fired = report->to_string();
  INFO(fired);
  CHECK((report->count(c.rule) > 0) == c.fires);
  CHECK(kinds_of(after) == (c.expected.empty() ? kinds_of(before) : text(c.expected)));
  if (c.check) c.check(after);
  REQUIRE(marks.size() == after.nodes.size());
  if (c.check_marks) c.check_marks(after, marks);
  const auto d = difference(before, after, random_inputs(before, 7));
  REQUIRE_MESSAGE(d.ok(), d.status().message());
  CHECK(*d <= 1e-5);
}

}  // namespace

std::string kinds_of(const Graph& g) {
  Kinds k;
  for (const Node& n : g.nodes)
    k.push_back(n.kind);
  return text(k);
}

void run_cases(const std::vector<RuleCase>& cases) {
  for (const RuleCase& c : cases) {
    SUBCASE(c.name.c_str()) {
      run_case(c);
    }
  }
}

void check_coverage(std::span<const Rule> rules, const std::vector<RuleCase>& cases) {
  std::set<std::string> fires, declines;
  for (const RuleCase& c : cases)
    (c.fires ? fires : declines).insert(c.rule);
  for (const Rule& r : rules) {
    CHECK_MESSAGE(fires.count(std::string(r.name)) == 1, r.name);
    CHECK_MESSAGE(declines.count(std::string(r.name)) == 1, r.name);
  }
}

}  // namespace octet::test
