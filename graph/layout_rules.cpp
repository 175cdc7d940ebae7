// Element-wise operators moved past TRANSPOSE and RESHAPE, towards the operator that can absorb them or so
// that two TRANSPOSEs meet. Converters from channels-first frameworks leave such graphs behind.

#include "graph/affine_op.hpp"
#include "graph/linear_op.hpp"
#include "graph/rule.hpp"
#include "graph/transpose_op.hpp"
#include "kernels/infer.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

using enum OpKind;

// The operand beside `slot`, when the operator has two: it must be a constant.
bool other_is_constant(const Site& s) {
  const Node& n = s.consumer();
  if (n.inputs.size() == 1) return true;
  return n.inputs.size() == 2 && s.value(n.inputs[1 - s.slot]).is_constant();
}

// Groups of axes with equal products that RESHAPE maps onto each other: {first in, first out} of each group.
// Per group the one axis of extent > 1 on each side, or -1 when there are several.
struct AxisMap {
  std::vector<int> to_input;  // per output axis: the input axis with the same extent and meaning; -1: none
};
std::optional<AxisMap> reshape_axes(const Shape& in, const Shape& out) {
  if (in.elements() != out.elements() || in.elements() == 0) return std::nullopt;
  AxisMap map;
  map.to_input.assign(static_cast<size_t>(out.rank()), -1);
  int i = 0, o = 0;
  while (i < in.rank() || o < out.rank()) {
    int64_t pi = 1, po = 1;
    int wide_in = -1, wide_out = -1, count_in = 0, count_out = 0;
    auto take_in = [&] {
      if (in[i] > 1) ++count_in, wide_in = i;
      pi *= in[i++];
    };
    auto take_out = [&] {
      if (out[o] > 1) ++count_out, wide_out = o;
      po *= out[o++];
    };
    if (i < in.rank()) take_in();
    if (o < out.rank()) take_out();
    while (pi != po) {
      if (pi < po) {
        if (i == in.rank()) return std::nullopt;
        take_in();
      } else {
        if (o == out.rank()) return std::nullopt;
        take_out();
      }
    }
    if (count_in == 1 && count_out == 1) map.to_input[static_cast<size_t>(wide_out)] = wide_in;
  }
  return map;
}

// The shape that constant `c`, which broadcasts against the layout operator's output, must have in front of
// the operator, and for each of its axes which axis of `c` (padded to the output's rank) it shows.
struct Moved {
  Shape shape;
  std::vector<int> from;
};
std::optional<Moved> move_constant(const Site& s, const Shape& c) {
  const Value& x = s.value(s.producer().inputs[0]);
  const Value& y = s.between();
  if (!x.has_rank || !y.has_rank || c.rank() > y.shape.rank()) return std::nullopt;
  const int lead = y.shape.rank() - c.rank();
  auto extent = [&](int axis) { return axis < lead ? 1 : c[axis - lead]; };
  Moved m{Shape::of_rank(x.shape.rank()), std::vector<int>(static_cast<size_t>(x.shape.rank()), -1)};
  std::vector<int> to_input;
  if (s.producer().kind == TRANSPOSE) {
    const auto p = permutation_of(s.graph(), s.producer());
    if (!p) return std::nullopt;
    to_input.assign(p->begin(), p->end());
  } else {
    const auto map = reshape_axes(x.shape, y.shape);
    if (!map) return std::nullopt;
    to_input = map->to_input;
  }
  for (int axis = 0; axis < y.shape.rank(); ++axis) {
    if (extent(axis) == 1) continue;
    const int in = to_input[static_cast<size_t>(axis)];
    if (in < 0 || extent(axis) != x.shape[in]) return std::nullopt;
    m.shape[in] = extent(axis);
    m.from[static_cast<size_t>(in)] = axis;
  }
  return m;
}

std::vector<float> permuted(const Value& c, int out_rank, const Moved& m) {
  const int lead = out_rank - c.shape.rank();
  const auto strides = strides_of(c.shape);
  const auto src = c.constant.as<float>();
  std::vector<float> out(static_cast<size_t>(m.shape.elements()));
  for (size_t i = 0; i < out.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t at = 0;
    for (int axis = m.shape.rank() - 1; axis >= 0; --axis) {
      const int64_t index = rest % m.shape[axis];
      rest /= m.shape[axis];
      if (const int from = m.from[static_cast<size_t>(axis)]; from >= 0)
        at += index * strides[static_cast<size_t>(from - lead)];
    }
    out[i] = src[static_cast<size_t>(at)];
  }
  return out;
}

// What moving the consumer in front of the layout operator takes: its constant as it is there, if it has one.
struct Move {
  std::optional<Moved> constant;
};
std::optional<Move> move_of(const Site& s) {
  if (s.slot >= 2 || s.producer().inputs[0] == kNoValue || !other_is_constant(s)) return std::nullopt;
  if (s.value(s.producer().inputs[0]).is_constant()) return std::nullopt;
  if (s.slot != 0 && s.consumer().inputs.size() != 2) return std::nullopt;
  if (s.between().shape != s.output().shape || !s.output().has_rank) return std::nullopt;
  if (s.consumer().inputs.size() == 1) return Move{};
  const Value& c = s.value(s.other_input());
  if (c.dtype != DType::float32) return std::nullopt;
  auto moved = move_constant(s, c.shape);
  return moved ? std::optional(Move{std::move(moved)}) : std::nullopt;
}

