// Before int8 quantization: what computes with 16-bit activations although all else has 8. What is fed its
// own result, divides everything else, or is a picture that the network only corrects is rounded more than
// once in 8 bits, and that error is all that is left in the end. The rules only mark operators (Node::wide).
#include <algorithm>
#include <array>
#include <set>

#include "runtime/rewrite/rewriter.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kProducts = {FULLY_CONNECTED};
// What a recurrent cell consists of besides products.
constexpr std::array kCellArithmetic = {ADD,  SUB,   MUL,     NEG,   LOGISTIC,     TANH,
                                        RELU, SPLIT, SPLIT_V, SLICE, STRIDED_SLICE};
// What may stand in front of its products.
constexpr std::array kCellMovement = {CONCATENATION, RESHAPE, SQUEEZE, EXPAND_DIMS, TRANSPOSE};
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

// What a value comes from, up to the nearest products and without them.
struct Origins {
  std::set<NodeId> arithmetic, products;
};
void collect(const GraphEditor& ed, ValueId v, Origins& from) {
  std::vector<ValueId> open = {v};
  while (!open.empty()) {
    const NodeId p = ed.producer(open.back());
    open.pop_back();
    if (p < 0) continue;
    const Node& n = ed.node(p);
    if (is_product(n)) {
      from.products.insert(p);
    } else if (is_one_of(kCellArithmetic, n.kind) || is_one_of(kCellMovement, n.kind)) {
      if (from.arithmetic.insert(p).second) open.insert(open.end(), n.inputs.begin(), n.inputs.end());
    }
  }
}
// Of the products in `from` one of the step before `n`; -1 when there is none. It has the weights of `n` or,
// where the first state is zero and its product gone, those of what `n` is added to.
NodeId step_before(const GraphEditor& ed, NodeId n, const Origins& from) {
  std::vector<NodeId> now = {n};
  for (NodeId r : ed.consumers(ed.node(n).outputs[0]))
    if (ed.node(r).kind == ADD)
      for (ValueId v : ed.node(r).inputs)
        if (const NodeId p = ed.producer(v); p >= 0 && is_product(ed.node(p))) now.push_back(p);
  for (NodeId k : now)
    for (NodeId p : from.products)
      if (p != k && have_same_weights(ed.graph(), ed.node(p), ed.node(k))) return p;
  return -1;
}

// A product that is fed, by arithmetic alone, from a product with the same weights: a recurrent cell that was
// unrolled.
bool is_step(const Site& s) {
  if (s.consumer().wide || !is_product(s.consumer())) return false;
  Origins from;
  collect(s.ed, s.consumer().inputs[0], from);
  return step_before(s.ed, s.consumer_id, from) >= 0;
}
void widen_all(GraphEditor& ed, const Origins& from) {
  for (const auto* nodes : {&from.arithmetic, &from.products})
    for (NodeId n : *nodes)
      ed.edit(n).wide = true;
}
Status widen_step(Site& s) {
  Origins from;
  collect(s.ed, s.consumer().inputs[0], from);
  // The step before may be the first: what it starts from.
  collect(s.ed, s.ed.node(step_before(s.ed, s.consumer_id, from)).inputs[0], from);
  widen_all(s.ed, from);
  // It may be the last one: what becomes of it, and of the other products that this takes.
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
        Origins others;
        for (ValueId in : s.ed.node(r).inputs)
          collect(s.ed, in, others);
        widen_all(s.ed, others);
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
  for (NodeId r : std::vector<NodeId>(ed.consumers(statistic).begin(), ed.consumers(statistic).end())) {
    const auto is = [&](OpKind k) { return ed.node(r).kind == k; };
    if (ed.node(r).wide || std::none_of(kStatisticArithmetic.begin(), kStatisticArithmetic.end(), is))
      continue;
    ed.edit(r).wide = true;
    const ValueId to = ed.node(r).outputs[0];
    if (ed.graph().value(to).shape.elements() < values) widen_readers(ed, to, values);
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
bool is_view(const GraphEditor& ed, ValueId v) {
  if (v == kNoValue) return false;
  if (ed.is_graph_input(v)) return true;
  const NodeId p = ed.producer(v);
  if (p < 0 || std::ranges::find(kViews, ed.node(p).kind) == kViews.end()) return false;
  return std::ranges::all_of(ed.node(p).inputs, [&](ValueId in) {
    const Value& value = ed.graph().value(in);
    return (value.dtype != DType::float32 && value.is_constant()) || is_view(ed, in);
  });
}
void widen_view(GraphEditor& ed, ValueId v) {
  const NodeId p = ed.producer(v);
  if (p < 0 || ed.node(p).wide) return;
  ed.edit(p).wide = true;
  for (ValueId in : ed.node(p).inputs)
    widen_view(ed, in);
}
// Is `v` the network's output but for clamps and movement? `widen`: and these round to 16 bits.
bool finishes(GraphEditor& ed, ValueId v, bool widen) {
  if (ed.is_graph_output(v)) return true;
  if (!ed.is_exclusive(v)) return false;
  const NodeId r = ed.consumers(v)[0];
  if (std::ranges::find(kFinishes, ed.node(r).kind) == kFinishes.end()) return false;
  if (widen) ed.edit(r).wide = true;
  return finishes(ed, ed.node(r).outputs[0], widen);
}
bool is_global_skip(const Site& s) {
  const Node& sum = s.consumer();
  if (sum.wide || sum.inputs.size() != 2 || s.output().dtype != DType::float32) return false;
  const ValueId a = sum.inputs[0], b = sum.inputs[1];
  if (is_view(s.ed, a) == is_view(s.ed, b) || s.value(a).is_constant() || s.value(b).is_constant())
    return false;
  return finishes(s.ed, sum.outputs[0], false);
}
Status widen_skip(Site& s) {
  const std::vector<ValueId> operands = s.consumer().inputs;
  s.ed.edit(s.consumer_id).wide = true;
  for (ValueId v : operands)
    if (is_view(s.ed, v)) widen_view(s.ed, v);
  finishes(s.ed, s.consumer().outputs[0], true);
  return {};
}

constexpr Rule kRules[] = {
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
  return kRules;
}

}  // namespace octet
