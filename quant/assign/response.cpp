#include "quant/assign/response.hpp"

#include <algorithm>
#include <cmath>

#include "graph/evaluate.hpp"

namespace octet {
namespace {

// The output for a tensor with these values along its last axis; empty when the operator does not take one.
std::vector<float> evaluated(const Graph& g, const Node& n, ValueId value, const std::vector<float>& x) {
  Value input = g.value(value);
  input.shape = Shape::of_rank(std::max(input.shape.rank(), 1));
  input.shape[-1] = static_cast<int32_t>(x.size());
  input.shape_signature.clear();
  input.constant = Constant::of(x);
  std::vector<const Value*> inputs;
  for (ValueId v : n.inputs)
    inputs.push_back(v == kNoValue ? nullptr : v == value ? &input : &g.value(v));
  const auto y = evaluate(g, n, inputs);
  if (!y.ok() || y->size() != 1 || (*y)[0].dtype != DType::float32 ||
      (*y)[0].shape.elements() != input.shape.elements())
    return {};
  const auto values = (*y)[0].constant.as<float>();
  return {values.begin(), values.end()};
}

bool same(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float p, float q) {
    return p == q || (std::isnan(p) && std::isnan(q)) || std::fabs(p - q) <= 1e-5f * std::fabs(p);
  });
}

}  // namespace

Response response_of(const Graph& g, NodeId node, ValueId value) {
  const Node& n = g.nodes[static_cast<size_t>(node)];
  if (n.outputs.size() != 1 || n.outputs[0] == kNoValue) return nullptr;
  const Value& out = g.value(n.outputs[0]);
  if (out.dtype != DType::float32 || out.shape != g.value(value).shape) return nullptr;
  if (std::count(n.inputs.begin(), n.inputs.end(), value) != 1) return nullptr;
  for (ValueId v : n.inputs)
    if (v != kNoValue && v != value && (!g.value(v).is_constant() || g.value(v).shape.elements() != 1))
      return nullptr;
  // Element-wise: turned around the output turns around, and what happens elsewhere does not matter.
  std::vector<float> probe(64);
  for (size_t i = 0; i < probe.size(); ++i)
    probe[i] = 0.25f * (static_cast<float>(i * 37 % 64) - 31.5f);
  const std::vector<float> y = evaluated(g, n, value, probe);
  if (y.size() != probe.size()) return nullptr;
  std::vector<float> turned(probe.rbegin(), probe.rend()), half = probe;
  std::fill(half.begin() + 32, half.end(), 100.0f);
  std::vector<float> y_turned = evaluated(g, n, value, turned), y_half = evaluated(g, n, value, half);
  std::reverse(y_turned.begin(), y_turned.end());
  if (y_half.size() != y.size() || !same(y, y_turned)) return nullptr;
  if (!same(std::span(y).first(32), std::span(y_half).first(32))) return nullptr;
  return [&g, &n, value](const std::vector<float>& x) {
    std::vector<float> r = evaluated(g, n, value, x);
    r.resize(x.size(), 0.0f);
    return r;
  };
}

}  // namespace octet