// layout -> element-wise => element-wise -> layout. The nodes change places; values keep their names where
// they keep their meaning.
Status move(Site& s, const Move& m) {
  const ValueId x = s.producer().inputs[0], between = s.consumer().inputs[s.slot],
                out = s.consumer().outputs[0];
  if (m.constant) {
    const std::vector<float> data = permuted(s.value(s.other_input()), s.between().shape.rank(), *m.constant);
    s.ed.replace_constant(s.consumer_id, 1 - s.slot, m.constant->shape, data);
  }
  s.ed.add_origins(s.consumer_id, s.consumer_id);
  s.ed.add_origins(s.producer_id, s.producer_id);
  // The value between has the layout's input's shape from now on.
  Value& v = s.ed.graph().value(between);
  v.shape = s.value(x).shape;
  v.shape_signature = s.value(x).shape_signature;
  s.ed.set_input(s.producer_id, 0, between);
  s.ed.set_input(s.consumer_id, s.slot, x);
  s.ed.set_outputs(s.consumer_id, {between});
  s.ed.set_outputs(s.producer_id, {out});
  return {};
}

// The operator behind a run of layout operators with no other readers.
NodeId source_of(const Site& s) {
  NodeId n = s.producer_id;
  while (n >= 0 && (s.ed.node(n).kind == TRANSPOSE || s.ed.node(n).kind == RESHAPE)) {
    const ValueId x = s.ed.node(n).inputs[0];
    if (!s.ed.is_exclusive(x)) return -1;
    n = s.ed.producer(x);
  }
  return n;
}

std::optional<Move> move_to_weights(const Site& s) {
  const NodeId source = source_of(s);
  if (source < 0 || !LinearOp::of(s.graph(), s.ed.node(source))) return std::nullopt;
  const auto a = affine_op(s.graph(), s.consumer());
  const Activation* act = activation_of(s.ed.node(source).attrs);
  return a && a->x_slot == s.slot && act->none() ? move_of(s) : std::nullopt;
}

std::optional<Move> move_to_activation(const Site& s) {
  const NodeId source = source_of(s);
  if (source < 0 || !has_trait(s.ed.node(source).kind, Trait::takes_clamp)) return std::nullopt;
  const auto c = clamp_op(s.graph(), s.consumer());
  return c && c->x_slot == s.slot ? move_of(s) : std::nullopt;
}

bool keeps_axes(const Node& n) {
  const auto* a = std::get_if<ReduceAttrs>(&n.attrs);
  return a != nullptr && a->keep_dims;
}

// Through operators that a TRANSPOSE can pass, with no other readers, `v` comes to a TRANSPOSE.
bool reaches_transpose(const Site& s, ValueId v) {
  while (s.ed.is_exclusive(v)) {
    const Node& next = s.ed.node(s.ed.consumers(v)[0]);
    if (next.outputs.size() != 1) return false;
    if (next.kind == TRANSPOSE) return next.inputs[0] == v && permutation_of(s.graph(), next).has_value();
    const bool passes = has_trait(next.kind, Trait::elementwise) ||
                        (has_trait(next.kind, Trait::reduces) && keeps_axes(next));
    if (!passes || next.inputs.size() > 2) return false;
    for (ValueId other : next.inputs)
      if (other != v && (other == kNoValue || !s.value(other).is_constant())) return false;
    v = next.outputs[0];
  }
  return false;
}

// TRANSPOSE -> f -> TRANSPOSE: moved behind f, the first one meets the second.
std::optional<Move> move_to_transpose(const Site& s) {
  auto m = move_of(s);
  return m && reaches_transpose(s, s.consumer().outputs[0]) ? m : std::nullopt;
}

// The axes that a reduction has in front of the TRANSPOSE.
std::optional<std::vector<int32_t>> reduced_axes(const Site& s) {
  const auto p = permutation_of(s.graph(), s.producer());
  if (!p || s.slot != 0 || s.consumer().inputs.size() != 2 || !keeps_axes(s.consumer())) return std::nullopt;
  const auto axes = ints_of(s.value(s.consumer().inputs[1]));
  if (!axes || !s.output().has_rank || s.output().shape.rank() != s.between().shape.rank())
    return std::nullopt;
  std::vector<int32_t> before;
  for (int64_t axis : *axes) {
    const auto a = normalize_axis(axis, static_cast<int>(p->size()));
    if (!a) return std::nullopt;
    before.push_back((*p)[static_cast<size_t>(*a)]);
  }
  return reaches_transpose(s, s.consumer().outputs[0]) ? std::optional(before) : std::nullopt;
}

