// Integer operators that a file says in float, DEQUANTIZE -> operator -> QUANTIZE, because its reader has no
// integer form of them. They run as what they are, with the same integers as if the file had said so.
// Operators whose integer form every reader has are left alone: there, float is what was wanted.
#include <algorithm>
#include <cmath>

#include "graph/rule.hpp"
#include "graph/steps.hpp"
#include "graph/verify.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/node_runner.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

using enum OpKind;
using RuleKind = TensorRule::Kind;

// What a float value was before a DEQUANTIZE; kNoValue when none made it.
ValueId integer_behind(const Site& s, ValueId v) {
  const NodeId n = s.ed.producer(v);
  if (n < 0 || s.ed.node(n).kind != DEQUANTIZE) return kNoValue;
  const ValueId q = s.ed.node(n).inputs[0];
  return s.value(q).quant ? q : kNoValue;
}

// --- requantization --------------------------------------------------------------------------------------

bool is_requantization(const Site& s) {
  const Value& x = s.value(s.producer().inputs[0]);
  const Value& y = s.output();
  return !x.is_constant() && is_small_quantized(x.dtype) && is_small_quantized(y.dtype) && x.quant &&
         y.quant && !x.quant.is_per_channel() && !y.quant.is_per_channel() &&
         (x.dtype != y.dtype || x.quant != y.quant);
}

Status read_integers(Site& s) {
  read_past_producer(s);
  return {};
}

// --- operators ---------------------------------------------------------------------------------------------

bool lacks_integers(const OpSpec& spec) {
  return spec.quant.has_int8 && spec.state.empty() && spec.readers.lack_integers();
}

// A float bias in the steps of what it is added to.
std::optional<Value> integer_bias(const Value& bias, const Value& x, const Value& weights) {
  if (!bias.is_constant() || bias.dtype != DType::float32 || x.quant.is_per_channel()) return std::nullopt;
  const std::span<const float> reals = bias.constant.as<float>();
  std::vector<Affine> affines;
  for (const Affine& w : weights.quant.params())
    affines.push_back({x.quant.scale() * w.scale, 0});
  if (affines.size() != 1 && affines.size() != reals.size()) return std::nullopt;
  std::vector<int64_t> steps;
  for (size_t c = 0; c < reals.size(); ++c) {
    const double scale = static_cast<double>(affines[affines.size() == 1 ? 0 : c].scale);
    const double q = std::nearbyint(static_cast<double>(reals[c]) / scale);
    // Another value than an integer of this scale: it was not made from one.
    if (!(std::fabs(q * scale - static_cast<double>(reals[c])) <=
          1e-6 * std::fabs(static_cast<double>(reals[c]))) ||
        std::fabs(q) > 2147483647.0)
      return std::nullopt;
    steps.push_back(static_cast<int64_t>(q));
  }
  Value v = bias;
  v.quant =
      affines.size() == 1 ? Quantization::per_tensor(affines[0]) : Quantization::per_channel(0, affines);
  if (x.dtype == DType::int16) {
    v.dtype = DType::int64;
    v.constant = Constant::of(steps);
  } else {
    v.dtype = DType::int32;
    v.constant = Constant::of(std::vector<int32_t>(steps.begin(), steps.end()));
  }
  return v;
}

// The inputs of an operator as integers; nothing when one of them never was.
struct IntegerInputs {
  std::vector<ValueId> values;  // of the graph; kNoValue where the operator has none, or `bias` is meant
  size_t bias_slot = 0;
  std::optional<Value> bias;
};
std::optional<IntegerInputs> integer_inputs(const Site& s, const Node& n) {
  const OpSpec& spec = *find_spec(n.kind);
  const QuantRule& rules = quant_rule(spec, n);
  if (!rules.has_int8 || !rules.intermediates.empty()) return std::nullopt;
  IntegerInputs in;
  bool any = false;
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    const ValueId v = n.inputs[i];
    const RuleKind rule = rules.input(i).kind;
    if (v == kNoValue || rule == RuleKind::keep || !is_float(s.value(v).dtype)) {
      in.values.push_back(v);
      continue;
    }
    ValueId q = integer_behind(s, v);
    if (q == kNoValue && rule == RuleKind::bias) {
      const TensorRule& r = rules.input(i);
      if (r.a < 0 || in.bias || static_cast<size_t>(std::max(r.a, r.b)) >= in.values.size())
        return std::nullopt;
      const ValueId x = in.values[static_cast<size_t>(r.a)], w = in.values[static_cast<size_t>(r.b)];
      if (x == kNoValue || w == kNoValue || !s.value(x).quant || !s.value(w).quant) return std::nullopt;
      in.bias = integer_bias(s.value(v), s.value(x), s.value(w));
      if (!in.bias) return std::nullopt;
      in.bias_slot = i;
    } else if (q == kNoValue) {
      return std::nullopt;
    }
    any = true;
    in.values.push_back(q);
  }
  if (!any) return std::nullopt;
  return in;
}

