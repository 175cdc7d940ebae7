// The kinds of operators, one enumerator per row of ops.def, and UNKNOWN for any other builtin.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace octet {

enum class OpKind : uint16_t {
#define OCTET_OP(kind, code, attrs, table) kind,
#include "schema/ir/ops.def"
#undef OCTET_OP
  UNKNOWN,  // a builtin that Octet can carry through a file but not run; see UnknownAttrs
};
inline constexpr int kOpKindCount = static_cast<int>(OpKind::UNKNOWN);

std::string_view name_of(OpKind kind);            // "CONV_2D"
int builtin_code_of(OpKind kind);                 // the wire code; -1 for UNKNOWN
std::optional<OpKind> op_kind_of_code(int code);  // nothing for a code that ops.def does not list
std::optional<OpKind> op_kind_of_name(std::string_view name);

}  // namespace octet
