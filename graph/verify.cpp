#include "graph/verify.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace {

using Kind = TensorRule::Kind;

// One tensor of a node with its rule.
struct Role {
  const Graph& g;
  const Node& node;
  const QuantRule& rules;
  const TensorRule& rule;
  const Value& value;
  bool is_input;
  DType activations;  // int8 or int16
};

const Value* input_of(const Role& r, int i) {
  const ValueId v = i < 0 ? kNoValue : r.node.input(static_cast<size_t>(i));
  return v == kNoValue ? nullptr : &r.g.value(v);
}

Status expect_per_tensor(const Role& r, DType type) {
  if (r.value.dtype != type)
    return Status::invalid(fmt::format("is {}, must be {}", name_of(r.value.dtype), name_of(type)));
  if (r.value.quant.empty()) return Status::invalid("has no scale");
  if (r.value.quant.is_per_channel()) return Status::invalid("is quantized per channel, must be per tensor");
  return {};
}

Status check_affines(const Value& v) {
  const IntRange bounds = range_of(v.dtype);
  for (const Affine& a : v.quant.params()) {
    if (!std::isnormal(a.scale) || a.scale < 0)
      return Status::invalid(fmt::format("has the scale {:g}, must be positive and normal", a.scale));
    if (a.zero_point < bounds.lo || a.zero_point > bounds.hi)
      return Status::invalid(fmt::format("has the zero point {}, outside of its type", a.zero_point));
  }
  return {};
}

Status check_channels(const Value& v, int axis) {
  if (!v.quant.is_per_channel()) return {};  // per tensor is always allowed
  if (*v.quant.axis() != axis)
    return Status::invalid(fmt::format("is quantized along axis {}, must be {}", *v.quant.axis(), axis));
  if (axis >= v.shape.rank() || static_cast<int64_t>(v.quant.params().size()) != v.shape[axis])
    return Status::invalid(
        fmt::format("has {} scales for its shape {}", v.quant.params().size(), v.shape.to_string()));
  return {};
}

Status check_zero_points(const Value& v) {
  for (const Affine& a : v.quant.params())
    if (a.zero_point != 0)
      return Status::invalid(fmt::format("has the zero point {}, must be 0", a.zero_point));
  return {};
}

Status check_weights(const Role& r) {
  if (r.value.dtype != DType::int8)
    return Status::invalid(fmt::format("is {}, must be int8", name_of(r.value.dtype)));
  if (!r.value.is_constant()) return Status::invalid("is not constant");
  if (r.value.quant.empty()) return Status::invalid("has no scale");
  OCTET_TRY(check_channels(r.value, r.rule.a));
  OCTET_TRY(check_zero_points(r.value));
  for (int8_t q : r.value.constant.as<int8_t>())
    if (q == -128) return Status::invalid("holds -128, must stay in [-127, 127]");
  return {};
}

Status expect_activation(const Role& r) {
  OCTET_TRY(expect_per_tensor(r, r.activations));
  return r.activations == DType::int16 ? check_zero_points(r.value) : Status();
}

// What the scale of a bias is besides that of its weights; 0 when it is not there.
double scale_beside_weights(const Role& r) {
  if (r.rule.intermediate < 0 && r.rule.a < 0) return static_cast<double>(r.rule.value.scale);
  const Value* x = input_of(r, r.rule.a);
  if (r.rule.intermediate >= 0) {
    const auto i = static_cast<size_t>(r.rule.intermediate);
    if (i < r.node.intermediates.size()) x = &r.g.value(r.node.intermediates[i]);
  }
  return x == nullptr || x->quant.empty() ? 0 : static_cast<double>(x->quant.scale());
}

