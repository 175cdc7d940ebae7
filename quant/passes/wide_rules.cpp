// Before int8 quantization: what computes with 16-bit activations although all else has 8. What is fed its
// own result, divides everything else, or is a picture that the network only corrects is rounded more than
// once in 8 bits, and that error is all that is left in the end. The rules only mark operators (Node::wide).
#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "graph/rewriter.hpp"
#include "quant/passes/round_once.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kProducts = {FULLY_CONNECTED};
// What a recurrent cell consists of besides products.
constexpr std::array kCellArithmetic = {ADD,  SUB,   MUL,     NEG,   LOGISTIC,     TANH,
                                        RELU, SPLIT, SPLIT_V, SLICE, STRIDED_SLICE};
// What may stand in front of its products.
constexpr std::array kCellMovement = {CONCATENATION, RESHAPE, SQUEEZE, EXPAND_DIMS,
                                      TRANSPOSE,     UNPACK,  GATHER};
constexpr std::array kSquares = {SQUARED_DIFFERENCE, SQUARE, MUL};
constexpr std::array kMeans = {MEAN, SUM};
constexpr std::array kStatisticArithmetic = {
    ADD, SUB, MUL, DIV, SQRT, RSQRT, POW, NEG, MAXIMUM, MINIMUM, SQUARE, SQUARED_DIFFERENCE, RESHAPE};
constexpr std::array kSums = {ADD, SUB};
// What a network's input may pass and still be shown: values are moved or interpolated.
constexpr std::array kViews = {RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR, CONCATENATION, RESHAPE,
                               TRANSPOSE,       DEPTH_TO_SPACE,          SPACE_TO_DEPTH};
// What may stand between a sum and the network's output.
constexpr std::array kFinishes = {MINIMUM,     MAXIMUM, RELU,      RELU6,         RELU_N1_TO_1,
                                  RELU_0_TO_1, RESHAPE, TRANSPOSE, DEPTH_TO_SPACE};

template <size_t n>
bool is_one_of(const std::array<OpKind, n>& kinds, OpKind kind) {
  return std::ranges::find(kinds, kind) != kinds.end();
}

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

bool is_cell_part(OpKind kind) {
  return is_one_of(kCellArithmetic, kind) || is_one_of(kCellMovement, kind);
}

