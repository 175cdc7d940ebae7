#include "schema/ir/op_kind.hpp"

namespace octet {
namespace {

struct OpRow {
  std::string_view name;
  int code;
};
constexpr OpRow kOps[] = {
#define OCTET_OP(kind, code, attrs, table) {#kind, code},
#include "schema/ir/ops.def"
#undef OCTET_OP
};

}  // namespace

std::string_view name_of(OpKind kind) {
  return kind == OpKind::UNKNOWN ? std::string_view("UNKNOWN") : kOps[static_cast<int>(kind)].name;
}

int builtin_code_of(OpKind kind) {
  return kind == OpKind::UNKNOWN ? -1 : kOps[static_cast<int>(kind)].code;
}

std::optional<OpKind> op_kind_of_code(int code) {
  for (int i = 0; i < kOpKindCount; ++i)
    if (kOps[i].code == code) return static_cast<OpKind>(i);
  return std::nullopt;
}

std::optional<OpKind> op_kind_of_name(std::string_view name) {
  for (int i = 0; i < kOpKindCount; ++i)
    if (kOps[i].name == name) return static_cast<OpKind>(i);
  return std::nullopt;
}

}  // namespace octet
