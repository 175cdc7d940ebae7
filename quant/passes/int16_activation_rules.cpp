// Before int8 quantization: what computes with 16-bit activations although all else has 8. What is fed its
// own result, divides everything else, or is a picture that the network only corrects is rounded more than
// once in 8 bits, and that error is all that is left in the end. The rules only mark operators.
#include <algorithm>
#include <optional>
#include <set>

#include "graph/affine_op.hpp"
#include "graph/rewriter.hpp"
#include "quant/passes/round_once.hpp"

namespace octet {
namespace {

using enum OpKind;

// --- recurrences ---

bool is_product(const Node& n) {
  return n.kind == FULLY_CONNECTED && n.inputs.size() >= 2;
}

// The same weights, or a copy of them.
bool have_same_weights(const Graph& g, const Node& a, const Node& b) {
  if (a.inputs[1] == b.inputs[1]) return true;
  const Value &v = g.value(a.inputs[1]), &w = g.value(b.inputs[1]);
  return v.is_constant() && w.is_constant() && v.dtype == w.dtype && v.shape == w.shape &&
         std::ranges::equal(v.constant.bytes(), w.constant.bytes());
}

// What a recurrent cell consists of besides products.
bool is_cell_part(const Node& n) {
  return has_trait(n.kind, Trait::elementwise) || has_trait(n.kind, Trait::moves);
}
// The same, where it works on the state: with what joins states, or gives them another shape, the cell ends.
bool is_cell_arithmetic(const Graph& g, const Node& n) {
  if (has_trait(n.kind, Trait::elementwise)) return true;
  const auto is_larger = [&](ValueId v) {
    return v != kNoValue && g.value(v).shape.elements() > g.value(n.outputs[0]).shape.elements();
  };
  return has_trait(n.kind, Trait::moves) && std::ranges::any_of(n.inputs, is_larger);
}

// The product of the step before the product `n`, from which `n` is fed by arithmetic alone; -1 when there is
// none. It has the weights of `n`; where the first state is zero and its product gone, those of a product
// that `n` is added to.
NodeId step_before(const GraphEditor& ed, NodeId n) {
  constexpr size_t kMaxParts = 4096;  // of a cell
  std::vector<NodeId> beside;
  for (NodeId r : ed.consumers(ed.node(n).outputs[0]))
    if (ed.node(r).kind == ADD)
      for (ValueId v : ed.node(r).inputs)
        if (const NodeId p = ed.producer(v); p >= 0 && p != n && is_product(ed.node(p))) beside.push_back(p);
  NodeId same = -1, other = -1;
  bool joins = false;  // two values meet: layers in a row that share weights are no recurrence
  std::vector<ValueId> open = {ed.node(n).inputs[0]};
  std::set<NodeId> seen;
  for (size_t i = 0; i < open.size() && seen.size() < kMaxParts; ++i) {
    const NodeId p = ed.producer(open[i]);
    if (p < 0 || !seen.insert(p).second) continue;
    const Node& part = ed.node(p);
    if (is_product(part)) {
      const auto is_same = [&](NodeId k) {
        return k != p && have_same_weights(ed.graph(), part, ed.node(k));
      };
      if (same < 0 && is_same(n)) same = p;
      if (other < 0 && std::ranges::any_of(beside, is_same)) other = p;
    } else if (is_cell_part(part)) {
      joins = joins || std::ranges::count_if(part.inputs, [&](ValueId v) {
                         return v != kNoValue && !ed.graph().value(v).is_constant();
                       }) > 1;
      open.insert(open.end(), part.inputs.begin(), part.inputs.end());
    }
    if (same >= 0 && joins) return same;
  }
  return other;
}

// A recurrent cell that was unrolled.
std::optional<NodeId> step_before_of(const Site& s) {
  if (s.ed.is_marked(s.consumer_id) || !is_product(s.consumer())) return std::nullopt;
  const NodeId before = step_before(s.ed, s.consumer_id);
  return before >= 0 ? std::optional(before) : std::nullopt;
}
// What a value comes from, up to the nearest products and what is marked already, with its products.
void mark_origins(GraphEditor& ed, ValueId v) {
  std::vector<ValueId> open = {v};
  while (!open.empty()) {
    const NodeId p = ed.producer(open.back());
    open.pop_back();
    if (p < 0 || ed.is_marked(p)) continue;
    if (is_product(ed.node(p))) {
      ed.mark(p);
    } else if (is_cell_part(ed.node(p))) {
      ed.mark(p);
      open.insert(open.end(), ed.node(p).inputs.begin(), ed.node(p).inputs.end());
    }
  }
}
Status mark_step(Site& s, NodeId before) {
  mark_origins(s.ed, s.consumer().inputs[0]);
  // The step before may be the first: what it starts from.
  mark_origins(s.ed, s.ed.node(before).inputs[0]);
  s.ed.mark(before);
  // This one may be the last: what becomes of it, and of the other products that this takes.
  s.ed.mark(s.consumer_id);
  std::vector<NodeId> open = {s.consumer_id};
  while (!open.empty()) {
    const std::vector<ValueId> outputs = s.ed.node(open.back()).outputs;
    open.pop_back();
    for (ValueId v : outputs)
      for (NodeId r : s.ed.consumers(v)) {
        if (s.ed.is_marked(r) || !is_cell_arithmetic(s.graph(), s.ed.node(r))) continue;
        s.ed.mark(r);
        open.push_back(r);
        for (ValueId in : s.ed.node(r).inputs)
          mark_origins(s.ed, in);
      }
  }
  return {};
}

// --- statistics ---

// A mean of squares, on the way to a normalization: its square root divides everything.
bool is_mean_of_squares(const Site& s) {
  const Node& square = s.producer();
  const bool squares =
      square.kind != MUL || (square.inputs.size() == 2 && square.inputs[0] == square.inputs[1]);
  return squares && !s.ed.is_marked(s.producer_id) &&
         s.output().shape.elements() < s.between().shape.elements();
}

bool is_statistic_arithmetic(OpKind kind) {
  return has_trait(kind, Trait::elementwise) || kind == RESHAPE;
}

// Arithmetic with statistics, up to where they meet the values that they are statistics of.
void mark_readers(GraphEditor& ed, ValueId statistic, int64_t values) {
  std::vector<ValueId> open = {statistic};
  while (!open.empty()) {
    const ValueId v = open.back();
    open.pop_back();
    for (NodeId r : ed.consumers(v)) {
      if (ed.is_marked(r) || !is_statistic_arithmetic(ed.node(r).kind)) continue;
      ed.mark(r);
      const ValueId to = ed.node(r).outputs[0];
      if (ed.graph().value(to).shape.elements() < values) open.push_back(to);
    }
  }
}
Status mark_statistics(Site& s) {
  const int64_t values = s.between().shape.elements();
  s.ed.mark(s.producer_id);
  s.ed.mark(s.consumer_id);
  const std::vector<ValueId> squared = s.producer().inputs;
  for (ValueId v : squared) {
    const NodeId mean = s.ed.producer(v);
    if (mean < 0 || (s.ed.node(mean).kind != MEAN && s.ed.node(mean).kind != SUM)) continue;
    s.ed.mark(mean);
    mark_readers(s.ed, v, values);
  }
  mark_readers(s.ed, s.consumer().outputs[0], values);
  return {};
}

// --- global skip connections ---

// Values are moved or interpolated: a network's input may pass it and still be shown.
bool shows_input(OpKind kind) {
  const OpSpec* spec = find_spec(kind);
  return spec != nullptr && (spec->traits.has(Trait::moves) || spec->quant.mixes);
}
// What may stand between a sum and the network's output.
bool finishes(const Graph& g, const Node& n) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || (!is_clamp(*spec) && !spec->traits.has(Trait::moves))) return false;
  return std::ranges::count_if(n.inputs, [&](ValueId v) {
           return v != kNoValue && !g.value(v).is_constant() && is_float(g.value(v).dtype);
         }) == 1;
}

