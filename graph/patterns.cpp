#include "graph/patterns.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/affine_op.hpp"
#include "graph/formula.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

struct Builtin {
  std::string_view name, formula;
  bool (*when)(const Graph&, const Match&);
  // Kind, attributes and inputs of the one node that remains.
  Node (*make)(GraphEditor&, const Match&);
};

bool always(const Graph&, const Match&) {
  return true;
}
bool over_one_axis(const Graph&, const Match& m) {
  return m.axes.size() == 1;
}
// L2_NORMALIZATION has a limit of 1e-6 of its own on the norm: the graph's must not be above it.
bool is_l2(const Graph& g, const Match& m) {
  constexpr double kOwnLimit = 1.001e-6;
  const auto eps = m.constants.find("%eps");
  return over_one_axis(g, m) &&
         (eps == m.constants.end() ||
          (eps->second.tensor == kNoValue && eps->second.scale >= 0 && eps->second.scale <= kOwnLimit));
}
// On the square of the norm the limit is that of the norm, squared.
bool is_l2_squared(const Graph& g, const Match& m) {
  constexpr double kOwnLimit = 1.001e-12;
  const Captured& eps = m.constants.at("%eps");
  return over_one_axis(g, m) && eps.tensor == kNoValue && eps.scale >= 0 && eps.scale <= kOwnLimit;
}
// max(x, a x) is LEAKY_RELU only when a x is the smaller one for positive x.
bool is_leaky(const Graph&, const Match& m) {
  const Captured& a = m.constants.at("%a");
  return a.tensor == kNoValue && a.scale >= 0 && a.scale < 1;
}

// The slope as PRELU takes it: one axis less than x (no batch). Nothing when it varies along the batch.
std::optional<std::pair<Shape, std::vector<float>>> slope(const Graph& g, const Match& m) {
  const Captured& a = m.constants.at("%a");
  const int rank = g.value(m.values.at("x")).shape.rank();
  if (rank < 2) return std::nullopt;
  Shape shape = Shape::of_rank(rank - 1);
  if (a.tensor == kNoValue) return std::pair{shape, std::vector<float>{static_cast<float>(a.scale)}};
  const Value& t = g.value(a.tensor);
  if (t.shape.rank() > rank || (t.shape.rank() == rank && t.shape[0] != 1)) return std::nullopt;
  for (int i = 1; i <= std::min(t.shape.rank(), rank - 1); ++i)
    shape[-i] = t.shape[-i];
  std::vector<float> values;
  for (float v : t.constant.as<float>())
    values.push_back(static_cast<float>(static_cast<double>(v) * a.scale));
  return std::pair{shape, std::move(values)};
}
bool is_prelu(const Graph& g, const Match& m) {
  return slope(g, m).has_value();
}

Node unary(OpKind kind, Attrs attrs, const Match& m) {
  Node n;
  n.kind = kind;
  n.attrs = std::move(attrs);
  n.inputs = {m.values.at("x")};
  return n;
}
Node hard_swish(GraphEditor&, const Match& m) {
  return unary(OpKind::HARD_SWISH, NoAttrs{}, m);
}
Node gelu_tanh(GraphEditor&, const Match& m) {
  return unary(OpKind::GELU, GeluAttrs{.approximate = true}, m);
}
Node softmax(GraphEditor&, const Match& m) {
  return unary(OpKind::SOFTMAX, SoftmaxAttrs{}, m);
}
Node l2_norm(GraphEditor&, const Match& m) {
  return unary(OpKind::L2_NORMALIZATION, ActivationAttrs{}, m);
}
Node leaky(GraphEditor&, const Match& m) {
  return unary(OpKind::LEAKY_RELU, LeakyReluAttrs{.alpha = static_cast<float>(m.constants.at("%a").scale)},
               m);
}
Node prelu_of(GraphEditor& ed, const Match& m, float sign) {
  auto [shape, values] = *slope(ed.graph(), m);
  for (float& v : values)
    v *= sign;
  if (values.size() == 1) return unary(OpKind::LEAKY_RELU, LeakyReluAttrs{.alpha = values[0]}, m);
  Node n = unary(OpKind::PRELU, NoAttrs{}, m);
  n.inputs.push_back(
      ed.add_constant(node_name(ed.graph(), m.root) + "/slope", DType::float32, shape, Constant::of(values)));
  return n;
}
Node prelu(GraphEditor& ed, const Match& m) {
  return prelu_of(ed, m, 1);
}
Node prelu_negated(GraphEditor& ed, const Match& m) {
  return prelu_of(ed, m, -1);
}

