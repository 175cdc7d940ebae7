// Quantization that a file declares and that the operator's rule does not know: other scales where the rule
// says "the same", or a bias in other steps than input times weight. What is declared is what is computed:
// conversions go in where kernels would take the rule's word.
#include <algorithm>
#include <cmath>

#include "graph/rule.hpp"
#include "kernels/dispatch.hpp"
#include "octet/try.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace {

using RuleKind = TensorRule::Kind;

// Converters write products of scales with a rounding more or less; that moves no integer.
bool is_same(const Affine& a, const Affine& b) {
  return a.zero_point == b.zero_point && std::fabs(a.scale - b.scale) <= 1e-5f * std::fabs(b.scale);
}

bool is_plain(const Value& v) {
  return is_small_quantized(v.dtype) && v.quant && !v.quant.is_per_channel() && !v.quant.is_blockwise();
}

// The value whose parameters a rule demands; kNoValue where it names none.
ValueId anchor_of(const Node& n, const TensorRule& r) {
  const auto a = static_cast<size_t>(std::max(r.a, 0));
  if (r.kind == RuleKind::same_as_input) return n.input(a);
  if (r.kind == RuleKind::same_as_output && a < n.outputs.size()) return n.outputs[a];
  return kNoValue;
}

bool has_integers(const OpSpec& spec) {
  return spec.quant.has_int8;
}

bool keeps_scales(const OpSpec& spec) {
  return spec.quant.has_int8 && !spec.rescales;
}

// What the rule wants in the place of what the file says; nothing where these agree.
std::optional<Quantization> wanted(const Site& s, const TensorRule& r, ValueId v) {
  if (v == kNoValue || !is_plain(s.value(v))) return std::nullopt;
  const Value& value = s.value(v);
  if (r.kind == RuleKind::fixed) {
    Affine a = fixed_under(r, value.dtype == DType::int16 ? DType::int16 : DType::int8);
    if (value.dtype == DType::uint8) a.zero_point += 128;
    if (is_same(value.quant.at(), a)) return std::nullopt;
    return Quantization::per_tensor(a);
  }
  const ValueId anchor = anchor_of(s.consumer(), r);
  if (anchor == kNoValue || anchor == v || !is_plain(s.value(anchor)) ||
      s.value(anchor).dtype != value.dtype || is_same(value.quant.at(), s.value(anchor).quant.at()))
    return std::nullopt;
  return s.value(anchor).quant;
}

// A slot whose parameters are others than the rule's.
struct Odd {
  size_t slot = 0;
  Quantization wanted;
};

template <bool is_input>
std::optional<Odd> odd_slot(const Site& s) {
  const Node& n = s.consumer();
  const QuantRule& rules = quant_rule(*find_spec(n.kind), n);
  const auto& ids = is_input ? n.inputs : n.outputs;
  if (!rules.has_int8) return std::nullopt;  // this variant of the operator
  for (size_t i = 0; i < ids.size(); ++i) {
    const TensorRule& r = is_input ? rules.input(i) : rules.output(i);
    if (auto q = wanted(s, r, ids[i])) return Odd{i, *std::move(q)};
  }
  return std::nullopt;
}

Node quantize(ValueId from, ValueId to) {
  Node n;
  n.kind = OpKind::QUANTIZE;
  n.inputs = {from};
  n.outputs = {to};
  return n;
}

ValueId add_like(Site& s, ValueId v, const Quantization& q) {
  Value value = s.value(v);
  value.quant = q;
  value.constant = {};
  return s.ed.add_value(std::move(value));
}

Status convert_output(Site& s, const Odd& odd) {
  std::vector<ValueId> outputs = s.consumer().outputs;
  const ValueId declared = outputs[odd.slot];
  outputs[odd.slot] = add_like(s, declared, odd.wanted);
  const ValueId computed = outputs[odd.slot];
  s.ed.set_outputs(s.consumer_id, std::move(outputs));
  s.ed.add_node(quantize(computed, declared), s.consumer_id);
  return {};
}

Status convert_input(Site& s, const Odd& odd) {
  const ValueId declared = s.consumer().inputs[odd.slot], taken = add_like(s, declared, odd.wanted);
  s.ed.add_node(quantize(declared, taken), s.consumer_id);
  s.ed.set_input(s.consumer_id, odd.slot, taken);
  return {};
}