// The product of the step before the product `n`, from which `n` is fed by arithmetic alone; -1 when there is
// none. It has the weights of `n`; where the first state is zero and its product gone, those of a product
// that `n` is added to.
NodeId step_before(const GraphEditor& ed, NodeId n) {
  constexpr size_t kMostParts = 4096;  // of a cell
  std::vector<NodeId> beside;
  for (NodeId r : ed.consumers(ed.node(n).outputs[0]))
    if (ed.node(r).kind == ADD)
      for (ValueId v : ed.node(r).inputs)
        if (const NodeId p = ed.producer(v); p >= 0 && p != n && is_product(ed.node(p))) beside.push_back(p);
  NodeId same = -1, other = -1;
  bool joins = false;  // two values meet: layers in a row that share weights are no recurrence
  std::vector<ValueId> open = {ed.node(n).inputs[0]};
  std::set<NodeId> seen;
  for (size_t i = 0; i < open.size() && seen.size() < kMostParts; ++i) {
    const NodeId p = ed.producer(open[i]);
    if (p < 0 || !seen.insert(p).second) continue;
    const Node& part = ed.node(p);
    if (is_product(part)) {
      const auto is_same = [&](NodeId k) {
        return k != p && have_same_weights(ed.graph(), part, ed.node(k));
      };
      if (same < 0 && is_same(n)) same = p;
      if (other < 0 && std::ranges::any_of(beside, is_same)) other = p;
    } else if (is_cell_part(part.kind)) {
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
bool is_step(const Site& s) {
  return !s.consumer().wide && is_product(s.consumer()) && step_before(s.ed, s.consumer_id) >= 0;
}
// What a value comes from, up to the nearest products and what is marked already, with its products.
void widen_origins(GraphEditor& ed, ValueId v) {
  std::vector<ValueId> open = {v};
  while (!open.empty()) {
    const NodeId p = ed.producer(open.back());
    open.pop_back();
    if (p < 0 || ed.node(p).wide) continue;
    if (is_product(ed.node(p))) {
      ed.edit(p).wide = true;
    } else if (is_cell_part(ed.node(p).kind)) {
      ed.edit(p).wide = true;
      open.insert(open.end(), ed.node(p).inputs.begin(), ed.node(p).inputs.end());
    }
  }
}
Status widen_step(Site& s) {
  const NodeId before = step_before(s.ed, s.consumer_id);
  widen_origins(s.ed, s.consumer().inputs[0]);
  // The step before may be the first: what it starts from.
  widen_origins(s.ed, s.ed.node(before).inputs[0]);
  s.ed.edit(before).wide = true;
  // This one may be the last: what becomes of it, and of the other products that this takes.
  s.ed.edit(s.consumer_id).wide = true;
  std::vector<NodeId> open = {s.consumer_id};
  while (!open.empty()) {
    const std::vector<ValueId> outputs = s.ed.node(open.back()).outputs;
    open.pop_back();
    for (ValueId v : outputs)
      for (NodeId r : s.ed.consumers(v)) {
        if (s.ed.node(r).wide || !is_one_of(kCellArithmetic, s.ed.node(r).kind)) continue;
        s.ed.edit(r).wide = true;
        open.push_back(r);
        for (ValueId in : s.ed.node(r).inputs)
          widen_origins(s.ed, in);
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
  return squares && !square.wide && s.output().shape.elements() < s.between().shape.elements();
}

// Arithmetic with statistics, up to where they meet the values that they are statistics of.
void widen_readers(GraphEditor& ed, ValueId statistic, int64_t values) {
  std::vector<ValueId> open = {statistic};
  while (!open.empty()) {
    const ValueId v = open.back();
    open.pop_back();
    for (NodeId r : ed.consumers(v)) {
      if (ed.node(r).wide || !is_one_of(kStatisticArithmetic, ed.node(r).kind)) continue;
      ed.edit(r).wide = true;
      const ValueId to = ed.node(r).outputs[0];
      if (ed.graph().value(to).shape.elements() < values) open.push_back(to);
    }
  }
}
Status widen_statistics(Site& s) {
  const int64_t values = s.between().shape.elements();
  s.ed.edit(s.producer_id).wide = true;
  s.ed.edit(s.consumer_id).wide = true;
  const std::vector<ValueId> squared = s.producer().inputs;
  for (ValueId v : squared) {
    const NodeId mean = s.ed.producer(v);
    if (mean < 0 || (s.ed.node(mean).kind != MEAN && s.ed.node(mean).kind != SUM)) continue;
    s.ed.edit(mean).wide = true;
    widen_readers(s.ed, v, values);
  }
  widen_readers(s.ed, s.consumer().outputs[0], values);
  return {};
}

// --- global skip connections ---

// Kim, Lee, Lee: Accurate Image Super-Resolution Using Very Deep Convolutional Networks, CVPR 2016: a network
// adds a correction to its own input. The correction is small; as 8 bits the input would be rounded when it
// comes, when it is interpolated and when it is added to, and that is most of the output's error.
// The operators between the graph's inputs and `v`, if they only move or interpolate; else nothing.
std::optional<std::set<NodeId>> view_of(const GraphEditor& ed, ValueId v) {
  constexpr size_t kMostParts = 64;
  std::set<NodeId> parts;
  std::vector<ValueId> open = {v};
  while (!open.empty()) {
    const ValueId at = open.back();
    open.pop_back();
    if (at == kNoValue) return std::nullopt;
    const Value& value = ed.graph().value(at);
    if (ed.is_graph_input(at) || (value.is_constant() && !is_float(value.dtype))) continue;
    const NodeId p = ed.producer(at);
    if (p < 0 || !is_one_of(kViews, ed.node(p).kind) || parts.size() >= kMostParts) return std::nullopt;
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
    if (!is_one_of(kFinishes, ed.node(r).kind)) return std::nullopt;
    parts.push_back(r);
    v = ed.node(r).outputs[0];
  }
  return parts;
}
bool is_global_skip(const Site& s) {
  const Node& sum = s.consumer();
  if (sum.wide || sum.inputs.size() != 2) return false;
  const ValueId a = sum.inputs[0], b = sum.inputs[1];
  if (s.value(a).is_constant() || s.value(b).is_constant()) return false;
  return view_of(s.ed, a).has_value() != view_of(s.ed, b).has_value() && finish_of(s.ed, sum.outputs[0]);
}
Status widen_skip(Site& s) {
  const Node& sum = s.consumer();
  for (ValueId v : std::vector<ValueId>(sum.inputs))
    if (const auto view = view_of(s.ed, v))
      for (NodeId n : *view)
        s.ed.edit(n).wide = true;
  const auto finish = finish_of(s.ed, sum.outputs[0]);
  for (NodeId n : *finish)
    s.ed.edit(n).wide = true;
  s.ed.edit(s.consumer_id).wide = true;
  return {};
}

constexpr Rule kWideRules[] = {
    {"statistics", "SQUARED_DIFFERENCE|SQUARE|MUL(x, x) -> MEAN|SUM => the same with 16-bit activations",
     kSquares, kMeans, is_mean_of_squares, widen_statistics, Rule::Types::float32, Rule::Between::shared},
    {"recurrent cell",
     "FULLY_CONNECTED(w) -> ... -> FULLY_CONNECTED(w) => the same with 16-bit activations",
     {},
     kProducts,
     is_step,
     widen_step},
    {"global skip",
     "input -> RESIZE_BILINEAR|... -> ADD|SUB(x, ...) -> output => the same with 16-bit activations",
     {},
     kSums,
     is_global_skip,
     widen_skip},
};

}  // namespace

std::span<const Rule> wide_rules() {
  return kWideRules;
}

}  // namespace octet
