// Rewriting of graphs by tables of rules, to a fixed point.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "graph/rule.hpp"

namespace octet {

// What fired, in order.
struct FusionReport {
  struct Entry {
    std::string rule;
    std::string where;  // names of the operators, "conv1 + bn1/mul"
  };
  std::vector<Entry> entries;

  std::map<std::string, int> counts() const;
  int count(const std::string& rule) const;
  void append(const FusionReport& other);
  std::string to_string() const;  // one line per entry
};

// Before calibration and quantization: clean-up, fusions, look-through. The result can be written to a file,
// except for fused activations that no format has a code for (Activation::clamp).
// Marks stay with their nodes.
Result<FusionReport> fuse(Graph& g, NodeMarks* marks = nullptr);

// What a file means, in operators that say so: integer operators that it has in float (integer_rules.cpp),
// and conversions where it declares other scales than an operator's rule (scale_rules.cpp). A graph without
// any stays as it is, with its ids.
Result<FusionReport> as_declared(Graph& g);

// Before execution, after shapes are known: also what no file can say (explicit padding inside operators).
// Works on float and on integer graphs; integer results stay bit-exact.
Result<FusionReport> lower(Graph& g);

// Nodes that no rule may have as its consumer.
using Keep = std::function<bool(const Graph&, NodeId)>;

// The engine: asks the rules of `tables` about every site until none fires, then removes what is dead.
// `marks` are those of the nodes before and, when it is done, of those that are left.
Result<FusionReport> rewrite(Graph& g, std::span<const std::span<const Rule>> tables, const Keep& keep = {},
                             NodeMarks* marks = nullptr);

}  // namespace octet