// --- biases --------------------------------------------------------------------------------------------

struct OddBias {
  size_t slot = 0;
  std::vector<Affine> wanted;
};
std::optional<OddBias> odd_bias(const Site& s) {
  const Node& n = s.consumer();
  const QuantRule& rules = quant_rule(*find_spec(n.kind), n);
  for (size_t i = 0; rules.has_int8 && i < n.inputs.size(); ++i) {
    const TensorRule& r = rules.input(i);
    if (r.kind != RuleKind::bias || r.a < 0 || r.b < 0 || n.inputs[i] == kNoValue) continue;
    const ValueId x = n.input(static_cast<size_t>(r.a)), w = n.input(static_cast<size_t>(r.b));
    const Value& bias = s.value(n.inputs[i]);
    if (x == kNoValue || w == kNoValue || !is_plain(s.value(x)) || !s.value(w).quant ||
        s.value(w).quant.is_blockwise() || !bias.quant || !bias.is_constant() ||
        (bias.dtype != DType::int32 && bias.dtype != DType::int64))
      continue;
    OddBias odd{i, {}};
    bool differs = false;
    const size_t count = s.value(w).quant.params().size();
    if (bias.quant.params().size() != 1 && bias.quant.params().size() != count) continue;
    for (size_t c = 0; c < count; ++c) {
      odd.wanted.push_back({s.value(x).quant.scale() * s.value(w).quant.at(c).scale, 0});
      const Affine& have = bias.quant.at(bias.quant.params().size() == 1 ? 0 : c);
      if (have.scale > 0 && !is_same({have.scale, 0}, odd.wanted.back())) differs = true;
    }
    if (differs) return odd;
  }
  return std::nullopt;
}

// The same real numbers in the steps that kernels count in.
Status rescale_bias(Site& s, const OddBias& odd) {
  Value bias = s.value(s.consumer().inputs[odd.slot]);
  const auto in_steps = [&](auto integers) -> Status {
    using T = std::remove_const_t<typename decltype(integers)::element_type>;
    const IntRange range = range_of(bias.dtype);
    std::vector<T> steps;
    for (size_t c = 0; c < integers.size(); ++c) {
      const Affine& have = bias.quant.at(bias.quant.params().size() == 1 ? 0 : c);
      const Affine& want = odd.wanted[odd.wanted.size() == 1 ? 0 : c % odd.wanted.size()];
      const double q = std::nearbyint(static_cast<double>(integers[c] - have.zero_point) *
                                      (static_cast<double>(have.scale) / static_cast<double>(want.scale)));
      if (!(q >= static_cast<double>(range.lo) && q < static_cast<double>(range.hi)))
        return Status::unsupported(
            "a bias whose declared scale is not input times weight, and which does not fit in those steps");
      steps.push_back(static_cast<T>(q));
    }
    bias.constant = Constant::of(steps);
    return {};
  };
  OCTET_TRY(bias.dtype == DType::int32 ? in_steps(bias.constant.as<int32_t>())
                                       : in_steps(bias.constant.as<int64_t>()));
  bias.quant = odd.wanted.size() == 1 ? Quantization::per_tensor(odd.wanted[0])
                                      : Quantization::per_channel(0, odd.wanted);
  s.ed.set_input(s.consumer_id, odd.slot, s.ed.add_value(std::move(bias)));
  return {};
}

constexpr Rule kScaleRules[] = {
    {.name = "declared scale of an output",
     .picture = "OP(other scale) => OP -> QUANTIZE",
     .consumers = keeps_scales,
     .types = Rule::Types::free,
     .outputs = Rule::Outputs::any,
     .rewrite = rewrite_by<odd_slot<false>, convert_output>},
    {.name = "declared scale of an input",
     .picture = "OP(other scale) => QUANTIZE -> OP",
     .consumers = keeps_scales,
     .types = Rule::Types::free,
     .outputs = Rule::Outputs::any,
     .rewrite = rewrite_by<odd_slot<true>, convert_input>},
    {.name = "declared scale of a bias",
     .picture = "CONV_2D(bias in other steps) => CONV_2D",
     .consumers = has_integers,
     .types = Rule::Types::free,
     .rewrite = rewrite_by<odd_bias, rescale_bias>},
};

}  // namespace

std::span<const Rule> scale_rules() {
  return kScaleRules;
}

}  // namespace octet
