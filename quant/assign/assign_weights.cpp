#include "quant/assign/assign_weights.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "quant/assign/scales.hpp"

namespace octet {
namespace {

using Kind = TensorRule::Kind;

bool is_real(const Graph& g, ValueId v) {
  return v != kNoValue && g.value(v).dtype == DType::float32;
}

Quantization quantization_of(const std::vector<float>& scales, int axis) {
  std::vector<Affine> params;
  for (float s : scales)
    params.push_back({s, 0});
  return axis < 0 ? Quantization::per_tensor(params.front())
                  : Quantization::per_channel(axis, std::move(params));
}

WeightScales symmetric16_scale(const Value& value, const TensorRule& rule, std::vector<Finding>& findings) {
  NonFiniteCounts odd;
  std::string note;
  const Affine a = int16_affine(rule, range_of_constant(value.constant.as<float>(), odd), note);
  if (!note.empty()) findings.push_back({value.name, note});
  return {{a.scale}, {}};
}

// The scale of a bias is this times that of its weights.
float scale_beside(const TensorRule& bias, const NodeForm& f) {
  if (bias.intermediate >= 0) return f.intermediates[static_cast<size_t>(bias.intermediate)].scale();
  return bias.a >= 0 ? f.inputs[static_cast<size_t>(bias.a)].scale() : bias.value.scale;
}

// (Q6) Raise weight scales until every bias fits its 32 bits.
void make_room(const Value& bias, float beside, WeightScales& w, std::vector<Finding>& findings) {
  const auto b = bias.constant.as<float>();
  int raised = 0;
  for (size_t c = 0; c < b.size(); ++c) {
    float& scale = w.scale[w.scale.size() == 1 ? 0 : std::min(c, w.scale.size() - 1)];
    const double least = std::fabs(static_cast<double>(b[c])) / (static_cast<double>(beside) * kMostBias);
    if (static_cast<double>(scale) >= least) continue;
    scale = std::nextafter(static_cast<float>(least), std::numeric_limits<float>::infinity());
    ++raised;
  }
  if (raised != 0)
    findings.push_back(
        {bias.name,
         fmt::format("{} of {} biases are too large for the scale of their weights, which was raised", raised,
                     b.size())});
}

}  // namespace

bool is_weights(const TensorRule& r) {
  return r.kind == Kind::weights || (r.kind == Kind::symmetric16 && r.inner < 0);
}

void assign_weights(const Graph& g, const Node& node, const QuantRule& rules, bool per_channel,
                    NodeForm& form, std::vector<Finding>& findings) {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const TensorRule& rule = rules.input(i);
    if (!is_real(g, node.inputs[i]) || !is_weights(rule)) continue;
    const Value& value = g.value(node.inputs[i]);
    const int axis = per_channel ? rule.a : -1;
    WeightScales w = rule.kind == Kind::weights ? weight_scales(value.constant.as<float>(), value.shape, axis)
                                                : symmetric16_scale(value, rule, findings);
    if (!w.dead.empty())
      findings.push_back(
          {value.name, fmt::format("{} of {} channels are all zero (first: {}); they get the largest scale",
                                   w.dead.size(), w.scale.size(), w.dead.front())});
    for (size_t b = 0; b < node.inputs.size(); ++b) {
      const TensorRule& bias = rules.input(b);
      if (form.type == DType::int8 && is_real(g, node.inputs[b]) && bias.kind == Kind::bias &&
          bias.b == static_cast<int>(i))
        make_room(g.value(node.inputs[b]), scale_beside(bias, form), w, findings);
    }
    form.inputs[i] = quantization_of(w.scale, axis);
  }
  assign_biases(g, node, rules, form);
}

void assign_biases(const Graph& g, const Node& node, const QuantRule& rules, NodeForm& form) {
  for (size_t b = 0; b < node.inputs.size(); ++b) {
    const TensorRule& rule = rules.input(b);
    if (!is_real(g, node.inputs[b]) || rule.kind != Kind::bias || form.inputs[b]) continue;
    const float x = scale_beside(rule, form);
    const Quantization& w = form.inputs[static_cast<size_t>(rule.b)];
    std::vector<float> scales;
    for (const Affine& a : w.params())
      scales.push_back(x * a.scale);
    form.inputs[b] = quantization_of(scales, w.is_per_channel() ? 0 : -1);
  }
}

}  // namespace octet
