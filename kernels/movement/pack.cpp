// PACK: equal tensors joined along a new axis.
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/movement/parts.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_pack(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  const auto& attr = n.attr<PackAttrs>();
  if (attr.count != static_cast<int32_t>(n.in.size()))
    return Status::corrupt(fmt::format("packs {} values but has {} inputs", attr.count, n.in.size()));
  for (const TensorDesc& t : n.in)
    if (t.absent || t.shape != in)
      return Status::invalid(
          fmt::format("'{}' is {}, the first input {}", t.name, t.shape.to_string(), in.to_string()));
  if (in.rank() == Shape::kMaxRank) return Status::unsupported("the result has too many axes");
  const auto axis = normalize_axis(attr.axis, in.rank() + 1);
  if (!axis) return Status::corrupt(fmt::format("axis {} is out of range for {}", attr.axis, in.to_string()));
  Shape out;
  for (int i = 0; i <= in.rank(); ++i) {
    if (i == *axis) out.push_back(attr.count);
    if (i < in.rank()) out.push_back(in[i]);
  }
  return one(out);
}

Result<Parts> parts_of_pack(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  const auto axis = normalize_axis(n.attr<PackAttrs>().axis, in.rank() + 1);
  if (!axis) return Status::corrupt("axis is out of range");
  Parts p{.outer = in.elements(0, *axis)};
  for (size_t i = 0; i < n.in.size(); ++i) {
    OCTET_ASSIGN(const size_t element, moved_element(n, i));
    p.add(in.elements(*axis, in.rank()) * static_cast<int64_t>(element));
  }
  return p;
}

SliceLayout slice_of_pack(const NodeDesc& n) {
  const auto p = parts_of_pack(n);
  return p.ok() ? SliceLayout{.offset = contiguous_parts(*p)} : SliceLayout{};
}

KernelResult create_pack(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Parts parts, parts_of_pack(n));
  return make_kernel([p = std::move(parts)](const RunArgs& args) -> Status {
    for (size_t i = 0; i < p.bytes.size(); ++i)
      copy_part_in(p, i, args.out[0], args.in[i], args.pool);
    return {};
  });
}

}  // namespace

const OpSpec& spec_PACK() {
  static const OpSpec spec{
      .kind = OpKind::PACK,
      .traits = Trait::moves | Trait::monotone,
      .inputs = {1, -1},
      .infer = infer_pack,
      .reference = {"reference", create_pack},
      .quant = QuantRule::of({same_as_output(0)}, {activation()}),
      .sharing = Sharing::slices,
      .slice_of = slice_of_pack,
      .version_int8 = 2,
      .version_int16 = 3,
  };
  return spec;
}

}  // namespace octet