// Kim, Lee, Lee: Accurate Image Super-Resolution Using Very Deep Convolutional Networks, CVPR 2016: a network
// adds a correction to its own input. The correction is small; as 8 bits the input would be rounded when it
// comes, when it is interpolated and when it is added to, and that is most of the output's error.
// The operators between the graph's inputs and `v`, if they only move or interpolate; else nothing.
std::optional<std::set<NodeId>> view_of(const GraphEditor& ed, ValueId v) {
  constexpr size_t kMaxParts = 64;
  std::set<NodeId> parts;
  std::vector<ValueId> open = {v};
  while (!open.empty()) {
    const ValueId at = open.back();
    open.pop_back();
    if (at == kNoValue) return std::nullopt;
    const Value& value = ed.graph().value(at);
    if (ed.is_graph_input(at) || (value.is_constant() && !is_float(value.dtype))) continue;
    const NodeId p = ed.producer(at);
    if (p < 0 || !shows_input(ed.node(p).kind) || parts.size() >= kMaxParts) return std::nullopt;
    if (parts.insert(p).second) open.insert(open.end(), ed.node(p).inputs.begin(), ed.node(p).inputs.end());
  }
  return parts;
}
// The clamps and movement through which `v` becomes the network's output; nothing when it does not.
std::optional<std::vector<NodeId>> finish_of(const GraphEditor& ed, ValueId v) {
  std::vector<NodeId> parts;
  while (!ed.is_graph_output(v)) {
    if (!ed.is_exclusive(v)) return std::nullopt;
    const NodeId r = ed.consumers(v)[0];
    if (!finishes(ed.graph(), ed.node(r))) return std::nullopt;
    parts.push_back(r);
    v = ed.node(r).outputs[0];
  }
  return parts;
}
// All that a global skip consists of: what shows the input, the sum, what finishes it.
std::optional<std::vector<NodeId>> global_skip(const Site& s) {
  const Node& sum = s.consumer();
  if (s.ed.is_marked(s.consumer_id) || sum.inputs.size() != 2) return std::nullopt;
  const ValueId a = sum.inputs[0], b = sum.inputs[1];
  if (s.value(a).is_constant() || s.value(b).is_constant()) return std::nullopt;
  const auto shown_a = view_of(s.ed, a), shown_b = view_of(s.ed, b);
  auto parts = finish_of(s.ed, sum.outputs[0]);
  if (shown_a.has_value() == shown_b.has_value() || !parts) return std::nullopt;
  const std::set<NodeId>& shown = shown_a ? *shown_a : *shown_b;
  parts->insert(parts->end(), shown.begin(), shown.end());
  parts->push_back(s.consumer_id);
  return parts;
}
Status mark_all(Site& s, const std::vector<NodeId>& nodes) {
  for (NodeId n : nodes)
    s.ed.mark(n);
  return {};
}

constexpr Rule kInt16ActivationRules[] = {
    {.name = "statistics",
     .picture = "SQUARED_DIFFERENCE|SQUARE|MUL(x, x) -> MEAN|SUM => the same with 16-bit activations",
     .producers = {SQUARED_DIFFERENCE, SQUARE, MUL},
     .consumers = {MEAN, SUM},
     .between = Rule::Between::shared,
     .rewrite = rewrite_by<is_mean_of_squares, mark_statistics>},
    {.name = "recurrent cell",
     .picture = "FULLY_CONNECTED(w) -> ... -> FULLY_CONNECTED(w) => the same with 16-bit activations",
     .consumers = {FULLY_CONNECTED},
     .rewrite = rewrite_by<step_before_of, mark_step>},
    {.name = "global skip",
     .picture =
         "input -> RESIZE_BILINEAR|... -> ADD|SUB(x, ...) -> output => the same with 16-bit activations",
     .consumers = {ADD, SUB},
     .rewrite = rewrite_by<global_skip, mark_all>},
};

}  // namespace

std::span<const Rule> int16_activation_rules() {
  return kInt16ActivationRules;
}

}  // namespace octet
