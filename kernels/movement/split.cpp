// SPLIT, SPLIT_V, UNPACK: one tensor cut into parts along an axis.
#include <algorithm>
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/movement/parts.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"

namespace octet {
namespace {

// What a cut needs to know: which input is whole, the axis, and the extent of each part.
struct Cut {
  size_t whole = 0;
  int axis = 0;
  bool drop_axis = false;
  std::vector<int32_t> extents;
};

Result<int> axis_from(const TensorDesc& t, int rank) {
  OCTET_ASSIGN(const auto v, integers_of(t));
  if (v.size() != 1) return Status::corrupt(fmt::format("takes one axis, '{}' has {}", t.name, v.size()));
  const auto axis = normalize_axis(v[0], rank);
  if (!axis) return Status::corrupt(fmt::format("axis {} is out of range for {} axes", v[0], rank));
  return *axis;
}

Status check_count(int32_t stated, size_t outputs) {
  if (stated == static_cast<int32_t>(outputs) && stated > 0) return {};
  return Status::corrupt(fmt::format("splits into {} parts but has {} outputs", stated, outputs));
}

// The known inputs of `n` decide; nothing while they are not known.
Result<std::optional<Cut>> cut_of(const NodeDesc& n) {
  Cut cut;
  const size_t parts = n.out.size();
  if (n.kind == OpKind::SPLIT) {
    OCTET_TRY(check_count(n.attr<SplitAttrs>().num_splits, parts));
    if (!n.in[0].is_known()) return std::optional<Cut>();
    cut.whole = 1;
    const Shape& in = n.in[1].shape;
    OCTET_ASSIGN(cut.axis, axis_from(n.in[0], in.rank()));
    if (in[cut.axis] % static_cast<int32_t>(parts) != 0)
      return Status::invalid(
          fmt::format("axis {} of {} does not split into {} equal parts", cut.axis, in.to_string(), parts));
    cut.extents.assign(parts, in[cut.axis] / static_cast<int32_t>(parts));
    return std::optional(cut);
  }
  const Shape& in = n.in[0].shape;
  if (n.kind == OpKind::UNPACK) {
    const auto& attr = n.attr<UnpackAttrs>();
    OCTET_TRY(check_count(attr.count, parts));
    const auto axis = normalize_axis(attr.axis, in.rank());
    if (!axis)
      return Status::corrupt(fmt::format("axis {} is out of range for {}", attr.axis, in.to_string()));
    if (in[*axis] != attr.count)
      return Status::invalid(
          fmt::format("axis {} of {} does not unpack into {}", *axis, in.to_string(), attr.count));
    cut.axis = *axis;
    cut.drop_axis = true;
    cut.extents.assign(parts, 1);
    return std::optional(cut);
  }
  OCTET_TRY(check_count(n.attr<SplitAttrs>().num_splits, parts));
  if (!n.in[1].is_known() || !n.in[2].is_known()) return std::optional<Cut>();
  OCTET_ASSIGN(cut.axis, axis_from(n.in[2], in.rank()));
  OCTET_ASSIGN(const auto sizes, integers_of(n.in[1]));
  if (sizes.size() != parts)
    return Status::corrupt(fmt::format("has {} part sizes and {} outputs", sizes.size(), parts));
  int64_t sum = 0, open = -1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto size = checked_cast<int32_t>(sizes[i]);
    if (!size || *size < -1) return Status::corrupt(fmt::format("part {} has size {}", i, sizes[i]));
    if (*size == -1 && open >= 0) return Status::corrupt("more than one part has size -1");
    if (*size == -1) open = static_cast<int64_t>(i);
    cut.extents.push_back(std::max(*size, 0));
    sum += cut.extents.back();
  }
  const int64_t left = in[cut.axis] - sum;
  if (open >= 0 && left >= 0) cut.extents[static_cast<size_t>(open)] = static_cast<int32_t>(left);
  if (open >= 0 ? left < 0 : left != 0)
    return Status::invalid(
        fmt::format("parts sum to {}, axis {} of {} does not", sum, cut.axis, in.to_string()));
  return std::optional(cut);
}

Result<InferredShapes> infer_split(const NodeDesc& n) {
  OCTET_ASSIGN(const auto cut, cut_of(n));
  if (!cut) return InferredShapes::later();
  const Shape& in = n.in[cut->whole].shape;
  InferredShapes out;
  for (int32_t extent : cut->extents) {
    Shape s;
    for (int i = 0; i < in.rank(); ++i)
      if (i != cut->axis || !cut->drop_axis) s.push_back(i == cut->axis ? extent : in[i]);
    out.shapes.push_back(s);
  }
  return out;
}

Result<Parts> parts_of(const NodeDesc& n, const Cut& cut) {
  const Shape& in = n.in[cut.whole].shape;
  Parts p{.outer = in.elements(0, cut.axis)};
  const int64_t inner = in.elements(cut.axis + 1, in.rank());
  for (size_t i = 0; i < cut.extents.size(); ++i) {
    OCTET_ASSIGN(const size_t element, moved_element(n, cut.whole, i));
    p.add(cut.extents[i] * inner * static_cast<int64_t>(element));
  }
  return p;
}

SliceLayout slice_of_split(const NodeDesc& n) {
  const auto cut = cut_of(n);
  if (!cut.ok() || !*cut) return {};
  const auto p = parts_of(n, **cut);
  if (!p.ok()) return {};
  return {
      .parts_are_outputs = true, .whole = static_cast<int>((*cut)->whole), .offset = contiguous_parts(*p)};
}

KernelResult create_split(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const auto cut, cut_of(n));
  if (!cut) return Status::internal("the cut is not known");
  OCTET_ASSIGN(Parts parts, parts_of(n, *cut));
  return make_kernel([p = std::move(parts), whole = cut->whole](const RunArgs& args) -> Status {
    for (size_t i = 0; i < p.bytes.size(); ++i)
      copy_part_out(p, i, args.in[whole], args.out[i], args.pool);
    return {};
  });
}

}  // namespace

const OpSpec& spec_SPLIT() {
  static const OpSpec spec{
      .kind = OpKind::SPLIT,
      .traits = Trait::moves,
      .inputs = {2, 2},
      .outputs = {1, -1},
      .infer = infer_split,
      .reference = {"reference", create_split},
      .quant = QuantRule::of({keep(), activation()}, {same_as_input(1)}),
      .sharing = Sharing::slices,
      .slice_of = slice_of_split,
      .version_int8 = 2,
      .version_int16 = 4,
  };
  return spec;
}

const OpSpec& spec_SPLIT_V() {
  static const OpSpec spec{
      .kind = OpKind::SPLIT_V,
      .traits = kMovesAlone,
      .inputs = {3, 3},
      .outputs = {1, -1},
      .infer = infer_split,
      .reference = {"reference", create_split},
      .quant = QuantRule::of({activation(), keep(), keep()}, {same_as_input(0)}),
      .sharing = Sharing::slices,
      .slice_of = slice_of_split,
      .version_int8 = 2,
  };
  return spec;
}

const OpSpec& spec_UNPACK() {
  static const OpSpec spec{
      .kind = OpKind::UNPACK,
      .traits = kMovesAlone,
      .inputs = {1, 1},
      .outputs = {1, -1},
      .infer = infer_split,
      .reference = {"reference", create_split},
      .quant = QuantRule::of({activation()}, {same_as_input(0)}),
      .sharing = Sharing::slices,
      .slice_of = slice_of_split,
      .version_int8 = 2,
      .version_int16 = 4,
  };
  return spec;
}

}  // namespace octet
