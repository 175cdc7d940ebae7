// Operators that do nothing, chains of data movement that are one, and constants computed ahead of time.
#include <algorithm>
#include <array>

#include "graph/affine_op.hpp"
#include "graph/evaluate.hpp"
#include "graph/rule.hpp"
#include "graph/transpose_op.hpp"
#include "graph/window_op.hpp"
#include "kernels/op_spec.hpp"

namespace octet {
namespace {

using enum OpKind;
constexpr std::array kReshape = {RESHAPE};
constexpr std::array kViews = {RESHAPE, SQUEEZE, EXPAND_DIMS};
constexpr std::array kTranspose = {TRANSPOSE};
constexpr std::array kPads = {PAD, PADV2};
constexpr std::array kCleanupRulesArithmetic = {ADD, SUB, MUL, DIV};
constexpr std::array kPools = {MAX_POOL_2D, AVERAGE_POOL_2D};
constexpr std::array kCleanupRulesConcat = {CONCATENATION};
constexpr std::array kCast = {CAST};
constexpr std::array kDequantize = {DEQUANTIZE};
constexpr std::array kQuantize = {QUANTIZE};
constexpr std::array kCleanupRulesClamps = {RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1, MINIMUM, MAXIMUM};

// The bytes of the output mean what the bytes of input `slot` mean.
bool is_same(const Site& s, size_t slot) {
  const Value& x = s.value(s.consumer().inputs[slot]);
  const Value& y = s.output();
  return x.dtype == y.dtype && x.quant == y.quant && x.has_rank && y.has_rank && x.shape == y.shape;
}

template <size_t Slot>
Status bypass(Site& s) {
  s.ed.bypass(s.consumer_id, Slot);
  return {};
}

// The consumer reads what its producer reads; a producer that nobody else needs goes away.
void read_past_producer(Site& s) {
  const ValueId between = s.consumer().inputs[s.slot];
  s.ed.add_origins(s.consumer_id, s.producer_id);
  s.ed.set_input(s.consumer_id, s.slot, s.producer().inputs[0]);
  if (s.ed.consumers(between).empty() && !s.ed.is_graph_output(between)) s.ed.remove(s.producer_id);
}

// --- identities ----------------------------------------------------------------------------------------

bool is_identity_reshape(const Site& s) {
  if (!is_same(s, 0) || !s.ed.can_bypass(s.consumer_id, 0)) return false;
  // With other input shapes than the stored ones, "-1" could mean another extent than the input's.
  const auto& attrs = std::get<ReshapeAttrs>(s.consumer().attrs);
  std::vector<int64_t> to(attrs.new_shape.begin(), attrs.new_shape.end());
  if (s.consumer().input(1) != kNoValue) {
    const auto v = ints_of(s.value(s.consumer().inputs[1]));
    if (!v) return false;
    to = *v;
  }
  return std::find(to.begin(), to.end(), -1) - to.begin() == 0 || std::count(to.begin(), to.end(), -1) == 0;
}

bool is_identity_transpose(const Site& s) {
  const auto p = permutation_of(s.graph(), s.consumer());
  return p && std::is_sorted(p->begin(), p->end()) && is_same(s, 0) && s.ed.can_bypass(s.consumer_id, 0);
}

bool is_empty_pad(const Site& s) {
  const auto pad = pad_op(s.graph(), s.consumer());
  return pad && pad->is_noop() && is_same(s, 0) && s.ed.can_bypass(s.consumer_id, 0);
}

bool is_neutral(const Site& s, size_t x_slot) {
  const auto a = affine_op(s.graph(), s.consumer());
  const Activation* act = activation_of(s.consumer().attrs);
  return a && a->x_slot == x_slot && a->is_scale() && a->is_shift() && act != nullptr && act->none() &&
         is_same(s, x_slot) && s.ed.can_bypass(s.consumer_id, x_slot);
}
bool is_neutral_0(const Site& s) {
  return is_neutral(s, 0);
}
bool is_neutral_1(const Site& s) {
  return is_neutral(s, 1);
}

bool is_pool_of_one(const Site& s) {
  const auto& a = std::get<Pool2DAttrs>(s.consumer().attrs);
  return a.filter_h == 1 && a.filter_w == 1 && a.stride_h == 1 && a.stride_w == 1 && a.act.none() &&
         is_same(s, 0) && s.ed.can_bypass(s.consumer_id, 0);
}

bool is_concat_of_one(const Site& s) {
  return s.consumer().inputs.size() == 1 && std::get<ConcatAttrs>(s.consumer().attrs).act.none() &&
         is_same(s, 0) && s.ed.can_bypass(s.consumer_id, 0);
}

bool is_identity_cast(const Site& s) {
  return is_same(s, 0) && s.ed.can_bypass(s.consumer_id, 0);
}

// --- chains --------------------------------------------------------------------------------------------

bool is_view_chain(const Site& s) {
  const Value& x = s.value(s.producer().inputs[0]);
  return s.slot == 0 && x.dtype == s.output().dtype && x.quant == s.output().quant;
}

Status skip_view(Site& s) {
  read_past_producer(s);
  return {};
}

bool is_transpose_chain(const Site& s) {
  const Value& x = s.value(s.producer().inputs[0]);
  const auto first = permutation_of(s.graph(), s.producer()),
             second = permutation_of(s.graph(), s.consumer());
  return s.slot == 0 && first && second && first->size() == second->size() && x.quant == s.output().quant;
}

Status compose_transposes(Site& s) {
  const auto first = *permutation_of(s.graph(), s.producer()),
             second = *permutation_of(s.graph(), s.consumer());
  std::vector<int32_t> composed;
  for (int32_t axis : second)
    composed.push_back(first[static_cast<size_t>(axis)]);
  set_permutation(s.ed, s.consumer_id, composed);
  read_past_producer(s);
  return {};
}

// QUANTIZE(DEQUANTIZE(q)) is q when both use the same parameters.
bool is_round_trip(const Site& s) {
  const ValueId q = s.producer().inputs[0];
  const Value& x = s.value(q);
  const Value& y = s.output();
  if (x.dtype != y.dtype || x.quant != y.quant || !x.quant) return false;
  const ValueId out = s.consumer().outputs[0];
  return !s.ed.is_graph_output(out);
}

Status skip_round_trip(Site& s) {
  read_past_producer(s);
  s.ed.bypass(s.consumer_id, 0);
  return {};
}

// --- clamps -----------------------------------------------------------------------------------------------

// Two clamps in a row that are one standard activation (clamps with other bounds stay two operators: no file
// has a code for them).
std::optional<OpKind> merged_clamp(const Site& s) {
  const auto first = clamp_op(s.graph(), s.producer()), second = clamp_op(s.graph(), s.consumer());
  if (!first || !second || second->x_slot != s.slot) return std::nullopt;
  const auto act = tighten(activation_for(first->lo, first->hi), second->lo, second->hi);
  if (!act) return std::nullopt;
  switch (act->kind) {
    case Activation::Kind::relu: return RELU;
    case Activation::Kind::relu6: return RELU6;
    case Activation::Kind::relu_n1_to_1: return RELU_N1_TO_1;
    case Activation::Kind::clamp:
      return act->lo == 0 && act->hi == 1 ? std::optional(RELU_0_TO_1) : std::nullopt;
    default: return std::nullopt;
  }
}

bool can_merge_clamps(const Site& s) {
  return merged_clamp(s).has_value();
}

Status merge_clamps(Site& s) {
  const OpKind kind = *merged_clamp(s);
  const ValueId x = s.producer().inputs[clamp_op(s.graph(), s.producer())->x_slot];
  s.ed.set_input(s.producer_id, 0, x);
  s.ed.truncate_inputs(s.producer_id, 1);
  s.ed.edit(s.producer_id).kind = kind;
  s.ed.edit(s.producer_id).attrs = NoAttrs{};
  s.ed.edit(s.producer_id).version = 1;
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

constexpr int64_t kAlwaysSmall = 1 << 16;  // bytes

// --- constants -----------------------------------------------------------------------------------------

bool is_constant_node(const Site& s) {
  constexpr int64_t kGrowth = 4;  // int8 weights of a DEQUANTIZE become float; int4 ones count twice
  const Node& n = s.consumer();
  switch (n.kind) {
    case CUSTOM:
    case UNKNOWN:
    case IF:
    case WHILE:
    case CALL_ONCE:
    case VAR_HANDLE:
    case READ_VARIABLE:
    case ASSIGN_VARIABLE:
    case DENSIFY: return false;
    default: break;
  }
  if (n.inputs.empty()) return false;
  int64_t bytes = 0;
  for (ValueId v : n.inputs) {
    if (v == kNoValue) continue;
    if (!s.value(v).is_constant() || s.value(v).is_variable) return false;
    const auto held = static_cast<int64_t>(s.value(v).constant.bytes().size());
    bytes += s.value(v).dtype == DType::int4 ? 2 * held : held;
  }
  // Integer arithmetic stays where the fast kernels do it: their rounding may differ from the reference's.
  const bool moves = n.kind == RESHAPE || n.kind == TRANSPOSE || n.kind == SQUEEZE || n.kind == EXPAND_DIMS;
  int64_t results = 0;
  for (ValueId v : n.outputs) {
    if (v == kNoValue || s.ed.is_graph_output(v)) return false;
    const Value& out = s.value(v);
    if ((out.quant && !moves) || !out.has_rank) return false;
    results += out.view().bytes();
  }
  return results <= std::max(kAlwaysSmall, kGrowth * bytes);
}

Status fold_constant(Site& s) {
  std::vector<const Value*> inputs;
  for (ValueId v : s.consumer().inputs)
    inputs.push_back(v == kNoValue ? nullptr : &s.value(v));
  auto results = evaluate(s.graph(), s.consumer(), inputs);
  // A node that can't run here says why when the whole model is prepared.
  if (!results.ok()) return Status::declined(results.status().message());
  const std::vector<ValueId> outputs = s.consumer().outputs;
  s.ed.remove(s.consumer_id);
  for (size_t i = 0; i < outputs.size(); ++i)
    s.ed.set_constant(outputs[i], std::move((*results)[i]));
  return {};
}

// A variable that everybody only reads: it is 0 for ever (an initial state that a converter stored as one).
ValueId idle_variable(const Site& s) {
  for (ValueId v : s.consumer().inputs) {
    if (v == kNoValue || !s.value(v).is_variable || s.value(v).is_constant() || !s.value(v).has_rank ||
        s.value(v).quant.is_per_channel())
      continue;
    const bool only_read = std::all_of(s.ed.consumers(v).begin(), s.ed.consumers(v).end(), [&](NodeId n) {
      const Node& node = s.ed.node(n);
      const OpSpec* spec = find_spec(node.kind);
      if (spec == nullptr || node.kind == CUSTOM) return false;
      return std::none_of(spec->state.begin(), spec->state.end(),
                          [&](size_t i) { return node.input(i) == v; });
    });
    if (only_read && !s.ed.is_graph_output(v) && s.value(v).view().bytes() <= kAlwaysSmall) return v;
  }
  return kNoValue;
}

bool reads_idle_variable(const Site& s) {
  return idle_variable(s) != kNoValue;
}

Status make_zero(Site& s) {
  const ValueId v = idle_variable(s);
  Value zero = s.value(v);
  zero.is_variable = false;
  const bool has_zero_point = zero.quant && (zero.dtype == DType::int8 || zero.dtype == DType::uint8);
  zero.constant = Constant::copy_of(
      std::vector<std::byte>(static_cast<size_t>(byte_size(zero.dtype, zero.shape)),
                             static_cast<std::byte>(has_zero_point ? zero.quant.zero_point() : 0)));
  s.ed.set_constant(v, std::move(zero));
  return {};
}

// -------------------------------------------------------------------------------------------------------

constexpr auto kAny = Rule::Types::any;
constexpr auto kFree = Rule::Types::free;
constexpr auto kShared = Rule::Between::shared;

constexpr Rule kCleanupRules[] = {
    {"idle variable",
     "OP(variable) => OP(0)",
     {},
     {},
     reads_idle_variable,
     make_zero,
     kFree,
     Rule::Between::exclusive,
     Rule::Outputs::any},
    {"fold constant",
     "OP(const...) => const",
     {},
     {},
     is_constant_node,
     fold_constant,
     kFree,
     Rule::Between::exclusive,
     Rule::Outputs::any},
    {"drop RESHAPE", "RESHAPE(same shape) =>", {}, kReshape, is_identity_reshape, bypass<0>, kAny},
    {"drop TRANSPOSE", "TRANSPOSE(0, 1, ...) =>", {}, kTranspose, is_identity_transpose, bypass<0>, kAny},
    {"drop PAD", "PAD(0...) =>", {}, kPads, is_empty_pad, bypass<0>, kAny},
    {"drop x * 1, x + 0", "MUL(1)|ADD(0) =>", {}, kCleanupRulesArithmetic, is_neutral_0, bypass<0>},
    {"drop 1 * x, 0 + x", "MUL(1)|ADD(0) =>", {}, kCleanupRulesArithmetic, is_neutral_1, bypass<1>},
    {"drop pool of 1x1", "POOL(1x1) =>", {}, kPools, is_pool_of_one, bypass<0>, kAny},
    {"drop CONCATENATION", "CONCATENATION(x) =>", {}, kCleanupRulesConcat, is_concat_of_one, bypass<0>, kAny},
    {"drop CAST", "CAST(same type) =>", {}, kCast, is_identity_cast, bypass<0>, kAny},
    {"chain of RESHAPE", "RESHAPE|SQUEEZE|EXPAND_DIMS -> RESHAPE => RESHAPE", kViews, kReshape, is_view_chain,
     skip_view, kAny, kShared},
    {"chain of TRANSPOSE", "TRANSPOSE -> TRANSPOSE => TRANSPOSE", kTranspose, kTranspose, is_transpose_chain,
     compose_transposes, kAny, kShared},
    {"merge clamps", "MAXIMUM(const) -> MINIMUM(const) => RELU*", kCleanupRulesClamps, kCleanupRulesClamps,
     can_merge_clamps, merge_clamps},
    {"DEQUANTIZE, QUANTIZE", "DEQUANTIZE -> QUANTIZE(same parameters) =>", kDequantize, kQuantize,
     is_round_trip, skip_round_trip, kFree, kShared},
};

}  // namespace

std::span<const Rule> cleanup_rules() {
  return kCleanupRules;
}

}  // namespace octet
