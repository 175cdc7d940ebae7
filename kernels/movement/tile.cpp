// TILE, BROADCAST_TO, BROADCAST_ARGS
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_tile(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto multiples, integers_of(n.in[1]));
  if (static_cast<int>(multiples.size()) != in.rank())
    return Status::corrupt(fmt::format("{} multiples for {} axes", multiples.size(), in.rank()));
  Shape out;
  for (int i = 0; i < in.rank(); ++i) {
    const int64_t m = multiples[static_cast<size_t>(i)];
    const auto product = checked_mul(in[i], m);
    const auto d = product ? checked_cast<int32_t>(*product) : std::nullopt;
    if (m < 0 || !d)
      return Status::corrupt(fmt::format("multiple {} of axis {} with {} elements", m, i, in[i]));
    out.push_back(*d);
  }
  return one(out);
}

Result<Rearrangement> describe_tile(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  const Shape &in = n.in[0].shape, &out = n.out[0].shape;
  if (out.elements() == 0) {
    r.make_empty();
    return r;
  }
  const auto strides = strides_of(in);
  for (int i = 0; i < out.rank(); ++i) {
    const int64_t stride = strides[static_cast<size_t>(i)];
    // A repeated axis is two: the repetition, then the elements.
    r.axes.push_back(SourceAxis::by_step(out[i] / in[i], 0));
    r.axes.push_back(SourceAxis::by_step(in[i], stride));
  }
  return r;
}

Result<Shape> shape_from(const TensorDesc& t) {
  OCTET_ASSIGN(const auto dims, integers_of(t));
  if (dims.size() > Shape::kMaxRank)
    return Status::unsupported(fmt::format("shape with {} axes", dims.size()));
  Shape s;
  for (int64_t v : dims) {
    const auto d = checked_cast<int32_t>(v);
    if (!d || *d < 0) return Status::corrupt(fmt::format("shape '{}' with extent {}", t.name, v));
    s.push_back(*d);
  }
  return s;
}

Result<InferredShapes> infer_broadcast_to(const NodeDesc& n) {
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const Shape target, shape_from(n.in[1]));
  const auto together = broadcast(n.in[0].shape, target);
  if (!together || *together != target)
    return Status::invalid(
        fmt::format("{} does not broadcast to {}", n.in[0].shape.to_string(), target.to_string()));
  return one(target);
}

Result<Rearrangement> describe_broadcast_to(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  const Shape &in = n.in[0].shape, &out = n.out[0].shape;
  const auto strides = strides_of(in);
  const int missing = out.rank() - in.rank();
  for (int i = 0; i < out.rank(); ++i) {
    const bool repeats = i < missing || in[i - missing] == 1;
    r.axes.push_back(SourceAxis::by_step(out[i], repeats ? 0 : strides[static_cast<size_t>(i - missing)]));
  }
  return r;
}

Result<InferredShapes> infer_broadcast_args(const NodeDesc& n) {
  for (size_t i = 0; i < 2; ++i)
    if (n.in[i].shape.rank() != 1)
      return Status::corrupt(
          fmt::format("'{}' is {}, not a vector", n.in[i].name, n.in[i].shape.to_string()));
  return one({std::max(n.in[0].shape[0], n.in[1].shape[0])});
}

template <class T>
KernelResult broadcast_args(const NodeDesc& n) {
  return make_kernel([a = n.in[0].elements(), b = n.in[1].elements()](const RunArgs& args) -> Status {
    const T *x = static_cast<const T*>(args.in[0]), *y = static_cast<const T*>(args.in[1]);
    const int64_t rank = std::max(a, b);
    for (int64_t i = 1; i <= rank; ++i) {
      const T dx = i <= a ? x[a - i] : T{1}, dy = i <= b ? y[b - i] : T{1};
      if (dx != dy && dx != 1 && dy != 1)
        return Status::invalid(fmt::format("extents {} and {} do not broadcast", dx, dy));
      static_cast<T*>(args.out[0])[rank - i] = dx == 1 ? dy : dx;
    }
    return {};
  });
}

KernelResult create_broadcast_args(const NodeDesc& n, ThreadPool&) {
  OCTET_TRY(moved_element(n, 0).status());
  OCTET_TRY(moved_element(n, 1).status());
  if (n.in[0].dtype == DType::int32) return broadcast_args<int32_t>(n);
  if (n.in[0].dtype == DType::int64) return broadcast_args<int64_t>(n);
  return Status::unsupported(fmt::format("{} shapes", name_of(n.in[0].dtype)));
}

}  // namespace

const OpSpec& spec_TILE() {
  static const OpSpec spec{.kind = OpKind::TILE,
                           .traits = kMovesAlone,
                           .inputs = {2, 2},
                           .infer = infer_tile,
                           .reference = {"reference", create_moved_reference<describe_tile>},
                           .fast = {{"copy-runs", create_moved<describe_tile>, cost::per_element<100>}},
                           .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
                           .version_int8 = 3,
                           .readers = {kFloatAndInt8, kNoForm}};
  return spec;
}

const OpSpec& spec_BROADCAST_TO() {
  static const OpSpec spec{
      .kind = OpKind::BROADCAST_TO,
      .traits = kMovesAlone,
      .inputs = {2, 2},
      .infer = infer_broadcast_to,
      .reference = {"reference", create_moved_reference<describe_broadcast_to>},
      .fast = {{"copy-runs", create_moved<describe_broadcast_to>, cost::per_element<100>}},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_float = 2,
      .version_int8 = 3,
      .version_int16 = 3,
  };
  return spec;
}

const OpSpec& spec_BROADCAST_ARGS() {
  static const OpSpec spec{
      .kind = OpKind::BROADCAST_ARGS,
      .inputs = {2, 2},
      .infer = infer_broadcast_args,
      .reference = {"reference", create_broadcast_args},
      .quant = QuantRule::of({keep()}, {keep()}),
  };
  return spec;
}

}  // namespace octet
