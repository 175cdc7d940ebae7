// SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND: every block position of the image becomes an image of its own, and
// back (how dilated convolutions used to be written). Batch index = block position * batch + image.
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

struct Blocks {
  std::vector<int64_t> size, before, after;  // per spatial axis; paddings or crops
  int64_t product = 1;
  int axes() const { return static_cast<int>(size.size()); }
};

Result<Blocks> blocks_of(const NodeDesc& n) {
  const Shape &in = n.in[0].shape, &amounts = n.in[2].shape;
  Blocks b;
  OCTET_ASSIGN(b.size, integers_of(n.in[1]));
  if (n.in[1].shape.rank() != 1 || b.size.empty() || b.axes() >= in.rank())
    return Status::corrupt(
        fmt::format("block '{}' is {} for {}", n.in[1].name, n.in[1].shape.to_string(), in.to_string()));
  if (amounts.rank() != 2 || amounts[0] != b.axes() || amounts[1] != 2)
    return Status::corrupt(fmt::format("'{}' is {}, not {}x2", n.in[2].name, amounts.to_string(), b.axes()));
  OCTET_ASSIGN(const auto v, integers_of(n.in[2]));
  for (size_t i = 0; i < b.size.size(); ++i) {
    if (b.size[i] < 1 || b.size[i] > INT32_MAX)
      return Status::corrupt(fmt::format("block size {}", b.size[i]));
    for (int64_t a : {v[2 * i], v[2 * i + 1]})
      if (a < 0 || a > INT32_MAX) return Status::corrupt(fmt::format("padding or crop {}", a));
    b.before.push_back(v[2 * i]);
    b.after.push_back(v[2 * i + 1]);
    const auto p = checked_mul(b.product, b.size[i]);
    if (!p) return Status::corrupt("block sizes overflow");
    b.product = *p;
  }
  return b;
}

Result<InferredShapes> infer_space_to_batch(const NodeDesc& n) {
  if (!n.in[1].is_known() || !n.in[2].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const Blocks b, blocks_of(n));
  Shape out = n.in[0].shape;
  for (int i = 0; i < b.axes(); ++i) {
    const auto k = static_cast<size_t>(i);
    const int64_t padded = out[i + 1] + b.before[k] + b.after[k];
    if (padded % b.size[k] != 0)
      return Status::invalid(
          fmt::format("padded extent {} of axis {} is no multiple of block {}", padded, i + 1, b.size[k]));
    const auto d = checked_cast<int32_t>(padded / b.size[k]);
    if (!d) return Status::corrupt("the output is too large");
    out[i + 1] = *d;
  }
  const auto batch = checked_mul(out[0], b.product);
  const auto d = batch ? checked_cast<int32_t>(*batch) : std::nullopt;
  if (!d) return Status::corrupt("the output is too large");
  out[0] = *d;
  return one(out);
}

Result<InferredShapes> infer_batch_to_space(const NodeDesc& n) {
  if (!n.in[1].is_known() || !n.in[2].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const Blocks b, blocks_of(n));
  Shape out = n.in[0].shape;
  if (out[0] % b.product != 0)
    return Status::invalid(fmt::format("batch {} is no multiple of {} block positions", out[0], b.product));
  out[0] = static_cast<int32_t>(out[0] / b.product);
  for (int i = 0; i < b.axes(); ++i) {
    const auto k = static_cast<size_t>(i);
    const int64_t full = out[i + 1] * b.size[k], left = full - b.before[k] - b.after[k];
    const auto d = checked_cast<int32_t>(left);
    if (!d || *d < 0)
      return Status::invalid(
          fmt::format("crops {} and {} of axis {} with {} elements", b.before[k], b.after[k], i + 1, full));
    out[i + 1] = *d;
  }
  return one(out);
}

