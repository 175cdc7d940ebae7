// DYNAMIC_UPDATE_SLICE: a copy of the operand with a box of it replaced; the box is moved inside.
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_dynamic_update_slice(const NodeDesc& n) {
  const Shape &operand = n.in[0].shape, &update = n.in[1].shape, &start = n.in[2].shape;
  bool fits = operand.rank() == update.rank();
  for (int i = 0; fits && i < operand.rank(); ++i)
    fits = update[i] <= operand[i];
  if (!fits)
    return Status::invalid(
        fmt::format("an update of {} does not fit into {}", update.to_string(), operand.to_string()));
  if (start.rank() != 1 || start[0] != operand.rank())
    return Status::corrupt(
        fmt::format("start indices are {}, not a vector of {}", start.to_string(), operand.rank()));
  if (n.in[2].dtype != DType::int32 && n.in[2].dtype != DType::int64)
    return Status::corrupt(fmt::format("start indices are {}", name_of(n.in[2].dtype)));
  return one(operand);
}

KernelResult create_dynamic_update_slice(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n, 0));
  OCTET_TRY(moved_element(n, 1).status());
  const Shape operand = n.in[0].shape, update = n.in[1].shape;
  // Trailing axes that are replaced whole move as one run, together with the axis before them.
  int outer = operand.rank();
  while (outer > 0 && update[outer - 1] == operand[outer - 1])
    --outer;
  outer = std::max(outer - 1, 0);
  const int64_t run = update.elements(outer, update.rank()) * static_cast<int64_t>(element);
  TensorDesc start = n.in[2];
  start.name = "start indices";
  return make_kernel([=](const RunArgs& args) -> Status {
    // The indices first: the output may share the memory of any input that dies here.
    TensorDesc now = start;
    now.data = args.in[2];
    OCTET_ASSIGN(const auto at, integers_of(now));
    const auto strides = strides_of(operand);
    if (args.out[0] == args.in[1] && operand == update) return {};
    copy_unless_shared(args.out[0], args.in[0], operand.elements() * static_cast<int64_t>(element),
                       args.pool);
    int64_t base = 0;
    for (int i = 0; i < operand.rank(); ++i)
      base += std::clamp<int64_t>(at[static_cast<size_t>(i)], 0, operand[i] - update[i]) *
              strides[static_cast<size_t>(i)];
    auto* dst = static_cast<std::byte*>(args.out[0]) + base * static_cast<int64_t>(element);
    const auto* src = static_cast<const std::byte*>(args.in[1]);
    const int64_t rows = update.elements(0, outer);
    if (run == 0) return {};
    for (int64_t r = 0; r < rows; ++r) {
      int64_t to = 0, left = r;
      for (int i = outer - 1; i >= 0; --i) {
        to += left % update[i] * strides[static_cast<size_t>(i)];
        left /= update[i];
      }
      std::memcpy(dst + to * static_cast<int64_t>(element), src + r * run, static_cast<size_t>(run));
    }
    return {};
  });
}

}  // namespace

const OpSpec& spec_DYNAMIC_UPDATE_SLICE() {
  static const OpSpec spec{
      .kind = OpKind::DYNAMIC_UPDATE_SLICE,
      .traits = Trait::moves | Trait::monotone,
      .inputs = {3, 3},
      .infer = infer_dynamic_update_slice,
      .reference = {"reference", create_dynamic_update_slice},
      .quant = QuantRule::of({same_as_output(0), same_as_output(0), keep()}, {activation()}),
      .sharing = Sharing::in_place,
      .readers = {kFloatAndInt8, kEveryForm}};
  return spec;
}

}  // namespace octet
