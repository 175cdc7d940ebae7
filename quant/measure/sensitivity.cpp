#include "quant/measure/sensitivity.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/assign/same_scale.hpp"
#include "runtime/plan.hpp"

namespace octet {
namespace {

constexpr int64_t kSamples = 8;
// An element that is read, computed and written, in multiply-accumulates of a convolution.
constexpr double kElement = 4;

bool is_rounded(const Graph& g, const GraphAssignment& a, ValueId v) {
  return v != kNoValue && !g.value(v).is_constant() && !a.values[static_cast<size_t>(v)].empty() &&
         a.types[static_cast<size_t>(v)] == DType::int8;
}

bool is_integer(const GraphAssignment& a, NodeId n) {
  return a.nodes[static_cast<size_t>(n)].kind == NodeForm::Kind::integer;
}

double work_of(const Graph& g, const std::vector<Shape>& shapes, const Node& n) {
  double elements = 0;
  for (ValueId v : n.outputs)
    if (v != kNoValue) elements += static_cast<double>(g.value(v).shape.elements());
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || spec->macs == nullptr || n.outputs.empty()) return kElement * elements;
  const NodeTensors t = describe(g, n, shapes);
  const bool known = infer_shapes(*spec, t.desc(n)).ok();
  return kElement * elements + (known ? static_cast<double>(spec->macs(t.desc(n))) : 0);
}

// A group of values with one rounding.
struct Group {
  std::vector<ValueId> values;
  std::vector<ValueId> sources;  // where it happens: what is computed, and inputs of the graph
  bool fixed = false;            // it happens in any case
};

// `fixed`: values that are rounded to 8 bits whatever becomes of the operators.
std::vector<Group> groups_of(const Graph& g, const GraphAssignment& a, const std::set<ValueId>& fixed) {
  std::vector<size_t> root(g.values.size());
  for (size_t v = 0; v < root.size(); ++v)
    root[v] = v;
  const auto find = [&](size_t v) {
    while (root[v] != v)
      v = root[v] = root[root[v]];
    return v;
  };
  std::set<ValueId> handed_on;
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    if (!is_integer(a, static_cast<NodeId>(n))) continue;
    const Node& node = g.nodes[n];
    const QuantRule& rule = quant_rule(*find_spec(node.kind), node);
    if (rule.mixes) continue;  // computes new values with the old scale
    for (const PortClass& ports : same_scale_ports(node, rule)) {
      const Quantization* q = nullptr;
      std::vector<ValueId> same;
      bool any_input = false;
      for (const Port& p : ports) {
        if (!is_rounded(g, a, p.value)) continue;
        const Quantization& own = a.values[static_cast<size_t>(p.value)];
        if (q == nullptr) q = &own;
        if (!(own == *q)) continue;
        same.push_back(p.value);
        any_input = any_input || !p.is_output;
      }
      for (ValueId v : same)
        root[find(static_cast<size_t>(v))] = find(static_cast<size_t>(same[0]));
      for (const Port& p : ports)
        if (p.is_output && any_input && std::ranges::find(same, p.value) != same.end())
          handed_on.insert(p.value);
    }
  }
  std::map<size_t, Group> groups;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const auto v = static_cast<ValueId>(i);
    if (!is_rounded(g, a, v)) continue;
    Group& group = groups[find(i)];
    group.values.push_back(v);
    group.fixed = group.fixed || fixed.contains(v);
    if (!handed_on.contains(v)) group.sources.push_back(v);
  }
  std::vector<Group> result;
  for (auto& [_, group] : groups)
    if (!group.sources.empty() && !group.fixed) result.push_back(std::move(group));
  return result;
}