KernelResult create_space_to_batch(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  OCTET_ASSIGN(const Blocks b, blocks_of(n));
  const Shape in = n.in[0].shape, out = n.out[0].shape;
  const int axes = b.axes();
  const int64_t inner = in.elements(axes + 1, in.rank());
  std::array<std::byte, 16> zero{};
  if (n.in[0].quant) {
    OCTET_ASSIGN(zero, scalar_bytes(n.in[0].dtype, n.in[0].quant.zero_point()));
  }
  std::vector<std::byte> blank(static_cast<size_t>(inner) * element);
  for (size_t i = 0; i < blank.size(); ++i)
    blank[i] = zero[i % element];
  // One step is one output pixel: all that lies behind the spatial axes.
  const int64_t pixels = out.elements(0, axes + 1);
  return make_kernel([=](const RunArgs& args) -> Status {
    if (blank.empty()) return {};
    const auto* src = static_cast<const std::byte*>(args.in[0]);
    auto* dst = static_cast<std::byte*>(args.out[0]);
    args.pool.for_range(
        static_cast<size_t>(pixels), std::max<size_t>(1, 16384 / blank.size()),
        [&](size_t begin, size_t end) {
          for (auto p = static_cast<int64_t>(begin); p < static_cast<int64_t>(end); ++p) {
            const int64_t batch = p / out.elements(1, axes + 1);
            int64_t left = p, position = batch / in[0], from = 0, stride = 1;
            bool inside = true;
            for (int i = axes; i >= 1; --i) {
              const auto k = static_cast<size_t>(i - 1);
              const int64_t at = left % out[i] * b.size[k] + position % b.size[k] - b.before[k];
              left /= out[i];
              position /= b.size[k];
              inside = inside && at >= 0 && at < in[i];
              from += at * stride;
              stride *= in[i];
            }
            from += batch % in[0] * stride;
            const auto bytes = static_cast<int64_t>(blank.size());
            std::memcpy(dst + p * bytes, inside ? src + from * bytes : blank.data(), blank.size());
          }
        });
    return {};
  });
}

Result<Rearrangement> describe_batch_to_space(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const Blocks b, blocks_of(n));
  const Shape &in = n.in[0].shape, &out = n.out[0].shape;
  if (out.elements() == 0) {
    r.make_empty();
    return r;
  }
  OCTET_TRY(fits_tables(out));
  const auto strides = strides_of(in);
  r.axes.push_back(SourceAxis::by_step(out[0], strides[0]));
  int64_t positions = b.product;  // batch steps between neighbours of this axis' block
  for (int i = 1; i < out.rank(); ++i) {
    const auto stride = strides[static_cast<size_t>(i)];
    if (i > b.axes()) {
      r.axes.push_back(SourceAxis::by_step(out[i], stride));
      continue;
    }
    const auto k = static_cast<size_t>(i - 1);
    positions /= b.size[k];
    std::vector<int64_t> table;
    for (int64_t o = b.before[k]; o < b.before[k] + out[i]; ++o)
      table.push_back(o / b.size[k] * stride + o % b.size[k] * positions * out[0] * strides[0]);
    r.axes.push_back(SourceAxis::by_table(std::move(table)));
  }
  return r;
}

}  // namespace

const OpSpec& spec_SPACE_TO_BATCH_ND() {
  static const OpSpec spec{.kind = OpKind::SPACE_TO_BATCH_ND,
                           .traits = kMovesAlone,
                           .inputs = {3, 3},
                           .infer = infer_space_to_batch,
                           .reference = {"reference", create_space_to_batch},
                           .quant = QuantRule::of({activation(), keep(), keep()}, {same_as_input(0)}),
                           .version_int8 = 2,
                           .version_int16 = 4,
                           .readers = {kEveryForm, kFloatForm}};
  return spec;
}

const OpSpec& spec_BATCH_TO_SPACE_ND() {
  static const OpSpec spec{
      .kind = OpKind::BATCH_TO_SPACE_ND,
      .traits = kMovesAlone,
      .inputs = {3, 3},
      .infer = infer_batch_to_space,
      .reference = {"reference", create_moved_reference<describe_batch_to_space>},
      .fast = {{"copy-runs", create_moved<describe_batch_to_space>, cost::per_element<150>}},
      .quant = QuantRule::of({activation(), keep(), keep()}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 4,
      .readers = {kEveryForm, kFloatAndInt8}};
  return spec;
}

}  // namespace octet
