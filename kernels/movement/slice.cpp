// SLICE, STRIDED_SLICE: a box of the input, with steps.
#include <algorithm>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

// One axis of the box, in input indices.
struct Range {
  int64_t begin = 0, step = 1, count = 0;
};
struct Box {
  std::vector<Range> axes;  // one per input axis
  Shape shape;              // of the output: new axes in, shrunk axes out
};

Rearrangement rearrangement_of(const Box& box, const Shape& in, size_t element) {
  Rearrangement r{.element = element};
  const auto strides = strides_of(in);
  for (size_t i = 0; i < box.axes.size(); ++i) {
    r.base += box.axes[i].begin * strides[i];
    r.axes.push_back(SourceAxis::by_step(box.axes[i].count, box.axes[i].step * strides[i]));
  }
  return r;
}

// Byte offset of the box when it is one run of the input: behind the first axis with more than one element,
// whole axes only.
std::optional<int64_t> run_offset(const Box& box, const Shape& in, int64_t element) {
  const auto strides = strides_of(in);
  int64_t offset = 0;
  bool inside = false;
  for (size_t i = 0; i < box.axes.size(); ++i) {
    const Range& a = box.axes[i];
    if (inside && a.count != in[static_cast<int>(i)]) return std::nullopt;
    if (a.count != 1 && a.step != 1) return std::nullopt;
    inside = inside || a.count != 1;
    offset += a.begin * strides[i];
  }
  return offset * element;
}

using BoxFn = Result<Box> (*)(const NodeDesc&);

template <BoxFn box_of>
SliceLayout slice_of(const NodeDesc& n) {
  const auto element = moved_element(n);
  for (size_t i = 1; i < n.in.size(); ++i)
    if (!n.in[i].is_known()) return {};
  const auto box = box_of(n);
  if (!element.ok() || !box.ok() || box->shape.elements() == 0) return {};
  return {.parts_are_outputs = true,
          .offset = {run_offset(*box, n.in[0].shape, static_cast<int64_t>(*element))}};
}

template <BoxFn box_of>
Result<Rearrangement> describe(const NodeDesc& n) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  OCTET_ASSIGN(const Box box, box_of(n));
  return rearrangement_of(box, n.in[0].shape, element);
}

// ---------------------------------------------------------------------------------------------------------
// SLICE: `begin` and `size`; size -1 means up to the end.

Result<Range> slice_axis(int64_t begin, int64_t size, int64_t extent, size_t axis) {
  if (begin < 0 || begin > extent)
    return Status::invalid(
        fmt::format("begin {} is outside of axis {} with {} elements", begin, axis, extent));
  if (size == -1) size = extent - begin;
  if (size < 0 || size > extent - begin)
    return Status::invalid(
        fmt::format("{} elements from {} leave axis {} with {} elements", size, begin, axis, extent));
  return Range{begin, 1, size};
}

Status check_vector(const TensorDesc& t, int rank) {
  if (t.shape.rank() == 1 && t.shape[0] == rank) return {};
  return Status::corrupt(fmt::format("'{}' is {}, not a vector of {}", t.name, t.shape.to_string(), rank));
}

Result<Box> slice_box(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  OCTET_TRY(check_vector(n.in[1], in.rank()));
  OCTET_TRY(check_vector(n.in[2], in.rank()));
  OCTET_ASSIGN(const auto begin, integers_of(n.in[1]));
  OCTET_ASSIGN(const auto size, integers_of(n.in[2]));
  Box box;
  for (size_t i = 0; i < begin.size(); ++i) {
    OCTET_ASSIGN(const Range r, slice_axis(begin[i], size[i], in[static_cast<int>(i)], i));
    box.axes.push_back(r);
    box.shape.push_back(static_cast<int32_t>(r.count));
  }
  return box;
}

// With a size that does not depend on the place, the place may stay open until run time (a moving window).
Result<InferredShapes> infer_slice(const NodeDesc& n) {
  if (n.in[1].is_known() && n.in[2].is_known()) {
    OCTET_ASSIGN(const Box box, slice_box(n));
    return one(box.shape);
  }
  if (!n.in[2].is_known()) return InferredShapes::later();
  const Shape& in = n.in[0].shape;
  OCTET_TRY(check_vector(n.in[1], in.rank()));
  OCTET_TRY(check_vector(n.in[2], in.rank()));
  OCTET_ASSIGN(const auto size, integers_of(n.in[2]));
  Shape out;
  for (size_t i = 0; i < size.size(); ++i) {
    if (size[i] == -1) return InferredShapes::later();
    OCTET_ASSIGN(const Range r, slice_axis(0, size[i], in[static_cast<int>(i)], i));
    out.push_back(static_cast<int32_t>(r.count));
  }
  return one(out);
}

