// FILL, ZEROS_LIKE, RANGE, ONE_HOT
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/indices.hpp"
#include "kernels/movement/rearrange.hpp"
#include "kernels/movement/scalar.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

// ---------------------------------------------------------------------------------------------------------
// FILL: a shape and one value; ZEROS_LIKE: the zero point under the shape of its input.

Result<InferredShapes> infer_fill(const NodeDesc& n) {
  if (n.in[1].elements() != 1)
    return Status::corrupt(fmt::format("'{}' is {}, not one value", n.in[1].name, n.in[1].shape.to_string()));
  if (!n.in[0].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto dims, integers_of(n.in[0]));
  if (dims.size() > Shape::kMaxRank)
    return Status::unsupported(fmt::format("shape with {} axes", dims.size()));
  Shape out;
  for (int64_t v : dims) {
    const auto d = checked_cast<int32_t>(v);
    if (!d || *d < 0) return Status::corrupt(fmt::format("shape with extent {}", v));
    out.push_back(*d);
  }
  return one(out);
}

// Every output element is element 0 of the value.
Result<Rearrangement> describe_fill(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n, 1));
  r.axes.push_back(SourceAxis::by_step(n.out[0].elements(), 0));
  return r;
}

KernelResult create_zeros(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  std::array<std::byte, 16> zero{};
  if (n.out[0].quant) {
    OCTET_ASSIGN(zero, scalar_bytes(n.out[0].dtype, n.out[0].quant.zero_point()));
  }
  return make_kernel([=, count = n.out[0].elements()](const RunArgs& args) -> Status {
    auto* dst = static_cast<std::byte*>(args.out[0]);
    if (std::all_of(zero.begin(), zero.begin() + static_cast<ptrdiff_t>(element),
                    [&](std::byte b) { return b == zero[0]; })) {
      std::memset(dst, static_cast<int>(zero[0]), static_cast<size_t>(count) * element);
      return {};
    }
    copy_strided(static_cast<int64_t>(element), zero.data(), 0, dst, static_cast<int64_t>(element), count);
    return {};
  });
}

// ---------------------------------------------------------------------------------------------------------
// RANGE: start, limit, delta.

template <class T>
Result<int64_t> range_size(T start, T limit, T delta) {
  if (delta == 0 || (delta > 0 && start > limit) || (delta < 0 && start < limit))
    return Status::invalid(fmt::format("a range from {} to {} by {} does not end", start, limit, delta));
  double size = 0;
  if constexpr (std::is_integral_v<T>) {
    // The distance of extreme limits fits in 64 bits without a sign only.
    const auto from = static_cast<uint64_t>(delta > 0 ? start : limit),
               to = static_cast<uint64_t>(delta > 0 ? limit : start);
    const uint64_t step =
        delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
    size = static_cast<double>((to - from) / step + ((to - from) % step != 0 ? 1 : 0));
  } else {
    size = std::ceil(
        std::fabs((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta)));
  }
  if (!(size <= INT32_MAX)) return Status::exhausted(fmt::format("a range of {} elements", size));
  return static_cast<int64_t>(size);
}

template <class T>
Result<InferredShapes> infer_range_of(const NodeDesc& n) {
  OCTET_ASSIGN(const int64_t size, range_size<T>(n.in[0].as<T>()[0], n.in[1].as<T>()[0], n.in[2].as<T>()[0]));
  return one({static_cast<int32_t>(size)});
}

Result<InferredShapes> infer_range(const NodeDesc& n) {
  for (const TensorDesc& t : n.in) {
    if (t.elements() != 1 || t.dtype != n.in[0].dtype)
      return Status::corrupt(fmt::format("'{}' is not one {}", t.name, name_of(n.in[0].dtype)));
    if (!t.is_known()) return InferredShapes::later();
  }
  switch (n.in[0].dtype) {
    case DType::int32: return infer_range_of<int32_t>(n);
    case DType::int64: return infer_range_of<int64_t>(n);
    case DType::float32: return infer_range_of<float>(n);
    default: return Status::unsupported(fmt::format("a range of {}", name_of(n.in[0].dtype)));
  }
}

template <class T>
KernelResult range_kernel(const NodeDesc& n) {
  return make_kernel([count = n.out[0].elements()](const RunArgs& args) -> Status {
    const T start = *static_cast<const T*>(args.in[0]), delta = *static_cast<const T*>(args.in[2]);
    T* out = static_cast<T*>(args.out[0]);
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_integral_v<T>)  // every element is in range, an intermediate product may not be
        out[i] = static_cast<T>(static_cast<uint64_t>(start) +
                                static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
      else
        out[i] = start + static_cast<T>(i) * delta;
    }
    return {};
  });
}

