// The table of all operators, and what holds for every one of them.
#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "kernels/cpu.hpp"
#include "kernels/op_spec.hpp"

namespace octet {

#define OCTET_OP(kind, code, attrs, table) const OpSpec& spec_##kind();
#include "schema/ir/ops.def"
#undef OCTET_OP

const OpSpec* find_spec(OpKind kind) {
  switch (kind) {
#define OCTET_OP(k, code, attrs, table) \
  case OpKind::k: return &spec_##k();
#include "octet/try.hpp"
#include "schema/ir/ops.def"
#undef OCTET_OP
    case OpKind::UNKNOWN: return nullptr;
  }
  return nullptr;
}

bool has_trait(OpKind kind, Trait t) {
  const OpSpec* spec = find_spec(kind);
  return spec != nullptr && spec->traits.has(t);
}

std::vector<const Implementation*> candidates(const OpSpec& spec, const NodeDesc& n) {
  std::vector<std::pair<double, const Implementation*>> by_cost;
  const auto add = [&](const Implementation& impl) {
    if (impl.create == nullptr) return;
    by_cost.emplace_back(impl.cost == nullptr ? std::numeric_limits<double>::infinity() : impl.cost(n, cpu()),
                         &impl);
  };
  for (const Implementation& impl : spec.fast)
    add(impl);
  add(spec.reference);
  std::stable_sort(by_cost.begin(), by_cost.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const Implementation*> all;
  for (const auto& [cost, impl] : by_cost)
    all.push_back(impl);
  return all;
}

DType dtype_under(const TensorRule& r, DType activations) {
  switch (r.kind) {
    case TensorRule::Kind::bias: return activations == DType::int16 ? DType::int64 : DType::int32;
    case TensorRule::Kind::symmetric16:
    case TensorRule::Kind::power_of_two16: return DType::int16;
    case TensorRule::Kind::keep: return DType::float32;
    case TensorRule::Kind::weights: return DType::int8;
    default: return activations;
  }
}

Affine fixed_under(const TensorRule& r, DType activations) {
  if (activations != DType::int16) return r.value;
  return {r.scale16 > 0 ? r.scale16 : r.value.scale, 0};
}

const QuantRule& quant_rule(const OpSpec& spec, const Node& node) {
  auto is_there = [&](size_t i) { return node.input(i) != kNoValue; };
  for (const QuantVariant& v : spec.variants)
    if (std::all_of(v.present.begin(), v.present.end(), is_there) &&
        std::none_of(v.absent.begin(), v.absent.end(), is_there))
      return v.rule;
  return spec.quant;
}

namespace {

// An error that names the first of the `least` that is not there.
template <class There>
Status all_there(std::string_view what, int least, There there) {
  for (int i = 0; i < least; ++i)
    if (!there(static_cast<size_t>(i))) return Status::corrupt(fmt::format("{} {} is absent", what, i));
  return {};
}

}  // namespace

Status check_required(const Graph& g) {
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr) continue;
    const auto check = [&](std::string_view what, const std::vector<ValueId>& values, int least) -> Status {
      OCTET_TRY(all_there(what, least, [&](size_t k) {
                  return k < values.size() && values[k] != kNoValue;
                }).at(fmt::format("{} '{}'", kind_name(n), node_name(g, static_cast<NodeId>(i)))));
      return {};
    };
    OCTET_TRY(check("input", n.inputs, spec->inputs.min));
    OCTET_TRY(check("output", n.outputs, spec->outputs.min));
  }
  return {};
}

Result<InferredShapes> infer_shapes(const OpSpec& spec, const NodeDesc& node) {
  auto check = [](std::string_view what, size_t n, Arity a) -> Status {
    if (static_cast<int>(n) >= a.min && (a.max < 0 || static_cast<int>(n) <= a.max)) return {};
    const std::string wants = a.max < 0        ? fmt::format("at least {}", a.min)
                              : a.min == a.max ? fmt::format("{}", a.min)
                                               : fmt::format("{} to {}", a.min, a.max);
    return Status::corrupt(fmt::format("has {} {}, takes {}", n, what, wants));
  };
  OCTET_TRY(check("inputs", node.in.size(), spec.inputs));
  OCTET_TRY(check("outputs", node.out.size(), spec.outputs));
  OCTET_TRY(all_there("input", spec.inputs.min, [&](size_t i) { return !node.in[i].absent; }));
  for (const auto& tensors : {node.in, node.out})
    for (size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].quant.is_blockwise() && spec.kind != OpKind::CUSTOM &&
          (&tensors[0] != node.in.data() || static_cast<int>(i) != spec.blocks_at))
        return Status::unsupported(
            fmt::format("'{}' is quantized in blocks, which this operator does not take", tensors[i].name));
  if (spec.infer == nullptr) return Status::unsupported("is not implemented");
  return spec.infer(node);
}

}  // namespace octet
