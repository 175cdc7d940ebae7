// CUSTOM: dispatch to the registry of custom operators by name.
#include "kernels/custom.hpp"

#include <fmt/format.h>
#include <map>
#include <mutex>

namespace octet {

CustomOp detection_postprocess();

namespace {

struct Registry {
  Registry() {
    CustomOp op = detection_postprocess();
    ops.emplace(op.name, op);
  }
  std::mutex mutex;
  std::map<std::string, CustomOp> ops;
};

Registry& registry() {
  static Registry r;
  return r;
}

Result<const CustomOp*> op_of(const NodeDesc& n) {
  const std::string& name = n.attr<CustomAttrs>().name;
  const CustomOp* op = find_custom_op(name);
  if (op != nullptr) return op;
  const bool flex = name.rfind("Flex", 0) == 0;
  return Status::unsupported(fmt::format("custom operator '{}' is not registered{}", name,
                                         flex ? " (it needs TensorFlow's own kernels)" : ""));
}

Result<InferredShapes> infer(const NodeDesc& n) {
  OCTET_ASSIGN(const CustomOp* op, op_of(n));
  auto fits = [](size_t count, Arity a) {
    return static_cast<int>(count) >= a.min && (a.max < 0 || static_cast<int>(count) <= a.max);
  };
  if (!fits(n.in.size(), op->inputs) || !fits(n.out.size(), op->outputs))
    return Status::corrupt(fmt::format("custom operator '{}' does not take {} inputs and {} outputs",
                                       op->name, n.in.size(), n.out.size()));
  return op->infer(n);
}

KernelResult create(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const CustomOp* op, op_of(n));
  return op->create(n, pool);
}

}  // namespace

Status register_custom_op(const CustomOp& op) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  if (!r.ops.emplace(op.name, op).second)
    return Status::invalid(fmt::format("a custom operator '{}' is registered already", op.name));
  return {};
}

const CustomOp* find_custom_op(const std::string& name) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto it = r.ops.find(name);
  return it == r.ops.end() ? nullptr : &it->second;
}

const OpSpec& spec_CUSTOM() {
  static const OpSpec spec{
      .kind = OpKind::CUSTOM,
      .inputs = {0, -1},
      .outputs = {0, -1},
      .infer = infer,
      .reference = {"custom", create},
      .quant = QuantRule::none("a custom operator: Octet does not know its int8 form"),
      .notes = "TFLite_Detection_PostProcess is built in; others through register_custom_op()",
  };
  return spec;
}

}  // namespace octet