KernelResult create_range(const NodeDesc& n, ThreadPool&) {
  OCTET_TRY(moved_element(n).status());
  switch (n.in[0].dtype) {
    case DType::int32: return range_kernel<int32_t>(n);
    case DType::int64: return range_kernel<int64_t>(n);
    case DType::float32: return range_kernel<float>(n);
    default: return Status::unsupported(fmt::format("a range of {}", name_of(n.in[0].dtype)));
  }
}

// ---------------------------------------------------------------------------------------------------------
// ONE_HOT: indices, depth, the value for hit and for miss. An index out of range hits nothing.

Result<int> one_hot_axis(const NodeDesc& n) {
  const int rank = n.in[0].shape.rank();
  const auto axis = normalize_axis(n.attr<OneHotAttrs>().axis, rank + 1);
  if (!axis || rank == Shape::kMaxRank)
    return Status::corrupt(
        fmt::format("axis {} for indices {}", n.attr<OneHotAttrs>().axis, n.in[0].shape.to_string()));
  return *axis;
}

Result<InferredShapes> infer_one_hot(const NodeDesc& n) {
  OCTET_TRY(check_index_type(n.in[0]));
  OCTET_ASSIGN(const int axis, one_hot_axis(n));
  for (size_t i = 1; i < 4; ++i)
    if (n.in[i].elements() != 1) return Status::corrupt(fmt::format("'{}' is not one value", n.in[i].name));
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto depth, integers_of(n.in[1]));
  const auto d = checked_cast<int32_t>(depth[0]);
  if (!d || *d < 0) return Status::corrupt(fmt::format("depth {}", depth[0]));
  Shape out;
  for (int i = 0; i <= n.in[0].shape.rank(); ++i) {
    if (i == axis) out.push_back(*d);
    if (i < n.in[0].shape.rank()) out.push_back(n.in[0].shape[i]);
  }
  return one(out);
}

KernelResult create_one_hot(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n, 2));
  OCTET_TRY(moved_element(n, 3).status());
  OCTET_ASSIGN(const int axis, one_hot_axis(n));
  const int64_t outer = n.in[0].shape.elements(0, axis),
                inner = n.in[0].shape.elements(axis, n.in[0].shape.rank());
  return make_kernel(
      [=, depth = int64_t{n.out[0].shape[axis]}, type = n.in[0].dtype](const RunArgs& args) -> Status {
        const IndexReader index{type, args.in[0]};
        auto* dst = static_cast<std::byte*>(args.out[0]);
        const auto e = static_cast<int64_t>(element);
        copy_strided(e, static_cast<const std::byte*>(args.in[3]), 0, dst, e, outer * depth * inner);
        for (int64_t o = 0; o < outer; ++o)
          for (int64_t i = 0; i < inner; ++i)
            if (const int64_t d = index[o * inner + i]; d >= 0 && d < depth)
              std::memcpy(dst + ((o * depth + d) * inner + i) * e, args.in[2], element);
        return {};
      });
}

}  // namespace

const OpSpec& spec_FILL() {
  static const OpSpec spec{.kind = OpKind::FILL,
                           .inputs = {2, 2},
                           .infer = infer_fill,
                           .reference = {"reference", create_moved_reference<describe_fill, 1>},
                           .fast = {{"copy-runs", create_moved<describe_fill, 1>, cost::per_element<50>}},
                           .quant = QuantRule::of({keep(), activation()}, {same_as_input(1)}),
                           .version_int8 = 3,
                           .version_int16 = 3,
                           .readers = {kEveryForm, kFloatAndInt8}};
  return spec;
}

const OpSpec& spec_ZEROS_LIKE() {
  static const OpSpec spec{
      .kind = OpKind::ZEROS_LIKE,
      .infer = infer_same,
      .reference = {"reference", create_zeros},
      .quant = QuantRule::of({activation()}, {same_as_input(0)}),
      .readers = {kFloatForm, kFloatForm},
  };
  return spec;
}

const OpSpec& spec_RANGE() {
  static const OpSpec spec{.kind = OpKind::RANGE,
                           .inputs = {3, 3},
                           .infer = infer_range,
                           .reference = {"reference", create_range},
                           .quant = QuantRule::none("its length depends on its values"),
                           .readers = {kEveryForm, kNoForm}};
  return spec;
}

const OpSpec& spec_ONE_HOT() {
  static const OpSpec spec{
      .kind = OpKind::ONE_HOT,
      .inputs = {4, 4},
      .infer = infer_one_hot,
      .reference = {"reference", create_one_hot},
      .quant = QuantRule::of({keep(), keep(), same_as_output(0)}, {activation()}),
      .readers = {kFloatAndInt8, kNoForm},
      .notes = "an index out of range gives a row without a hit",
  };
  return spec;
}

}  // namespace octet