Status check_bias(const Role& r) {
  if (const DType want = dtype_under(r.rule, r.activations); r.value.dtype != want)
    return Status::invalid(fmt::format("is {}, must be {}", name_of(r.value.dtype), name_of(want)));
  const Value* w = input_of(r, r.rule.b);
  const double beside = scale_beside_weights(r);
  if (beside == 0 || w == nullptr || w->quant.empty() || r.value.quant.empty())
    return Status::invalid("lacks the scales it must follow from");
  OCTET_TRY(check_channels(r.value, 0));
  OCTET_TRY(check_zero_points(r.value));
  const size_t n = std::max(w->quant.params().size(), r.value.quant.params().size());
  if (r.value.quant.params().size() != w->quant.params().size() && w->quant.is_per_channel())
    return Status::invalid(fmt::format("has {} scales, its weights have {}", r.value.quant.params().size(),
                                       w->quant.params().size()));
  for (size_t c = 0; c < n; ++c) {
    const double want = beside * static_cast<double>(w->quant.at(c).scale);
    const auto have = static_cast<double>(r.value.quant.at(c).scale);
    if (std::fabs(want - have) > 1e-6 * want)
      return Status::invalid(fmt::format("has the scale {:g} in channel {}, must be {:g}", have, c, want));
  }
  return {};
}

Status check_same(const Role& r) {
  OCTET_TRY(expect_activation(r));
  const auto a = static_cast<size_t>(r.rule.a);
  ValueId other = kNoValue;
  if (r.rule.kind == Kind::same_as_input)
    other = r.node.input(a);
  else if (a < r.node.outputs.size())
    other = r.node.outputs[a];
  if (other == kNoValue) return {};
  const Value& o = r.g.value(other);
  if (o.dtype != r.value.dtype || o.quant != r.value.quant)
    return Status::invalid(fmt::format("must have the type, scale and zero point of '{}'", o.name));
  return {};
}

Status check_fixed(const Role& r) {
  OCTET_TRY(expect_activation(r));
  const Affine want = fixed_under(r.rule, r.activations);
  const Affine& have = r.value.quant.at();
  if (have.zero_point != want.zero_point || std::fabs(have.scale - want.scale) > 1e-6f * want.scale)
    return Status::invalid(fmt::format("has scale {:g} and zero point {}, the operator dictates {:g} and {}",
                                       have.scale, have.zero_point, want.scale, want.zero_point));
  return {};
}

Status check_int16(const Role& r) {
  OCTET_TRY(expect_per_tensor(r, DType::int16));
  OCTET_TRY(check_zero_points(r.value));
  if (r.rule.inner >= 0 && r.is_input && !r.value.is_variable)
    return Status::invalid("is not a variable, must keep the operator's state");
  if (r.value.is_constant())
    for (int16_t q : r.value.constant.as<int16_t>())
      if (q < -r.rule.levels || q > r.rule.levels)
        return Status::invalid(fmt::format("holds {}, must stay in ±{}", q, r.rule.levels));
  if (r.rule.kind != Kind::power_of_two16) return {};
  int exponent = 0;
  const float scale = r.value.quant.scale();
  if (std::frexp(scale, &exponent) != 0.5f || exponent - 1 < -15 || exponent - 1 > -9)
    return Status::invalid(
        fmt::format("has the scale {:g}, must be a power of two from 2^-15 to 2^-9", scale));
  return {};
}

Status check(const Role& r) {
  if (!r.value.quant.empty()) OCTET_TRY(check_affines(r.value));
  switch (r.rule.kind) {
    case Kind::activation: return expect_activation(r);
    case Kind::weights: return check_weights(r);
    case Kind::bias: return check_bias(r);
    case Kind::same_as_input:
    case Kind::same_as_output: return check_same(r);
    case Kind::fixed: return check_fixed(r);
    case Kind::symmetric16:
    case Kind::power_of_two16: return check_int16(r);
    case Kind::keep: break;
  }
  return {};
}

