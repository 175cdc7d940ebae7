// PRELU: x where x >= 0, else alpha * x, with alpha broadcast to x.
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/elementwise/binary.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_prelu(const NodeDesc& n) {
  OCTET_ASSIGN(InferredShapes s, infer_broadcast(n));
  if (!(s.shapes[0] == n.in[0].shape))
    return Status::corrupt(fmt::format("alpha of shape {} does not broadcast to {}",
                                       n.in[1].shape.to_string(), n.in[0].shape.to_string()));
  return s;
}

}  // namespace

const OpSpec& spec_PRELU() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::PRELU;
    s.traits = Trait::elementwise | Trait::homogeneous;
    s.inputs = {2, 2};
    s.infer = infer_prelu;
    s.reference = {"reference", binary_reference};
    s.fast = {{"byte-table", binary_byte_table, cost::per_element<20>},
              {"quantized-loop", binary_quantized_loop, cost::per_element<150>},
              {"plain-loop", binary_plain_loop, cost::per_element<100>}};
    s.quant = QuantRule::of({activation()}, {activation()});
    s.sharing = Sharing::in_place;
    s.readers = {kFloatAndInt8, kEveryForm};
    s.notes = "alpha of any shape that broadcasts";
    return s;
  }();
  return spec;
}

}  // namespace octet
