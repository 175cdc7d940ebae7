// LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT on bool. Any byte but 0 counts as true; results are 0 or 1.
#include "kernels/dispatch.hpp"
#include "kernels/elementwise/binary.hpp"
#include "kernels/infer.hpp"

namespace octet {
namespace {

template <bool is_and>
void block(const void* const* in, void* out, size_t n, const void*) {
  const auto *a = static_cast<const uint8_t*>(in[0]), *b = static_cast<const uint8_t*>(in[1]);
  auto* o = static_cast<uint8_t*>(out);
  for (size_t i = 0; i < n; ++i) {
    const bool x = a[i] != 0, y = b[i] != 0;
    o[i] = is_and ? (x & y) : (x | y);
  }
}

template <bool is_and>
KernelResult create(const NodeDesc& n, ThreadPool&) {
  for (const TensorDesc* t : {&n.in[0], &n.in[1], &n.out[0]})
    if (t->dtype != DType::boolean) return unsupported_type(*t);
  return make_kernel([plan = broadcast_of(n)](const RunArgs& args) -> Status {
    const size_t bytes[] = {1, 1};
    plan.run(args.pool, args.in.first(2), bytes, args.out[0], 1, block<is_and>, nullptr);
    return {};
  });
}

KernelResult create_not(const NodeDesc& n, ThreadPool&) {
  if (n.in[0].dtype != DType::boolean) return unsupported_type(n.in[0]);
  if (n.out[0].dtype != DType::boolean) return unsupported_type(n.out[0]);
  const auto count = static_cast<size_t>(n.out[0].elements());
  return make_kernel([count](const RunArgs& args) -> Status {
    const auto* x = static_cast<const uint8_t*>(args.in[0]);
    auto* y = static_cast<uint8_t*>(args.out[0]);
    for (size_t i = 0; i < count; ++i)
      y[i] = x[i] == 0;
    return {};
  });
}

OpSpec make(OpKind kind, int inputs, InferFn infer, Implementation impl) {
  OpSpec s;
  s.kind = kind;
  s.traits = Trait::elementwise;
  if (inputs == 2) s.traits = s.traits | Trait::commutative;
  s.inputs = {inputs, inputs};
  s.infer = infer;
  s.reference = impl;
  s.quant = QuantRule::of({keep()}, {keep()});
  s.sharing = Sharing::in_place;
  s.notes = "bool only";
  return s;
}

}  // namespace

const OpSpec& spec_LOGICAL_AND() {
  static const OpSpec spec = make(OpKind::LOGICAL_AND, 2, infer_broadcast, {"reference", create<true>});
  return spec;
}
const OpSpec& spec_LOGICAL_OR() {
  static const OpSpec spec = make(OpKind::LOGICAL_OR, 2, infer_broadcast, {"reference", create<false>});
  return spec;
}
const OpSpec& spec_LOGICAL_NOT() {
  static const OpSpec spec = make(OpKind::LOGICAL_NOT, 1, infer_same, {"reference", create_not});
  return spec;
}

}  // namespace octet
