// VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE. The executor, which owns the resources, runs them itself
// (runtime/control_flow.cpp).
#include "kernels/op_spec.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_declared(const NodeDesc& n) {
  InferredShapes s;
  for (const TensorDesc& t : n.out)
    s.shapes.push_back(t.shape);
  return s;
}

constexpr std::string_view kVariableWhy = "moves a resource: keeps the type of the variable";

}  // namespace

const OpSpec& spec_VAR_HANDLE() {
  static const OpSpec spec{.kind = OpKind::VAR_HANDLE,
                           .traits = Trait::stateful,
                           .inputs = {0, 0},
                           .infer = infer_declared,
                           .quant = QuantRule::none(kVariableWhy)};
  return spec;
}

const OpSpec& spec_READ_VARIABLE() {
  static const OpSpec spec{.kind = OpKind::READ_VARIABLE,
                           .traits = Trait::stateful,
                           .infer = infer_declared,
                           .quant = QuantRule::none(kVariableWhy),
                           .access = VariableAccess::read};
  return spec;
}

const OpSpec& spec_ASSIGN_VARIABLE() {
  static const OpSpec spec{.kind = OpKind::ASSIGN_VARIABLE,
                           .traits = Trait::stateful,
                           .inputs = {2, 2},
                           .outputs = {0, 0},
                           .infer = infer_declared,
                           .quant = QuantRule::none(kVariableWhy),
                           .access = VariableAccess::write};
  return spec;
}

}  // namespace octet
