// Operators that do nothing, chains of data movement that are one, and constants computed ahead of time.
#include <algorithm>

#include "graph/affine_op.hpp"
#include "graph/evaluate.hpp"
#include "graph/rule.hpp"
#include "graph/steps.hpp"
#include "graph/transpose_op.hpp"
#include "kernels/node_runner.hpp"

namespace octet {
namespace {

using enum OpKind;
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

template <size_t x_slot>
bool is_neutral(const Site& s) {
  const auto a = affine_op(s.graph(), s.consumer());
  const Activation* act = activation_of(s.consumer().attrs);
  return a && a->x_slot == x_slot && a->is_scale() && a->is_shift() && act != nullptr && act->none() &&
         is_same(s, x_slot) && s.ed.can_bypass(s.consumer_id, x_slot);
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

std::optional<std::vector<int32_t>> composed_permutation(const Site& s) {
  const Value& x = s.value(s.producer().inputs[0]);
  const auto first = permutation_of(s.graph(), s.producer()),
             second = permutation_of(s.graph(), s.consumer());
  if (s.slot != 0 || !first || !second || first->size() != second->size() || x.quant != s.output().quant)
    return std::nullopt;
  std::vector<int32_t> composed;
  for (int32_t axis : *second)
    composed.push_back((*first)[static_cast<size_t>(axis)]);
  return composed;
}

Status compose_transposes(Site& s, const std::vector<int32_t>& permutation) {
  set_permutation(s.ed, s.consumer_id, permutation);
  read_past_producer(s);
  return {};
}

// An earlier TRANSPOSE of the same value in the same way.
std::optional<NodeId> twin_of(const Site& s) {
  const auto p = permutation_of(s.graph(), s.consumer());
  if (!p || s.ed.is_graph_output(s.consumer().outputs[0])) return std::nullopt;
  for (NodeId n : s.ed.consumers(s.consumer().inputs[0]))
    if (n < s.consumer_id && s.ed.node(n).kind == TRANSPOSE &&
        s.ed.node(n).inputs[0] == s.consumer().inputs[0] && permutation_of(s.graph(), s.ed.node(n)) == p &&
        s.value(s.ed.node(n).outputs[0]).quant == s.output().quant)
      return n;
  return std::nullopt;
}
Status read_twin(Site& s, NodeId twin) {
  s.ed.add_origins(twin, s.consumer_id);
  s.ed.replace_reads(s.consumer().outputs[0], s.ed.node(twin).outputs[0]);
  s.ed.remove(s.consumer_id);
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
struct MergedClamp {
  OpKind kind;
  ValueId x;
};
std::optional<MergedClamp> merged_clamp(const Site& s) {
  const auto first = clamp_op(s.graph(), s.producer()), second = clamp_op(s.graph(), s.consumer());
  if (!first || !second || second->x_slot != s.slot) return std::nullopt;
  const auto act = tighten(activation_for(first->lo, first->hi), second->lo, second->hi);
  const auto kind = act ? clamp_kind(*act) : std::nullopt;
  if (!kind) return std::nullopt;
  return MergedClamp{*kind, s.producer().inputs[first->x_slot]};
}

Status merge_clamps(Site& s, const MergedClamp& m) {
  s.ed.set_input(s.producer_id, 0, m.x);
  s.ed.truncate_inputs(s.producer_id, 1);
  s.ed.become(s.producer_id, m.kind, NoAttrs{});
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

constexpr int64_t kAlwaysSmall = 1 << 16;  // bytes

// --- sums --------------------------------------------------------------------------------------------------

// ADD has an int8 form that every reader knows, takes an activation and is folded into its neighbours.
bool is_sum_of_two(const Site& s) {
  return s.consumer().inputs.size() == 2;
}

Status make_sum(Site& s) {
  s.ed.become(s.consumer_id, ADD, BinaryAttrs{});
  return {};
}

// --- constants -----------------------------------------------------------------------------------------

bool is_constant_node(const Site& s) {
  const Node& n = s.consumer();
  const OpSpec* spec = find_spec(n.kind);
  // What is stored sparse stays so until the model is run.
  if (spec == nullptr || spec->traits.has(Trait::stateful) || n.kind == DENSIFY) return false;
  if (n.inputs.empty()) return false;
  int64_t bytes = 0;
  for (ValueId v : n.inputs) {
    if (v == kNoValue) continue;
    if (!s.value(v).is_constant() || s.value(v).is_variable) return false;
    const auto held = static_cast<int64_t>(s.value(v).constant.bytes().size());
    bytes += s.value(v).dtype == DType::int4 ? 2 * held : held;
  }
  // Integer arithmetic stays where the fast kernels do it: their rounding may differ from the reference's.
  const auto keeps_integers = [&](const Value& out) {
    return spec->traits.has(Trait::moves) && std::all_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) {
             return v == kNoValue || !s.value(v).quant || s.value(v).quant == out.quant;
           });
  };
  int64_t results = 0;
  for (ValueId v : n.outputs) {
    if (v == kNoValue || s.ed.is_graph_output(v)) return false;
    const Value& out = s.value(v);
    if ((out.quant && !keeps_integers(out)) || !out.has_rank) return false;
    results += out.view().bytes();
  }
  return is_worth_folding(bytes, results);
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
std::optional<ValueId> idle_variable(const Site& s) {
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
  return std::nullopt;
}

Status make_zero(Site& s, ValueId v) {
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
    {.name = "idle variable",
     .picture = "OP(variable) => OP(0)",
     .types = kFree,
     .outputs = Rule::Outputs::any,
     .rewrite = rewrite_by<idle_variable, make_zero>},
    {.name = "fold constant",
     .picture = "OP(const...) => const",
     .types = kFree,
     .outputs = Rule::Outputs::any,
     .rewrite = rewrite_by<is_constant_node, fold_constant>},
    {.name = "drop RESHAPE",
     .picture = "RESHAPE(same shape) =>",
     .consumers = {RESHAPE},
     .types = kAny,
     .rewrite = rewrite_by<is_identity_reshape, bypass<0>>},
    {.name = "drop TRANSPOSE",
     .picture = "TRANSPOSE(0, 1, ...) =>",
     .consumers = {TRANSPOSE},
     .types = kAny,
     .rewrite = rewrite_by<is_identity_transpose, bypass<0>>},
    {.name = "drop PAD",
     .picture = "PAD(0...) =>",
     .consumers = {PAD, PADV2},
     .types = kAny,
     .rewrite = rewrite_by<is_empty_pad, bypass<0>>},
    {.name = "drop x * 1, x + 0",
     .picture = "MUL(1)|ADD(0) =>",
     .consumers = is_affine,
     .rewrite = rewrite_by<is_neutral<0>, bypass<0>>},
    {.name = "drop 1 * x, 0 + x",
     .picture = "MUL(1)|ADD(0) =>",
     .consumers = is_affine,
     .rewrite = rewrite_by<is_neutral<1>, bypass<1>>},
    {.name = "drop pool of 1x1",
     .picture = "POOL(1x1) =>",
     .consumers = {MAX_POOL_2D, AVERAGE_POOL_2D},
     .types = kAny,
     .rewrite = rewrite_by<is_pool_of_one, bypass<0>>},
    {.name = "drop CONCATENATION",
     .picture = "CONCATENATION(x) =>",
     .consumers = {CONCATENATION},
     .types = kAny,
     .rewrite = rewrite_by<is_concat_of_one, bypass<0>>},
    {.name = "drop CAST",
     .picture = "CAST(same type) =>",
     .consumers = {CAST},
     .types = kAny,
     .rewrite = rewrite_by<is_identity_cast, bypass<0>>},
    {.name = "chain of RESHAPE",
     .picture = "RESHAPE|SQUEEZE|EXPAND_DIMS -> RESHAPE => RESHAPE",
     .producers = {RESHAPE, SQUEEZE, EXPAND_DIMS},
     .consumers = {RESHAPE},
     .types = kAny,
     .between = kShared,
     .rewrite = rewrite_by<is_view_chain, skip_view>},
    {.name = "chain of TRANSPOSE",
     .picture = "TRANSPOSE -> TRANSPOSE => TRANSPOSE",
     .producers = {TRANSPOSE},
     .consumers = {TRANSPOSE},
     .types = kAny,
     .between = kShared,
     .rewrite = rewrite_by<composed_permutation, compose_transposes>},
    {.name = "merge clamps",
     .picture = "MAXIMUM(const) -> MINIMUM(const) => RELU*",
     .producers = is_clamp,
     .consumers = is_clamp,
     .rewrite = rewrite_by<merged_clamp, merge_clamps>},
    {.name = "DEQUANTIZE, QUANTIZE",
     .picture = "DEQUANTIZE -> QUANTIZE(same parameters) =>",
     .producers = {DEQUANTIZE},
     .consumers = {QUANTIZE},
     .types = kFree,
     .between = kShared,
     .rewrite = rewrite_by<is_round_trip, skip_round_trip>},
    {.name = "ADD_N of two",
     .picture = "ADD_N(x, y) => ADD(x, y)",
     .consumers = {ADD_N},
     .rewrite = rewrite_by<is_sum_of_two, make_sum>},
    {.name = "the same TRANSPOSE twice",
     .picture = "TRANSPOSE, TRANSPOSE => TRANSPOSE",
     .consumers = {TRANSPOSE},
     .types = kAny,
     .rewrite = rewrite_by<twin_of, read_twin>},
};

}  // namespace

std::span<const Rule> cleanup_rules() {
  return kCleanupRules;
}

}  // namespace octet