KernelResult create_moving_slice(const NodeDesc& n) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  OCTET_TRY(check_vector(n.in[1], n.in[0].shape.rank()));
  return make_kernel([element, in = n.in[0].shape, out = n.out[0].shape,
                      begin = n.in[1]](const RunArgs& args) -> Status {
    TensorDesc now = begin;
    now.name = "begin";
    now.data = args.in[1];
    OCTET_ASSIGN(const auto at, integers_of(now));
    Box box;
    for (size_t i = 0; i < at.size(); ++i) {
      OCTET_ASSIGN(const Range r, slice_axis(at[i], out[static_cast<int>(i)], in[static_cast<int>(i)], i));
      box.axes.push_back(r);
    }
    FastRearrangement(rearrangement_of(box, in, element)).run(args.in[0], args.out[0], args.pool);
    return {};
  });
}

KernelResult create_slice_reference(const NodeDesc& n, ThreadPool& pool) {
  if (!n.in[1].is_known()) return create_moving_slice(n);
  return create_moved_reference<describe<slice_box>>(n, pool);
}

KernelResult create_slice(const NodeDesc& n, ThreadPool& pool) {
  if (!n.in[1].is_known()) return create_moving_slice(n);
  return create_moved<describe<slice_box>>(n, pool);
}

// ---------------------------------------------------------------------------------------------------------
// STRIDED_SLICE: NumPy's slicing as masks. Entry i of begin, end and strides speaks of the next input axis,
// except that a new-axis entry makes an axis of one and the ellipsis stands for all axes the others leave.

struct Entry {
  int64_t begin, end, step;
  bool open_begin, open_end, shrink;
};

Result<Range> range_of(Entry e, int64_t extent, size_t axis) {
  if (e.step == 0) return Status::corrupt(fmt::format("stride 0 on axis {}", axis));
  if (e.step == INT64_MIN) return Status::corrupt(fmt::format("stride of axis {} overflows", axis));
  const bool forward = e.step > 0;
  auto wrap = [&](int64_t i) { return i < 0 ? i + extent : i; };  // negative + non-negative: no overflow
  if (e.shrink) {
    const int64_t at = e.open_begin ? (forward ? 0 : extent - 1) : wrap(e.begin);
    if (at < 0 || at >= extent)
      return Status::invalid(
          fmt::format("index {} is out of range [0, {}) on axis {}", e.begin, extent, axis));
    return Range{at, 1, 1};
  }
  const int64_t lo = forward ? 0 : -1, hi = forward ? extent : extent - 1;
  const int64_t begin = e.open_begin ? (forward ? lo : hi) : std::clamp(wrap(e.begin), lo, hi);
  const int64_t end = e.open_end ? (forward ? hi : lo) : std::clamp(wrap(e.end), lo, hi);
  const int64_t distance = forward ? end - begin : begin - end;
  const int64_t size = forward ? e.step : -e.step;
  if (distance <= 0) return Range{0, 1, 0};
  // distance fits in 32 bits, size may not
  const int64_t count = size >= distance ? 1 : (distance + size - 1) / size;
  return Range{begin, count == 1 ? 1 : e.step, count};
}

