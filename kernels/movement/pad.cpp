// PAD, PADV2, MIRROR_PAD
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "kernels/movement/scalar.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

struct Amount {
  int64_t before = 0, after = 0;
};

// Paddings are a [rank, 2] tensor; nothing in a PAD may be negative.
Result<std::vector<Amount>> amounts_of(const NodeDesc& n) {
  const int rank = n.in[0].shape.rank();
  const Shape& s = n.in[1].shape;
  if (s.rank() != 2 || s[0] != rank || s[1] != 2)
    return Status::corrupt(fmt::format("paddings '{}' are {}, not {}x2", n.in[1].name, s.to_string(), rank));
  OCTET_ASSIGN(const auto v, integers_of(n.in[1]));
  std::vector<Amount> out;
  for (size_t i = 0; i < v.size(); i += 2) {
    if (v[i] < 0 || v[i + 1] < 0)
      return Status::corrupt(
          fmt::format("padding of axis {} is {} and {}: must not be negative", i / 2, v[i], v[i + 1]));
    out.push_back({v[i], v[i + 1]});
  }
  return out;
}

Result<InferredShapes> infer_pad(const NodeDesc& n) {
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto amounts, amounts_of(n));
  Shape out = n.in[0].shape;
  for (int i = 0; i < out.rank(); ++i) {
    const Amount& a = amounts[static_cast<size_t>(i)];
    const auto sum = checked_add(a.before, a.after);
    const auto total = sum ? checked_add(*sum, out[i]) : std::nullopt;
    const auto d = total ? checked_cast<int32_t>(*total) : std::nullopt;
    if (!d) return Status::corrupt(fmt::format("padded extent of axis {} overflows", i));
    out[i] = *d;
  }
  return one(out);
}

Result<Rearrangement> describe_pad(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const auto amounts, amounts_of(n));
  const Shape& in = n.in[0].shape;
  const auto strides = strides_of(in);
  if (n.out[0].elements() == 0) {
    r.make_empty();
    return r;
  }
  OCTET_TRY(fits_tables(n.out[0].shape));
  for (size_t i = 0; i < amounts.size(); ++i) {
    const int64_t extent = in[static_cast<int>(i)];
    if (amounts[i].before == 0 && amounts[i].after == 0) {
      r.axes.push_back(SourceAxis::by_step(extent, strides[i]));
      continue;
    }
    std::vector<int64_t> table(static_cast<size_t>(amounts[i].before), kFromFill);
    for (int64_t j = 0; j < extent; ++j)
      table.push_back(j * strides[i]);
    table.insert(table.end(), static_cast<size_t>(amounts[i].after), kFromFill);
    r.axes.push_back(SourceAxis::by_table(std::move(table)));
  }
  // Real 0: the zero point of quantized data.
  if (n.in[0].quant) {
    OCTET_ASSIGN(r.fill, scalar_bytes(n.in[0].dtype, n.in[0].quant.zero_point()));
  }
  return r;
}

Result<Rearrangement> describe_padv2(const NodeDesc& n) {
  OCTET_ASSIGN(Rearrangement r, describe_pad(n));
  const TensorDesc& value = n.in[2];
  if (value.dtype != n.in[0].dtype || value.elements() != 1)
    return Status::corrupt(
        fmt::format("the padding value '{}' is not one {}", value.name, name_of(n.in[0].dtype)));
  return r;
}

// The value may be computed at run time, so both kernels read it there.
KernelResult create_padv2_reference(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Rearrangement r, describe_padv2(n));
  return make_kernel([r = std::move(r)](const RunArgs& args) mutable -> Status {
    r.set_fill(args.in[2]);
    rearrange_naive(r, args.in[0], args.out[0]);
    return {};
  });
}

KernelResult create_padv2(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Rearrangement r, describe_padv2(n));
  return make_kernel([fast = FastRearrangement(std::move(r))](const RunArgs& args) mutable -> Status {
    fast.set_fill(args.in[2]);
    fast.run(args.in[0], args.out[0], args.pool);
    return {};
  });
}

// reflect leaves the edge element out (3 2 | 1 2 3 | 2 1), symmetric repeats it (2 1 | 1 2 3 | 3 2).
Result<InferredShapes> infer_mirror(const NodeDesc& n) {
  if (!n.in[1].is_known()) return InferredShapes::later();
  const bool reflect = n.attr<MirrorPadAttrs>().mode == MirrorPadAttrs::Mode::reflect;
  OCTET_ASSIGN(const auto amounts, amounts_of(n));
  for (size_t i = 0; i < amounts.size(); ++i) {
    const int64_t most = std::max<int64_t>(0, n.in[0].shape[static_cast<int>(i)] - (reflect ? 1 : 0));
    if (amounts[i].before > most || amounts[i].after > most)
      return Status::invalid(fmt::format("padding {} and {} of axis {} is more than its {} elements mirror",
                                         amounts[i].before, amounts[i].after, i,
                                         n.in[0].shape[static_cast<int>(i)]));
  }
  return infer_pad(n);
}

Result<Rearrangement> describe_mirror(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const auto amounts, amounts_of(n));
  const Shape& in = n.in[0].shape;
  const auto strides = strides_of(in);
  if (n.out[0].elements() == 0) {
    r.make_empty();
    return r;
  }
  OCTET_TRY(fits_tables(n.out[0].shape));
  const int64_t edge = n.attr<MirrorPadAttrs>().mode == MirrorPadAttrs::Mode::reflect ? 1 : 0;
  for (size_t i = 0; i < amounts.size(); ++i) {
    const int64_t extent = in[static_cast<int>(i)];
    std::vector<int64_t> table;
    for (int64_t j = -amounts[i].before; j < extent + amounts[i].after; ++j) {
      const int64_t from = j < 0 ? edge - 1 - j : j >= extent ? 2 * extent - 1 - edge - j : j;
      table.push_back(from * strides[i]);
    }
    r.axes.push_back(SourceAxis::by_table(std::move(table)));
  }
  return r;
}

}  // namespace

const OpSpec& spec_PAD() {
  static const OpSpec spec{
      .kind = OpKind::PAD,
      .traits = kMovesAlone | Trait::channelwise,
      .inputs = {2, 2},
      .infer = infer_pad,
      .reference = {"reference", create_moved_reference<describe_pad>},
      .fast = {{"copy-runs", create_moved<describe_pad>, cost::per_element<100>}},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 3,
  };
  return spec;
}

const OpSpec& spec_PADV2() {
  static const OpSpec spec{
      .kind = OpKind::PADV2,
      .traits = Trait::moves | Trait::monotone,
      .inputs = {3, 3},
      .infer = infer_pad,
      .reference = {"reference", create_padv2_reference},
      .fast = {{"copy-runs", create_padv2, cost::per_element<100>}},
      .quant = QuantRule::of({activation(), keep(), same_as_input(0)}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 3,
      .notes = "quantized data is padded with the stored integer, whatever its own parameters say",
  };
  return spec;
}

const OpSpec& spec_MIRROR_PAD() {
  static const OpSpec spec{.kind = OpKind::MIRROR_PAD,
                           .traits = kMovesAlone | Trait::channelwise,
                           .inputs = {2, 2},
                           .infer = infer_mirror,
                           .reference = {"reference", create_moved_reference<describe_mirror>},
                           .fast = {{"copy-runs", create_moved<describe_mirror>, cost::per_element<100>}},
                           .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
                           .version_int8 = 2,
                           .version_int16 = 3,
                           .readers = {kEveryForm, kFloatAndInt8}};
  return spec;
}

}  // namespace octet