// Whether a node computes in int8: a tensor that its rule wants quantized is. Floats beside it are errors.
bool has_quantized(const Graph& g, const Node& n, const QuantRule& rules) {
  auto quantized = [&](ValueId v, const TensorRule& rule) {
    return v != kNoValue && rule.kind != Kind::keep && !g.value(v).quant.empty() &&
           is_quantizable(g.value(v).dtype);
  };
  for (size_t i = 0; i < n.inputs.size(); ++i)
    if (quantized(n.inputs[i], rules.input(i))) return true;
  for (size_t j = 0; j < n.outputs.size(); ++j)
    if (quantized(n.outputs[j], rules.output(j))) return true;
  return false;
}

// The type of an operator's activations, by the first of them; all others must have it too.
DType activations_of(const Graph& g, const Node& n, const QuantRule& rules) {
  for (int side = 0; side < 2; ++side) {
    const auto& ids = side == 0 ? n.inputs : n.outputs;
    for (size_t i = 0; i < ids.size(); ++i) {
      const TensorRule& rule = side == 0 ? rules.input(i) : rules.output(i);
      if (ids[i] == kNoValue || rule.kind == Kind::bias ||
          dtype_under(rule, DType::int16) == dtype_under(rule))
        continue;
      const Value& v = g.value(ids[i]);
      if (!v.quant.empty()) return v.dtype == DType::int16 ? DType::int16 : DType::int8;
    }
  }
  return DType::int8;
}

Status verify_intermediates(const Graph& g, const Node& n, const QuantRule& rules) {
  if (n.intermediates.size() < rules.intermediates.size())
    return Status::invalid(
        fmt::format("has {} intermediates, needs {}", n.intermediates.size(), rules.intermediates.size()));
  for (size_t i = 0; i < rules.intermediates.size(); ++i) {
    const Value& v = g.value(n.intermediates[i]);
    auto status = check({g, n, rules, rules.intermediates[i], v, false, DType::int8});
    if (!status.ok()) return std::move(status).at(fmt::format("intermediate {}", i));
  }
  return {};
}

// QUANTIZE and DEQUANTIZE have the types of their two sides; their parameters are free.
Status verify_border(const Graph& g, const Node& n) {
  for (const auto* ids : {&n.inputs, &n.outputs})
    for (ValueId v : *ids) {
      const Value& value = g.value(v);
      if (is_float(value.dtype)) continue;
      Status status = value.quant.empty() ? Status::invalid("has no scale") : check_affines(value);
      if (!status.ok()) return std::move(status).at(fmt::format("tensor '{}'", value.name));
    }
  return {};
}

}  // namespace

Status verify_node(const Graph& g, const Node& n) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr) return {};
  const QuantRule& rules = quant_rule(*spec, n);
  if (!rules.has_int8 || !has_quantized(g, n, rules)) return {};
  OCTET_TRY(verify_intermediates(g, n, rules));
  const DType activations = activations_of(g, n, rules);
  // Integers without a scale are indices, whatever the rule says of the operator's float form.
  auto is_index = [](const Value& v) {
    return v.quant.empty() &&
           (v.dtype == DType::int32 || v.dtype == DType::int64 || v.dtype == DType::boolean);
  };
  for (int side = 0; side < 2; ++side) {
    const auto& ids = side == 0 ? n.inputs : n.outputs;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == kNoValue) continue;
      const TensorRule& rule = side == 0 ? rules.input(i) : rules.output(i);
      const Value& v = g.value(ids[i]);
      if (rule.kind != Kind::bias && is_index(v)) continue;
      auto status = check({g, n, rules, rule, v, side == 0, activations});
      if (!status.ok()) return std::move(status).at(fmt::format("tensor '{}'", v.name));
    }
  }
  return {};
}

Status verify_quantized(const Graph& g) {
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    const bool border = n.kind == OpKind::QUANTIZE || n.kind == OpKind::DEQUANTIZE;
    auto status = border ? verify_border(g, n) : verify_node(g, n);
    if (!status.ok())
      return std::move(status).at(
          fmt::format("{} '{}'", name_of(n.kind), node_name(g, static_cast<NodeId>(i))));
  }
  return {};
}

}  // namespace octet