Status pass_reduction(Site& s, const std::vector<int32_t>& axes) {
  const ValueId x = s.producer().inputs[0], between = s.consumer().inputs[0], out = s.consumer().outputs[0];
  Value reduced = s.value(x);
  for (int32_t axis : axes) {
    reduced.shape[axis] = 1;
    if (!reduced.shape_signature.empty()) reduced.shape_signature[static_cast<size_t>(axis)] = 1;
  }
  for (NodeId n : {s.producer_id, s.consumer_id})
    s.ed.add_origins(n, n);
  s.ed.set_input(s.consumer_id, 1,
                 s.ed.add_constant(node_name(s.graph(), s.consumer_id) + "/axes", DType::int32,
                                   Shape{static_cast<int32_t>(axes.size())}, Constant::of(axes)));
  s.ed.graph().value(between).shape = reduced.shape;
  s.ed.graph().value(between).shape_signature = reduced.shape_signature;
  s.ed.set_input(s.producer_id, 0, between);
  s.ed.set_input(s.consumer_id, 0, x);
  s.ed.set_outputs(s.consumer_id, {between});
  s.ed.set_outputs(s.producer_id, {out});
  return {};
}

// TRANSPOSE -> {LOGISTIC, MUL} -> TRANSPOSE: x * sigmoid(x) with the transposed x read twice; any
// element-wise functions will do.
struct Gate {
  NodeId transpose, gate, mul;
};
std::optional<Gate> gate_of(const Site& s) {
  if (s.producer().inputs.size() != 1 || s.consumer().inputs.size() != 2) return std::nullopt;
  const ValueId t = s.other_input(), out = s.consumer().outputs[0];
  if (s.producer().inputs[0] != t || s.consumer().inputs[s.slot] == t) return std::nullopt;
  const NodeId transpose = s.ed.producer(t);
  if (transpose < 0 || !permutation_of(s.graph(), s.ed.node(transpose)) || s.ed.is_graph_output(t) ||
      s.ed.consumers(t).size() != 2 || !s.ed.is_exclusive(out))
    return std::nullopt;
  const Node& next = s.ed.node(s.ed.consumers(out)[0]);
  if (next.kind != TRANSPOSE || next.inputs[0] != out) return std::nullopt;
  return Gate{transpose, s.producer_id, s.consumer_id};
}

Status move_gate(Site& s, const Gate& gate) {
  const ValueId t = s.other_input(), gated = s.consumer().inputs[s.slot], out = s.consumer().outputs[0];
  const ValueId x = s.ed.node(gate.transpose).inputs[0];
  const Value shape_of_x = s.value(x);
  for (ValueId v : {gated, t}) {
    s.ed.graph().value(v).shape = shape_of_x.shape;
    s.ed.graph().value(v).shape_signature = shape_of_x.shape_signature;
  }
  for (NodeId n : {gate.transpose, gate.gate, gate.mul})
    s.ed.add_origins(n, n);
  // x -> gate -> gated;  mul(x, gated) -> t;  transpose(t) -> out
  s.ed.set_input(gate.gate, 0, x);
  s.ed.set_input(gate.mul, 1 - s.slot, x);
  s.ed.set_input(gate.transpose, 0, t);
  s.ed.set_outputs(gate.mul, {t});
  s.ed.set_outputs(gate.transpose, {out});
  return {};
}

// -------------------------------------------------------------------------------------------------------

constexpr Rule kLayoutRules[] = {
    {.name = "arithmetic before layout",
     .picture = "CONV -> TRANSPOSE|RESHAPE -> MUL(const) => CONV -> MUL -> TRANSPOSE|RESHAPE",
     .producers = {TRANSPOSE, RESHAPE},
     .consumers = is_affine,
     .rewrite = rewrite_by<move_to_weights, move>},
    {.name = "activation before layout",
     .picture = "CONV -> TRANSPOSE|RESHAPE -> RELU => CONV -> RELU -> TRANSPOSE|RESHAPE",
     .producers = {TRANSPOSE, RESHAPE},
     .consumers = is_clamp,
     .rewrite = rewrite_by<move_to_activation, move>},
    {.name = "TRANSPOSE past element-wise",
     .picture = "TRANSPOSE -> F -> TRANSPOSE => F -> TRANSPOSE -> TRANSPOSE",
     .producers = {TRANSPOSE},
     .consumers = Trait::elementwise,
     .rewrite = rewrite_by<move_to_transpose, move>},
    {.name = "TRANSPOSE past reduction",
     .picture = "TRANSPOSE -> SUM(axis kept) -> TRANSPOSE => SUM -> TRANSPOSE -> TRANSPOSE",
     .producers = {TRANSPOSE},
     .consumers = Trait::reduces,
     .rewrite = rewrite_by<reduced_axes, pass_reduction>},
    {.name = "TRANSPOSE past x * sigmoid(x)",
     .picture = "TRANSPOSE -> (LOGISTIC, MUL) -> TRANSPOSE => (LOGISTIC, MUL) -> TRANSPOSE -> TRANSPOSE",
     .producers = Trait::elementwise,
     .consumers = Trait::elementwise,
     .rewrite = rewrite_by<gate_of, move_gate>},
};

}  // namespace

std::span<const Rule> layout_rules() {
  return kLayoutRules;
}

}  // namespace octet
