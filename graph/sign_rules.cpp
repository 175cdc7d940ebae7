// Operators that do nothing because of a sign that is known: converters spell out powers and norms as
// sign(x) * relu(abs(x)).
#include <cmath>

#include "graph/affine_op.hpp"
#include "graph/rule.hpp"

namespace octet {
namespace {

bool is_even_power(const Graph& g, const Node& n) {
  const auto e = n.inputs.size() == 2 ? scalar_of(g.value(n.inputs[1])) : std::nullopt;
  return e && std::fmod(*e, 2.0) == 0;
}

// No element is negative. `depth` operators are looked at.
bool is_nonnegative(const GraphEditor& ed, ValueId v, int depth = 8) {
  const NodeId p = ed.producer(v);
  if (p < 0 || depth == 0) return false;
  const Node& n = ed.node(p);
  const Activation* act = activation_of(n.attrs);
  if (act != nullptr && !act->none())
    return act->kind == Activation::Kind::relu || act->kind == Activation::Kind::relu6;
  if (has_trait(n.kind, Trait::nonnegative)) return true;
  // f(0) = 0, and what is above gives no less.
  const bool keeps_sign = has_trait(n.kind, Trait::homogeneous) && has_trait(n.kind, Trait::monotone);
  if (n.kind == OpKind::POW && is_even_power(ed.graph(), n)) return true;
  return (keeps_sign || n.kind == OpKind::POW) && is_nonnegative(ed, n.inputs[0], depth - 1);
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
  return p >= 0 && s.ed.node(p).kind == OpKind::ABS && s.ed.node(p).inputs[0] == x &&
         !s.ed.is_graph_output(s.consumer().outputs[0]);
}
Status take_signed(Site& s) {
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, 1 - s.slot, s.producer().inputs[0]);
  s.ed.bypass(s.consumer_id, 1 - s.slot);
  return {};
}

constexpr Rule kSignRules[] = {
    {.name = "drop RELU, ABS",
     .picture = "RELU|ABS(x >= 0) =>",
     .consumers = {OpKind::RELU, OpKind::ABS},
     .rewrite = rewrite_by<is_needless, skip>},
    {.name = "sign times magnitude",
     .picture = "SIGN(x) -> MUL(|x|) => x",
     .producers = {OpKind::SIGN},
     .consumers = {OpKind::MUL},
     .rewrite = rewrite_by<is_sign_of, take_signed>},
};

}  // namespace

std::span<const Rule> sign_rules() {
  return kSignRules;
}

}  // namespace octet
