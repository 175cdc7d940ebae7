// CUSTOM: dispatch by name to the program's custom operators (NodeDesc::custom_ops) and to the built-in ones.
#include "kernels/special/custom.hpp"

#include <fmt/format.h>

#include "octet/custom.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

const BuiltinCustomOp* find_builtin(std::string_view name) {
  static const BuiltinCustomOp ops[] = {detection_postprocess()};
  for (const BuiltinCustomOp& op : ops)
    if (op.name == name) return &op;
  return nullptr;
}

const CustomOp* find_registered(const NodeDesc& n) {
  return n.custom_ops == nullptr ? nullptr : n.custom_ops->find(n.attr<CustomAttrs>().name);
}

Status unknown(const std::string& name) {
  const bool flex = name.starts_with("Flex");
  return Status::unsupported(fmt::format("custom operator '{}' is not registered{}", name,
                                         flex ? " (it needs TensorFlow's own kernels)" : ""));
}

Status check_arity(const NodeDesc& n, std::string_view name, Arity inputs, Arity outputs) {
  auto fits = [](size_t count, Arity a) {
    return static_cast<int>(count) >= a.min && (a.max < 0 || static_cast<int>(count) <= a.max);
  };
  if (fits(n.in.size(), inputs) && fits(n.out.size(), outputs)) return {};
  return Status::corrupt(fmt::format("custom operator '{}' does not take {} inputs and {} outputs", name,
                                     n.in.size(), n.out.size()));
}

CustomNode node_of(const NodeDesc& n) {
  const auto& attr = n.attr<CustomAttrs>();
  return {attr.name, attr.options, n.in, n.out};
}

Status check_shapes(const CustomOp& op, const NodeDesc& n, const InferredShapes& inferred) {
  if (inferred.deferred) return {};
  if (inferred.shapes.size() != n.out.size())
    return Status::invalid(fmt::format("custom operator '{}' gave {} shapes for {} outputs", op.name,
                                       inferred.shapes.size(), n.out.size()));
  for (const Shape& s : inferred.shapes)
    if (!s.is_static())
      return Status::invalid(
          fmt::format("custom operator '{}' gave the shape {}, which is not fixed", op.name, s.to_string()));
  return {};
}

Result<InferredShapes> infer_custom(const NodeDesc& n) {
  const std::string& name = n.attr<CustomAttrs>().name;
  if (const CustomOp* op = find_registered(n)) {
    OCTET_TRY(check_arity(n, name, op->inputs, op->outputs));
    if (!op->infer) {
      if (!n.has_input(0))
        return Status::invalid(fmt::format("custom operator '{}' has no input to take its shape from", name));
      return InferredShapes{.deferred = false, .shapes = {n.out.size(), n.in[0].shape}};
    }
    OCTET_ASSIGN(InferredShapes inferred, op->infer(node_of(n)));
    OCTET_TRY(check_shapes(*op, n, inferred));
    return inferred;
  }
  const BuiltinCustomOp* op = find_builtin(name);
  if (op == nullptr) return unknown(name);
  OCTET_TRY(check_arity(n, name, op->inputs, op->outputs));
  return op->infer(n);
}

// Hands the executor's pointers to a program's kernel as views.
class Adapter final : public Kernel {
 public:
  Adapter(const NodeDesc& n, std::unique_ptr<CustomKernel> kernel) : kernel_(std::move(kernel)) {
    for (const TensorDesc& t : n.in)
      in_.push_back({nullptr, t.dtype, t.shape, t.quant});
    for (const TensorDesc& t : n.out)
      out_.push_back({nullptr, t.dtype, t.shape, t.quant});
  }
  Status run(const RunArgs& args) override {
    for (size_t i = 0; i < in_.size(); ++i)
      in_[i].data = args.in[i];
    for (size_t i = 0; i < out_.size(); ++i)
      out_[i].data = args.out[i];
    return kernel_->run(in_, out_);
  }
  void reset_state() override { kernel_->reset_state(); }

 private:
  std::unique_ptr<CustomKernel> kernel_;
  std::vector<ConstTensorView> in_;
  std::vector<TensorView> out_;
};

KernelResult create_custom(const NodeDesc& n, ThreadPool& pool) {
  const std::string& name = n.attr<CustomAttrs>().name;
  if (const CustomOp* op = find_registered(n)) {
    for (const auto& side : {n.in, n.out})
      for (const TensorDesc& t : side)
        if (!t.absent && bits_of(t.dtype) == 0)
          return Status::unsupported(
              fmt::format("'{}' is {}, whose data Octet does not hold", t.name, name_of(t.dtype)));
    OCTET_ASSIGN(auto kernel, op->create(node_of(n)));
    if (kernel == nullptr) return Status::invalid(fmt::format("custom operator '{}' made no kernel", name));
    return std::unique_ptr<Kernel>(std::make_unique<Adapter>(n, std::move(kernel)));
  }
  const BuiltinCustomOp* op = find_builtin(name);
  return op == nullptr ? KernelResult(unknown(name)) : op->create(n, pool);
}

}  // namespace

Status CustomOps::add(CustomOp op) {
  if (op.name.empty()) return Status::invalid("a custom operator without a name");
  if (!op.create) return Status::invalid(fmt::format("custom operator '{}' has no create", op.name));
  std::string name = op.name;
  if (!ops_.emplace(std::move(name), op).second)
    return Status::invalid(fmt::format("a custom operator '{}' is registered already", op.name));
  return {};
}

const CustomOp* CustomOps::find(std::string_view name) const {
  const auto it = ops_.find(name);
  return it == ops_.end() ? nullptr : &it->second;
}

const OpSpec& spec_CUSTOM() {
  static const OpSpec spec{
      .kind = OpKind::CUSTOM,
      .traits = Trait::stateful,
      .inputs = {0, -1},
      .outputs = {0, -1},
      .infer = infer_custom,
      .reference = {"custom", create_custom},
      .quant = QuantRule::none("a custom operator: Octet does not know its int8 form"),
      .notes = "TFLite_Detection_PostProcess is built in; a program brings others along (docs/CUSTOM_OPS.md)",
  };
  return spec;
}

}  // namespace octet
