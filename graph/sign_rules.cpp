// Operators that do nothing because of a sign that is known, and twins that make the same thing: converters
// spell out powers and norms as sign(x) * relu(abs(x)), in two layouts at once.
#include <algorithm>
#include <array>
#include <cmath>

#include "graph/affine_op.hpp"
#include "graph/rule.hpp"
#include "graph/transpose_op.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kMagnitudes = {RELU, ABS};
constexpr std::array kSign = {SIGN};
constexpr std::array kSignRulesMul = {MUL};
constexpr std::array kSignRulesTranspose = {TRANSPOSE};

bool is_even_power(const Graph& g, const Node& n) {
  const auto e = n.inputs.size() == 2 ? scalar_of(g.value(n.inputs[1])) : std::nullopt;
  return e && std::fmod(*e, 2.0) == 0;
}

// No element is negative. `depth` operators are looked at.
bool is_nonnegative(const GraphEditor& ed, ValueId v, int depth = 8) {
  const NodeId p = ed.producer(v);
  if (p < 0 || depth == 0) return false;
  const Node& n = ed.node(p);
  if (const Activation* act = activation_of(n.attrs))
    if (act->kind == Activation::Kind::relu || act->kind == Activation::Kind::relu6) return true;
  switch (n.kind) {
    case RELU:
    case RELU6:
    case RELU_0_TO_1:
    case ABS:
    case SQUARE:
    case SQUARED_DIFFERENCE:
    case SQRT:
    case EXP:
    case LOGISTIC:
    case SOFTMAX: return true;
    case POW: return is_even_power(ed.graph(), n) || is_nonnegative(ed, n.inputs[0], depth - 1);
    // What only moves, averages or adds up.
    case RESHAPE:
    case SQUEEZE:
    case EXPAND_DIMS:
    case TRANSPOSE:
    case SLICE:
    case STRIDED_SLICE:
    case PAD:
    case AVERAGE_POOL_2D:
    case MAX_POOL_2D:
    case MEAN:
    case SUM:
    case REDUCE_MAX:
    case REDUCE_MIN: {
      const Activation* act = activation_of(n.attrs);
      return (act == nullptr || act->none()) && is_nonnegative(ed, n.inputs[0], depth - 1);
    }
    default: return false;
  }
}

bool is_needless(const Site& s) {
  return is_nonnegative(s.ed, s.consumer().inputs[0]) && s.ed.can_bypass(s.consumer_id, 0);
}
Status skip(Site& s) {
  s.ed.bypass(s.consumer_id, 0);
  return {};
}

// The slot of sign(x) * |x| that holds |x|, when |x| is there as ABS(x) or because x is not negative.
bool is_sign_of(const Site& s) {
  const ValueId x = s.producer().inputs[0], other = s.other_input();
  const Value& y = s.output();
  if (!activation_of(s.consumer().attrs)->none() || !s.value(x).has_rank || s.value(x).shape != y.shape)
    return false;
  if (other == x) return is_nonnegative(s.ed, x) && s.ed.can_bypass(s.consumer_id, 1 - s.slot);
  const NodeId p = s.ed.producer(other);
  return p >= 0 && s.ed.node(p).kind == ABS && s.ed.node(p).inputs[0] == x &&
         !s.ed.is_graph_output(s.consumer().outputs[0]);
}
Status take_signed(Site& s) {
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, 1 - s.slot, s.producer().inputs[0]);
  s.ed.bypass(s.consumer_id, 1 - s.slot);
  return {};
}

// An earlier TRANSPOSE of the same value in the same way; -1: none.
NodeId twin_of(const Site& s) {
  const auto p = permutation_of(s.graph(), s.consumer());
  if (!p) return -1;
  for (NodeId n : s.ed.consumers(s.consumer().inputs[0]))
    if (n < s.consumer_id && s.ed.node(n).kind == TRANSPOSE &&
        s.ed.node(n).inputs[0] == s.consumer().inputs[0] && permutation_of(s.graph(), s.ed.node(n)) == p &&
        s.value(s.ed.node(n).outputs[0]).quant == s.output().quant)
      return n;
  return -1;
}
bool has_twin(const Site& s) {
  return twin_of(s) >= 0 && !s.ed.is_graph_output(s.consumer().outputs[0]);
}
Status read_twin(Site& s) {
  const NodeId twin = twin_of(s);
  s.ed.add_origins(twin, s.consumer_id);
  s.ed.replace_reads(s.consumer().outputs[0], s.ed.node(twin).outputs[0]);
  s.ed.remove(s.consumer_id);
  return {};
}

constexpr Rule kSignRules[] = {
    {"drop RELU, ABS", "RELU|ABS(x >= 0) =>", {}, kMagnitudes, is_needless, skip},
    {"sign times magnitude", "SIGN(x) -> MUL(|x|) => x", kSign, kSignRulesMul, is_sign_of, take_signed},
    {"the same TRANSPOSE twice",
     "TRANSPOSE, TRANSPOSE => TRANSPOSE",
     {},
     kSignRulesTranspose,
     has_twin,
     read_twin,
     Rule::Types::any},
};

}  // namespace

std::span<const Rule> sign_rules() {
  return kSignRules;
}

}  // namespace octet