constexpr Builtin kBuiltins[] = {
    {"hard swish", "mul(x, relu6(add(x, 3)), 0.16666667)", always, hard_swish},
    {"hard swish", "mul(x, relu01(mul(add(x, 3), 0.16666667)))", always, hard_swish},
    {"hard swish", "mul(x, relu01(add(mul(x, 0.16666667), 0.5)))", always, hard_swish},
    {"gelu (tanh)", "mul(x, 0.5, add(tanh(mul(add(x, mul(x, x, x, 0.044715)), 0.7978846)), 1))", always,
     gelu_tanh},
    {"gelu (tanh)", "mul(x, 0.5, add(tanh(mul(x, add(mul(x, x, 0.044715), 1), 0.7978846)), 1))", always,
     gelu_tanh},
    {"softmax", "div(exp(sub(x, max(x))), sum(exp(sub(x, max(x)))))", over_one_axis, softmax},
    {"softmax", "div(exp(x), sum(exp(x)))", over_one_axis, softmax},
    {"l2 norm", "div(x, sqrt(sum(mul(x, x))))", is_l2, l2_norm},
    {"l2 norm", "div(x, maximum(sqrt(sum(mul(x, x))), %eps))", is_l2, l2_norm},
    {"l2 norm", "mul(x, rsqrt(sum(mul(x, x))))", is_l2, l2_norm},
    {"l2 norm", "div(x, sqrt(maximum(sum(mul(x, x)), %eps)))", is_l2_squared, l2_norm},
    {"l2 norm", "mul(x, rsqrt(maximum(sum(mul(x, x)), %eps)))", is_l2_squared, l2_norm},
    {"leaky relu", "maximum(x, mul(x, %a))", is_leaky, leaky},
    {"prelu", "add(relu(x), mul(minimum(x, 0), %a))", is_prelu, prelu},
    {"prelu", "add(relu(x), mul(relu(neg(x)), %a))", is_prelu, prelu_negated},
    {"prelu", "sub(relu(x), mul(relu(neg(x)), %a))", is_prelu, prelu},
};

// The operator works along the last axis, the formula along another one: TRANSPOSE in front and behind.
void turn_around(GraphEditor& ed, NodeId root, int64_t axis) {
  const Value x = ed.graph().value(ed.node(root).inputs[0]);
  const int rank = x.shape.rank();
  std::vector<int32_t> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[static_cast<size_t>(axis)], order.back());
  const std::string name = node_name(ed.graph(), root);
  const ValueId swapped = ed.add_constant(name + "/order", DType::int32, Shape{rank}, Constant::of(order));
  const auto turned = [&](const char* suffix) {
    Value v;
    v.name = name + suffix;
    v.dtype = DType::float32;
    v.shape = x.shape;
    std::swap(v.shape[static_cast<int>(axis)], v.shape[rank - 1]);
    if (!x.shape_signature.empty()) {
      v.shape_signature = x.shape_signature;
      std::swap(v.shape_signature[static_cast<size_t>(axis)], v.shape_signature.back());
    }
    return ed.add_value(std::move(v));
  };
  const auto transpose = [&](ValueId from, ValueId to) {
    Node n;
    n.kind = OpKind::TRANSPOSE;
    n.inputs = {from, swapped};
    n.outputs = {to};
    n.origins = ed.node(root).origins;
    ed.add_node(std::move(n), root);
  };
  const ValueId in = ed.node(root).inputs[0], out = ed.node(root).outputs[0];
  const ValueId before = turned("/turned"), after = turned("/normalized");
  ed.set_input(root, 0, before);
  ed.set_outputs(root, {after});
  transpose(in, before);
  transpose(after, out);
}

}  // namespace

Result<FusionReport> recognize(Graph& g, NodeMarks* marks) {
  NodeMarks own;
  NodeMarks& all = marks != nullptr ? *marks : own;
  GraphEditor ed(g, std::move(all));
  FusionReport report;
  for (const Builtin& rule : kBuiltins) {
    OCTET_ASSIGN(const Term formula, parse_formula(rule.formula));
    for (size_t i = g.nodes.size(); i-- > 0;) {  // from the outputs: the widest group wins
      const auto root = static_cast<NodeId>(i);
      const auto m = match_formula(ed, formula, root);
      if (!m || !rule.when(g, *m)) continue;
      const ValueId out = ed.node(root).outputs[0];
      const Value& x = g.value(m->values.at("x"));
      if (x.dtype != DType::float32 || !x.has_rank || !(x.shape == g.value(out).shape)) continue;
      const int rank = x.shape.rank();
      report.entries.push_back({std::string(rule.name), node_name(g, root)});
      Node n = rule.make(ed, *m);
      for (NodeId part : m->nodes)
        if (part != root) ed.add_origins(root, part);
      ed.truncate_inputs(root, 0);
      for (NodeId part : m->nodes)
        if (part != root) ed.remove(part);
      ed.become(root, n.kind, n.attrs);
      for (size_t slot = 0; slot < n.inputs.size(); ++slot)
        ed.set_input(root, slot, n.inputs[slot]);
      if (m->axes.size() == 1 && m->axes[0] != rank - 1) turn_around(ed, root, m->axes[0]);
    }
  }
  all = ed.finish();
  return report;
}

std::vector<std::string_view> pattern_formulas() {
  std::vector<std::string_view> all;
  for (const Builtin& b : kBuiltins)
    all.push_back(b.formula);
  return all;
}

}  // namespace octet