// Whether the operator computes in integers like that: its rule and its kernels say so.
Status check_integer_form(const Graph& g, const Node& n) {
  OCTET_TRY(verify_node(g, n));
  std::vector<Shape> shapes;
  for (const Value& v : g.values)
    shapes.push_back(v.shape);
  const NodeTensors tensors = describe(g, n, shapes);
  ThreadPool pool(1);
  return choose_kernel(*find_spec(n.kind), tensors.desc(n), Backend::reference, pool).status();
}

// Gives operator `id` its integers; `outputs`: in the place of its own.
Status become_integer(Site& s, NodeId id, IntegerInputs in, ValueId output) {
  if (in.bias) in.values[in.bias_slot] = s.ed.add_value(*std::move(in.bias));
  Node trial = s.ed.node(id);
  trial.inputs = in.values;
  trial.outputs = {output};
  if (const Status status = check_integer_form(s.graph(), trial); !status.ok())
    return Status::declined(status.message());
  for (size_t i = 0; i < in.values.size(); ++i)
    s.ed.set_input(id, i, in.values[i]);
  return {};
}

std::optional<IntegerInputs> quantized_operator(const Site& s) {
  if (s.slot != 0 || !is_small_quantized(s.output().dtype) || s.output().quant.is_per_channel())
    return std::nullopt;
  return integer_inputs(s, s.producer());
}
Status take_quantization(Site& s, const IntegerInputs& in) {
  OCTET_TRY(become_integer(s, s.producer_id, in, s.consumer().outputs[0]));
  s.ed.absorb(s.producer_id, s.consumer_id);
  return {};
}

// Operators whose outputs are indices or booleans whatever they read.
std::optional<IntegerInputs> reading_operator(const Site& s) {
  const OpSpec& spec = *find_spec(s.consumer().kind);
  const QuantRule& rules = quant_rule(spec, s.consumer());
  if (is_float(s.output().dtype) || !rules.has_int8 || rules.output(0).kind != RuleKind::keep)
    return std::nullopt;
  return integer_inputs(s, s.consumer());
}
Status read_integers_alone(Site& s, const IntegerInputs& in) {
  return become_integer(s, s.consumer_id, in, s.consumer().outputs[0]);
}

constexpr Rule kIntegerRules[] = {
    {.name = "requantize",
     .picture = "DEQUANTIZE -> QUANTIZE(other parameters) => QUANTIZE",
     .producers = {DEQUANTIZE},
     .consumers = {QUANTIZE},
     .types = Rule::Types::free,
     .between = Rule::Between::shared,
     .rewrite = rewrite_by<is_requantization, read_integers>},
    {.name = "integer operator",
     .picture = "DEQUANTIZE... -> OP -> QUANTIZE => OP(int8)",
     .producers = lacks_integers,
     .consumers = {QUANTIZE},
     .types = Rule::Types::free,
     .rewrite = rewrite_by<quantized_operator, take_quantization>},
    {.name = "operator on integers",
     .picture = "DEQUANTIZE... -> OP(index) => OP(int16)",
     .consumers = lacks_integers,
     .types = Rule::Types::free,
     .rewrite = rewrite_by<reading_operator, read_integers_alone>},
};

}  // namespace

std::span<const Rule> integer_rules() {
  return kIntegerRules;
}

}  // namespace octet
