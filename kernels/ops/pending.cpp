// Operators that are listed but not written yet; each real definition overrides its weak one here.
#include "kernels/op_spec.hpp"

namespace octet {
#define OCTET_OP(k, code, attrs)                                                        \
  __attribute__((weak)) const OpSpec& spec_##k() {                                      \
    static const OpSpec spec{.kind = OpKind::k, .inputs = {0, -1}, .outputs = {0, -1}}; \
    return spec;                                                                        \
  }
#include "schema/ir/ops.def"
#undef OCTET_OP
}  // namespace octet
