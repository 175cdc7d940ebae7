// SPACE_TO_DEPTH, DEPTH_TO_SPACE of NHWC images: blocks of pixels to channels and back. Within the channels
// of the deep form the block's row comes first, then its column, then the channel ("DCR").
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

Result<int32_t> block_of(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  if (in.rank() != 4) return Status::corrupt(fmt::format("takes a 4-D image, not {}", in.to_string()));
  const int32_t b = n.attr<BlockAttrs>().block_size;
  if (b < 1 || b > 32768) return Status::corrupt(fmt::format("block size {}", b));
  return b;
}

Result<InferredShapes> infer_depth_to_space(const NodeDesc& n) {
  OCTET_ASSIGN(const int32_t b, block_of(n));
  const Shape& in = n.in[0].shape;
  if (in[3] % (b * b) != 0)
    return Status::invalid(fmt::format("{} channels are no multiple of block {}x{}", in[3], b, b));
  const auto h = checked_cast<int32_t>(int64_t{in[1]} * b), w = checked_cast<int32_t>(int64_t{in[2]} * b);
  if (!h || !w) return Status::corrupt("the output is too large");
  return one({in[0], *h, *w, in[3] / (b * b)});
}

Result<InferredShapes> infer_space_to_depth(const NodeDesc& n) {
  OCTET_ASSIGN(const int32_t b, block_of(n));
  const Shape& in = n.in[0].shape;
  if (in[1] % b != 0 || in[2] % b != 0)
    return Status::invalid(fmt::format("image {} is no multiple of block {}x{}", in.to_string(), b, b));
  const auto c = checked_cast<int32_t>(int64_t{in[3]} * b * b);
  if (!c) return Status::corrupt("the output is too large");
  return one({in[0], in[1] / b, in[2] / b, *c});
}

// Output axes in order, as (extent, step in the input).
Result<Rearrangement> describe_depth_to_space(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const int64_t b, block_of(n));
  const Shape& in = n.in[0].shape;
  const int64_t c = n.out[0].shape[3];
  const auto s = strides_of(in);
  auto axis = SourceAxis::by_step;
  r.axes = {axis(in[0], s[0]), axis(in[1], s[1]), axis(b, b * c), axis(in[2], s[2]), axis(b, c), axis(c, 1)};
  return r;
}

Result<Rearrangement> describe_space_to_depth(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const int64_t b, block_of(n));
  const Shape &in = n.in[0].shape, &out = n.out[0].shape;
  const auto s = strides_of(in);
  auto axis = SourceAxis::by_step;
  r.axes = {axis(in[0], s[0]), axis(out[1], b * s[1]), axis(out[2], b * s[2]),
            axis(b, s[1]),     axis(b, s[2]),          axis(in[3], 1)};
  return r;
}

OpSpec block_spec(OpKind kind, InferFn infer, Implementation reference, Implementation fast) {
  return {.kind = kind,
          .traits = kMovesAlone,
          .infer = infer,
          .reference = reference,
          .fast = {fast},
          .quant = QuantRule::of({activation()}, {same_as_input(0)}),
          .version_int8 = 2};
}

}  // namespace

const OpSpec& spec_DEPTH_TO_SPACE() {
  static const OpSpec spec =
      read_by(block_spec(OpKind::DEPTH_TO_SPACE, infer_depth_to_space,
                         {"reference", create_moved_reference<describe_depth_to_space>},
                         {"copy-runs", create_moved<describe_depth_to_space>, cost::per_element<150>}),
              kFloatAndInt8, kFloatAndInt8);
  return spec;
}

const OpSpec& spec_SPACE_TO_DEPTH() {
  static const OpSpec spec =
      read_by(block_spec(OpKind::SPACE_TO_DEPTH, infer_space_to_depth,
                         {"reference", create_moved_reference<describe_space_to_depth>},
                         {"copy-runs", create_moved<describe_space_to_depth>, cost::per_element<150>}),
              kFloatAndInt8, kFloatAndInt8);
  return spec;
}

}  // namespace octet
