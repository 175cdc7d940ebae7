#include "tests/support/interpreter.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "graph/evaluate.hpp"
#include "octet/try.hpp"

namespace octet::test {

Result<std::vector<Value>> interpret(const Graph& g, const std::vector<Constant>& inputs) {
  std::vector<Value> values = g.values;
  if (inputs.size() != g.inputs.size()) return Status::invalid("wrong number of inputs");
  for (size_t i = 0; i < inputs.size(); ++i)
    values[static_cast<size_t>(g.inputs[i])].constant = inputs[i];
  for (Value& v : values)  // state begins as zeros; operators write it in place
    if (v.is_variable)
      v.constant =
          Constant::copy_of(std::vector<std::byte>(static_cast<size_t>(byte_size(v.dtype, v.shape))));
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    std::vector<const Value*> in;
    for (ValueId v : n.inputs) {
      if (v != kNoValue && !values[static_cast<size_t>(v)].is_constant())
        return Status::internal(
            fmt::format("{} reads '{}' before it is made", name_of(n.kind), g.value(v).name));
      in.push_back(v == kNoValue ? nullptr : &values[static_cast<size_t>(v)]);
    }
    auto out = evaluate(g, n, in);
    if (!out.ok()) return std::move(out).status().at(node_name(g, static_cast<NodeId>(i)));
    for (size_t o = 0; o < n.outputs.size(); ++o)
      if (n.outputs[o] != kNoValue) values[static_cast<size_t>(n.outputs[o])] = (*out)[o];
  }
  return values;
}

std::vector<Constant> random_inputs(const Graph& g, uint32_t seed, float lo, float hi) {
  std::vector<Constant> inputs;
  for (ValueId id : g.inputs) {
    const Value& v = g.value(id);
    std::vector<std::byte> bytes(static_cast<size_t>(v.view().bytes()));
    for (size_t i = 0; i < static_cast<size_t>(v.shape.elements()); ++i) {
      seed = seed * 1664525u + 1013904223u;
      if (v.dtype == DType::float32)
        reinterpret_cast<float*>(bytes.data())[i] =
            lo + (hi - lo) * (static_cast<float>(seed >> 8) / 16777216.0f);
      else
        bytes[i * static_cast<size_t>(bytes_of(v.dtype))] = static_cast<std::byte>(seed >> 24);
    }
    inputs.push_back(Constant::copy_of(bytes));
  }
  return inputs;
}

Result<double> difference(const Graph& a, const Graph& b, const std::vector<Constant>& inputs) {
  OCTET_ASSIGN(const auto va, interpret(a, inputs));
  OCTET_ASSIGN(const auto vb, interpret(b, inputs));
  if (a.outputs.size() != b.outputs.size()) return Status::internal("the number of outputs changed");
  double worst = 0, peak = 1e-6;
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    const Value& x = va[static_cast<size_t>(a.outputs[i])];
    const Value& y = vb[static_cast<size_t>(b.outputs[i])];
    if (x.name != y.name || x.dtype != y.dtype || !(x.shape == y.shape))
      return Status::internal(fmt::format("output {} changed: '{}' {}, '{}' {}", i, x.name,
                                          x.shape.to_string(), y.name, y.shape.to_string()));
    if (x.dtype != DType::float32) {
      const auto p = x.constant.bytes(), q = y.constant.bytes();
      if (!std::equal(p.begin(), p.end(), q.begin(), q.end())) return HUGE_VAL;
      continue;
    }
    const auto p = x.constant.as<float>(), q = y.constant.as<float>();
    for (size_t k = 0; k < p.size(); ++k) {
      if (p[k] == q[k] || (std::isnan(p[k]) && std::isnan(q[k]))) continue;
      const double d = std::fabs(static_cast<double>(p[k]) - static_cast<double>(q[k]));
      worst = std::isnan(d) ? HUGE_VAL : std::max(worst, d);
      if (std::isfinite(p[k])) peak = std::max(peak, std::fabs(static_cast<double>(p[k])));
    }
  }
  return worst / peak;
}

}  // namespace octet::test
