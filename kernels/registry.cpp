#include <fmt/format.h>

#include "kernels/op_spec.hpp"

namespace octet {

#define OCTET_OP(kind, code, attrs) const OpSpec& spec_##kind();
#include "schema/ir/ops.def"
#undef OCTET_OP

const OpSpec* find_spec(OpKind kind) {
  switch (kind) {
#define OCTET_OP(k, code, attrs) \
  case OpKind::k: return &spec_##k();
#include "schema/ir/ops.def"
#undef OCTET_OP
    case OpKind::UNKNOWN: return nullptr;
  }
  return nullptr;
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
  for (int i = 0; i < spec.inputs.min; ++i)
    if (node.in[static_cast<size_t>(i)].absent) return Status::corrupt(fmt::format("input {} is absent", i));
  if (spec.infer == nullptr) return Status::unsupported("is not implemented");
  return spec.infer(node);
}

}  // namespace octet
