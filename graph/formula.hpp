// Formulas over graphs: "mul(x, relu6(add(x, 3)), 0.16666667)" is found in whatever order and grouping the
// graph spells it. Used by the table of multi-node patterns.
//
//   x, y        a computed value; the same letter is the same value everywhere
//   3, 0.5      a scalar constant (to 1e-4 relative)
//   %a          any float constant, handed to the rule
//   mul, add    take any number of operands: products and sums are flattened (SQUARE, POW by 2 or 3, NEG and
//               DIV by a constant are products; SUB of a constant is a sum)
//   relu, relu6, relu01   the operator, or the fused activation of its operand
//   sum, mean, max        reductions that keep the axis; all of one formula along the same axes
//   sub, div, sqdiff, exp, tanh, sqrt, rsqrt, neg, maximum, minimum
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph_editor.hpp"

namespace octet {

struct Term {
  std::string name;            // operator, variable or "%capture"; empty for a number
  double number = 0;           // when `name` is empty
  std::vector<Term> operands;  // of an operator

  bool is_number() const { return name.empty(); }
  bool is_capture() const { return !name.empty() && name[0] == '%'; }
};
// The formula must be well-formed (tables are checked by a test): Status says where it is not.
Result<Term> parse_formula(std::string_view text);

// A captured constant: `scale` times `tensor`, or `scale` alone.
struct Captured {
  double scale = 1;
  ValueId tensor = kNoValue;
  friend bool operator==(const Captured&, const Captured&) = default;
};

struct Match {
  NodeId root = -1;
  std::map<std::string, ValueId> values;
  std::map<std::string, Captured> constants;
  std::set<NodeId> nodes;     // the root and all that is between it and the values
  std::vector<int64_t> axes;  // of the reductions, counted from the front, ascending
};

// Whether `formula` is what node `root` computes, with no other reader of the values in between.
std::optional<Match> match_formula(const GraphEditor& ed, const Term& formula, NodeId root);

}  // namespace octet
