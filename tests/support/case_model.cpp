#include "tests/support/case_model.hpp"

#include <fmt/format.h>

namespace octet::test {
namespace {

std::span<const std::byte> bytes_at(const Prepared& p, size_t i) {
  return std::span(p.bytes[i]).first(static_cast<size_t>(byte_size(p.in[i].dtype, p.in[i].shape)));
}

bool must_be_constant(const OpCase& c, size_t i) {
  const OpSpec& spec = *find_spec(c.kind);
  const TensorRule::Kind rule = spec.quant.has_int8 ? spec.quant.input(i).kind : TensorRule::Kind::keep;
  return c.inputs[i].constant || rule == TensorRule::Kind::weights || rule == TensorRule::Kind::bias;
}

Value described(const TensorDesc& t, std::string name) {
  Value v;
  v.name = std::move(name);
  v.dtype = t.dtype;
  v.shape = t.shape;
  v.quant = t.quant;
  v.is_variable = t.is_variable;
  return v;
}

}  // namespace

ModelData model_of(const OpCase& c, const Prepared& p, Form form) {
  const OpSpec& spec = *find_spec(c.kind);
  Graph g;
  Node n;
  n.kind = p.kind;
  n.attrs = p.attrs;
  n.version = form == Form::float32 ? spec.version_float
              : form == Form::int16 ? spec.version_int16
                                    : spec.version_int8;
  for (size_t i = 0; i < p.in.size(); ++i) {
    if (p.in[i].absent) {
      n.inputs.push_back(kNoValue);
      continue;
    }
    Value v = described(p.in[i], fmt::format("in{}", i));
    const bool constant = !v.is_variable && must_be_constant(c, i), input = !v.is_variable && !constant;
    if (constant) v.constant = Constant::copy_of(bytes_at(p, i));
    n.inputs.push_back(g.add_value(std::move(v)));
    if (input) g.inputs.push_back(n.inputs.back());
  }
  for (size_t i = 0; i < p.out.size(); ++i) {
    n.outputs.push_back(g.add_value(described(p.out[i], fmt::format("out{}", i))));
    g.outputs.push_back(n.outputs.back());
  }
  g.nodes.push_back(std::move(n));
  ModelData m;
  m.graphs.push_back(std::move(g));
  return m;
}

std::vector<std::span<const std::byte>> inputs_of(const ModelData& m, const Prepared& p) {
  std::vector<std::span<const std::byte>> inputs;
  for (ValueId v : m.main().inputs)
    inputs.push_back(bytes_at(p, static_cast<size_t>(std::stoi(m.main().value(v).name.substr(2)))));
  return inputs;
}

}  // namespace octet::test