// The float model with the sources of one group rounded.
ModelData with_rounding(const ModelData& model, const GraphAssignment& a, const Group& group) {
  ModelData m = model;
  Graph& g = m.main();
  const Uses uses = uses_of(g);
  std::vector<Node> nodes;
  std::map<ValueId, ValueId> rounded;
  const auto round = [&](ValueId v) {
    Value held = g.value(v), real = held;
    held.name += "/rounded";
    held.dtype = DType::int8;
    held.quant = a.values[static_cast<size_t>(v)];
    real.name += "/real";
    const ValueId q = g.add_value(std::move(held)), r = g.add_value(std::move(real));
    for (const auto& [kind, from, to] : {std::tuple{OpKind::QUANTIZE, v, q}, {OpKind::DEQUANTIZE, q, r}}) {
      Node n;
      n.kind = kind;
      n.inputs = {from};
      n.outputs = {to};
      n.version = find_spec(kind)->version_int8;
      nodes.push_back(std::move(n));
    }
    rounded[v] = r;
  };
  for (ValueId v : group.sources)
    if (uses.producer[static_cast<size_t>(v)] < 0) round(v);
  for (Node& n : g.nodes) {
    for (ValueId& v : n.inputs)
      if (const auto it = rounded.find(v); it != rounded.end()) v = it->second;
    const std::vector<ValueId> outputs = n.outputs;
    nodes.push_back(std::move(n));
    for (ValueId v : outputs)
      if (std::ranges::find(group.sources, v) != group.sources.end()) round(v);
  }
  g.nodes = std::move(nodes);
  for (ValueId& v : g.outputs)
    if (const auto it = rounded.find(v); it != rounded.end()) v = it->second;
  return m;
}

}  // namespace

Result<std::vector<NoisyActivation>> rank_activations(const PreparedModel& prepared,
                                                      const GraphAssignment& assignment, const Recipe& recipe,
                                                      SelectionSamples samples, const StepOptions& options) {
  const Graph& g = prepared.model->main();
  const Uses uses = uses_of(g);
  std::vector<Shape> shapes;
  for (const Value& v : g.values)
    shapes.push_back(v.shape);
  CompareOptions how;
  how.threads = options.threads;
  how.custom_ops = options.custom_ops;
  how.count = kSamples;
  std::set<ValueId> fixed;
  if (recipe.io == Io::int8 || recipe.io == Io::uint8)
    for (const auto* border : {&g.inputs, &g.outputs})
      fixed.insert(border->begin(), border->end());
  const std::vector<Group> groups = groups_of(g, assignment, fixed);
  std::vector<NoisyActivation> ranked;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (options.progress)
      options.progress("ranking activations", static_cast<int64_t>(i), static_cast<int64_t>(groups.size()));
    NoisyActivation n;
    n.name = g.value(groups[i].sources[0]).name;
    std::set<NodeId> nodes;
    for (ValueId v : groups[i].values) {
      if (const NodeId p = uses.producer[static_cast<size_t>(v)]; p >= 0) nodes.insert(p);
      const auto& readers = uses.consumers[static_cast<size_t>(v)];
      nodes.insert(readers.begin(), readers.end());
    }
    for (NodeId id : nodes) {
      const NodeForm& f = assignment.nodes[static_cast<size_t>(id)];
      if (f.kind != NodeForm::Kind::integer || f.type != DType::int8) continue;
      n.nodes.push_back(id);
      n.work += work_of(g, shapes, g.nodes[static_cast<size_t>(id)]);
    }
    if (n.nodes.empty()) continue;
    const ModelData rounded = with_rounding(*prepared.model, assignment, groups[i]);
    OCTET_ASSIGN(const Comparison error, compare(*prepared.model, rounded, *samples.source, how));
    n.noise = std::pow(10, -error.sqnr_db / 10);
    ranked.push_back(std::move(n));
  }
  std::ranges::stable_sort(ranked, std::greater(),
                           [](const NoisyActivation& n) { return n.noise / std::max(n.work, 1.0); });
  return ranked;
}

std::vector<NoisyActivation> take(std::vector<NoisyActivation>& ranked, double now, double wanted) {
  double all = 0;
  for (const NoisyActivation& n : ranked)
    all += n.noise;
  const double excess = (now - wanted) / now * all;
  size_t count = 0;
  double sum = 0;
  while (count < ranked.size() && (count == 0 || sum < excess))
    sum += ranked[count++].noise;
  // The last one may be worth so much that others are not needed; they can still be taken later.
  std::vector<NoisyActivation> taken, left;
  for (size_t i = 0; i < ranked.size(); ++i) {
    const bool needed = i + 1 == count || (i < count && sum - ranked[i].noise < excess);
    if (i < count && !needed) sum -= ranked[i].noise;
    (needed ? taken : left).push_back(std::move(ranked[i]));
  }
  ranked = std::move(left);
  return taken;
}

}  // namespace octet