Result<Box> strided_box(const NodeDesc& n) {
  const auto& attr = n.attr<StridedSliceAttrs>();
  const Shape& in = n.in[0].shape;
  OCTET_ASSIGN(const auto begin, integers_of(n.in[1]));
  OCTET_ASSIGN(const auto end, integers_of(n.in[2]));
  OCTET_ASSIGN(const auto step, integers_of(n.in[3]));
  const size_t entries = begin.size();
  if (end.size() != entries || step.size() != entries)
    return Status::corrupt(
        fmt::format("begin, end and strides have {}, {} and {} entries", entries, end.size(), step.size()));
  if (entries > 2 * Shape::kMaxRank) return Status::unsupported(fmt::format("{} entries", entries));
  auto bit = [](int32_t mask, size_t i) { return ((static_cast<uint32_t>(mask) >> i) & 1u) != 0; };
  // Axes that the entries name one by one; the ellipsis (there may be one) takes the rest.
  int named = 0, ellipses = 0;
  for (size_t i = 0; i < entries; ++i) {
    if (bit(attr.ellipsis_mask, i))
      ++ellipses;
    else if (!bit(attr.new_axis_mask, i))
      ++named;
  }
  if (ellipses > 1) return Status::corrupt("more than one ellipsis");
  if (named > in.rank()) return Status::corrupt(fmt::format("{} indices for {} axes", named, in.rank()));
  Box box;
  auto emit = [&](int64_t extent) -> Status {
    if (box.shape.rank() == Shape::kMaxRank) return Status::unsupported("the result has too many axes");
    box.shape.push_back(static_cast<int32_t>(extent));
    return {};
  };
  auto whole_axes = [&](size_t count) -> Status {
    for (size_t k = 0; k < count; ++k) {
      const int64_t extent = in[static_cast<int>(box.axes.size())];
      box.axes.push_back({0, 1, extent});
      OCTET_TRY(emit(extent));
    }
    return {};
  };
  for (size_t i = 0; i < entries; ++i) {
    if (bit(attr.ellipsis_mask, i)) {
      OCTET_TRY(whole_axes(static_cast<size_t>(in.rank() - named)));
      continue;
    }
    if (bit(attr.new_axis_mask, i)) {
      OCTET_TRY(emit(1));
      continue;
    }
    Entry e{.begin = begin[i],
            .end = end[i],
            .step = step[i],
            .open_begin = bit(attr.begin_mask, i),
            .open_end = bit(attr.end_mask, i),
            .shrink = bit(attr.shrink_axis_mask, i)};
    const int64_t extent = in[static_cast<int>(box.axes.size())];
    if (attr.offset) {  // end counts from begin
      const int64_t from = e.begin < 0 ? e.begin + extent : e.begin;
      if (from < 0 || __builtin_add_overflow(from, e.end, &e.end) || e.end < 0)
        return Status::corrupt(
            fmt::format("offset {} from {} on axis {}", end[i], begin[i], box.axes.size()));
    }
    OCTET_ASSIGN(const Range r, range_of(e, extent, box.axes.size()));
    box.axes.push_back(r);
    if (!e.shrink) OCTET_TRY(emit(r.count));
  }
  OCTET_TRY(whole_axes(static_cast<size_t>(in.rank()) - box.axes.size()));
  return box;
}

Result<InferredShapes> infer_strided(const NodeDesc& n) {
  for (size_t i = 1; i < 4; ++i)
    if (!n.in[i].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const Box box, strided_box(n));
  return one(box.shape);
}

}  // namespace

const OpSpec& spec_SLICE() {
  static const OpSpec spec{
      .kind = OpKind::SLICE,
      .traits = kMovesAlone,
      .inputs = {3, 3},
      .infer = infer_slice,
      .reference = {"reference", create_slice_reference},
      .fast = {{"copy-runs", create_slice, cost::per_element<100>}},
      .quant = QuantRule::of({activation(), keep(), keep()}, {same_as_input(0)}),
      .sharing = Sharing::slices,
      .slice_of = slice_of<slice_box>,
      .version_int8 = 2,
      .version_int16 = 4,
      .notes = "a slice that is one run of its input is not copied",
  };
  return spec;
}

const OpSpec& spec_STRIDED_SLICE() {
  static const OpSpec spec{
      .kind = OpKind::STRIDED_SLICE,
      .traits = kMovesAlone,
      .inputs = {4, 4},
      .infer = infer_strided,
      .reference = {"reference", create_moved_reference<describe<strided_box>>},
      .fast = {{"copy-runs", create_moved<describe<strided_box>>, cost::per_element<100>}},
      .quant = QuantRule::of({activation(), keep(), keep(), keep()}, {same_as_input(0)}),
      .sharing = Sharing::slices,
      .slice_of = slice_of<strided_box>,
      .version_int8 = 2,
      .notes = "all masks, negative strides, up to eight axes",
  };
  return spec;
}

}  // namespace octet
