// Operators that only circle has. They are read, inspected and written; there is no kernel for them yet, and
// a plan that needs one says so by name.
#include "kernels/op_spec.hpp"

namespace octet {
namespace {

OpSpec carried(OpKind kind) {
  OpSpec spec;
  spec.kind = kind;
  spec.inputs = {1, -1};
  spec.outputs = {1, -1};
  spec.quant = QuantRule::none("one of circle's own operators, which have no int8 form here");
  spec.notes = "read and written, not run";
  return spec;
}

}  // namespace

#define OCTET_CARRIED(k)                           \
  const OpSpec& spec_##k() {                       \
    static const OpSpec spec = carried(OpKind::k); \
    return spec;                                   \
  }
OCTET_CARRIED(BCQ_FULLY_CONNECTED)
OCTET_CARRIED(BCQ_GATHER)
OCTET_CARRIED(GRU)
OCTET_CARRIED(INSTANCE_NORM)
OCTET_CARRIED(RMS_NORM)
OCTET_CARRIED(ROPE)
#undef OCTET_CARRIED

}  // namespace octet
