// GATHER, GATHER_ND, EMBEDDING_LOOKUP: pick by index.
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/movement/indices.hpp"
#include "kernels/movement/rearrange.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr int64_t kGrainBytes = 16384;

size_t grain_of(int64_t run) {
  return static_cast<size_t>(std::max<int64_t>(1, kGrainBytes / std::max<int64_t>(run, 1)));
}

// ---------------------------------------------------------------------------------------------------------
// GATHER: batch axes, then the axes before `axis`, then the indices' own, then those behind `axis`.

struct GatherAxes {
  int axis = 0, batch = 0;
};

Result<GatherAxes> gather_axes(const NodeDesc& n) {
  const auto& attr = n.attr<GatherAttrs>();
  const Shape &params = n.in[0].shape, &indices = n.in[1].shape;
  const auto axis = normalize_axis(attr.axis, params.rank());
  if (!axis)
    return Status::corrupt(fmt::format("axis {} is out of range for {}", attr.axis, params.to_string()));
  const int64_t batch = attr.batch_dims < 0 ? int64_t{attr.batch_dims} + indices.rank() : attr.batch_dims;
  if (batch < 0 || batch > indices.rank() || batch > *axis)
    return Status::corrupt(
        fmt::format("{} batch axes for indices {} and axis {}", attr.batch_dims, indices.to_string(), *axis));
  for (int i = 0; i < batch; ++i)
    if (params[i] != indices[i])
      return Status::invalid(
          fmt::format("batch axis {} is {} in the data and {} in the indices", i, params[i], indices[i]));
  return GatherAxes{*axis, static_cast<int>(batch)};
}

Result<InferredShapes> infer_gather_gather(const NodeDesc& n) {
  OCTET_TRY(check_index_type(n.in[1]));
  OCTET_ASSIGN(const GatherAxes a, gather_axes(n));
  const Shape &params = n.in[0].shape, &indices = n.in[1].shape;
  if (params.rank() - 1 + indices.rank() - a.batch > Shape::kMaxRank)
    return Status::unsupported("the result has too many axes");
  Shape out;
  for (int i = 0; i < a.axis; ++i)
    out.push_back(params[i]);
  for (int i = a.batch; i < indices.rank(); ++i)
    out.push_back(indices[i]);
  for (int i = a.axis + 1; i < params.rank(); ++i)
    out.push_back(params[i]);
  return one(out);
}

KernelResult create_gather(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  OCTET_ASSIGN(const GatherAxes a, gather_axes(n));
  const Shape &params = n.in[0].shape, &indices = n.in[1].shape;
  const int64_t outer = params.elements(a.batch, a.axis), extent = params[a.axis];
  const int64_t run = params.elements(a.axis + 1, params.rank()) * static_cast<int64_t>(element);
  const int64_t picks = indices.elements(a.batch, indices.rank());
  const int64_t rows = params.elements(0, a.batch) * outer;
  return make_kernel([=, type = n.in[1].dtype, count = indices.elements()](const RunArgs& args) -> Status {
    const IndexReader index{type, args.in[1]};
    for (int64_t i = 0; i < count; ++i)
      OCTET_TRY(check_index(index[i], extent));
    const auto* src = static_cast<const std::byte*>(args.in[0]);
    auto* dst = static_cast<std::byte*>(args.out[0]);
    if (run == 0) return {};
    args.pool.for_range(static_cast<size_t>(rows * picks), grain_of(run), [&](size_t begin, size_t end) {
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
        const int64_t row = i / picks, from = index[row / outer * picks + i % picks];
        std::memcpy(dst + i * run, src + (row * extent + from) * run, static_cast<size_t>(run));
      }
    });
    return {};
  });
}

// ---------------------------------------------------------------------------------------------------------
// GATHER_ND: the last axis of the indices holds a point in the leading axes of the data.

Result<InferredShapes> infer_gather_nd(const NodeDesc& n) {
  OCTET_TRY(check_index_type(n.in[1]));
  const Shape &params = n.in[0].shape, &indices = n.in[1].shape;
  if (params.rank() < 1 || indices.rank() < 1)
    return Status::corrupt("takes data and indices with at least one axis");
  const int point = indices[-1];
  if (point > params.rank())
    return Status::invalid(fmt::format("points of {} coordinates in {}", point, params.to_string()));
  if (indices.rank() - 1 + params.rank() - point > Shape::kMaxRank)
    return Status::unsupported("the result has too many axes");
  Shape out;
  for (int i = 0; i < indices.rank() - 1; ++i)
    out.push_back(indices[i]);
  for (int i = point; i < params.rank(); ++i)
    out.push_back(params[i]);
  return one(out);
}

KernelResult create_gather_nd(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  const Shape params = n.in[0].shape, indices = n.in[1].shape;
  const int point = indices[-1];
  const int64_t run = params.elements(point, params.rank()) * static_cast<int64_t>(element);
  return make_kernel([=, type = n.in[1].dtype](const RunArgs& args) -> Status {
    const IndexReader index{type, args.in[1]};
    const int64_t picks = indices.elements(0, indices.rank() - 1);
    for (int64_t i = 0; i < picks; ++i) {
      int64_t at = 0;
      for (int k = 0; k < point; ++k) {
        const int64_t v = index[i * point + k];
        OCTET_TRY(check_index(v, params[k]));
        at = at * params[k] + v;
      }
      if (run > 0)
        std::memcpy(static_cast<std::byte*>(args.out[0]) + i * run,
                    static_cast<const std::byte*>(args.in[0]) + at * run, static_cast<size_t>(run));
    }
    return {};
  });
}

// ---------------------------------------------------------------------------------------------------------
// EMBEDDING_LOOKUP: rows of a table. An 8-bit table may feed a float output: the rows are dequantized.

Result<InferredShapes> infer_embedding(const NodeDesc& n) {
  OCTET_TRY(check_index_type(n.in[0]));
  if (n.in[0].shape.rank() != 1 || n.in[1].shape.rank() < 1)
    return Status::corrupt(
        fmt::format("ids are {}, the table {}", n.in[0].shape.to_string(), n.in[1].shape.to_string()));
  Shape out = n.in[1].shape;
  out[0] = n.in[0].shape[0];
  return one(out);
}

KernelResult create_embedding(const NodeDesc& n, ThreadPool&) {
  const Shape& table = n.in[1].shape;
  const int64_t width = table.elements(1, table.rank()), rows = table[0];
  const DType type = n.in[1].dtype;
  const bool hybrid = n.out[0].dtype == DType::float32 && (type == DType::int8 || type == DType::uint8);
  int64_t run = 0;
  const Quantization quant = n.in[1].quant;
  if (!hybrid) {
    OCTET_ASSIGN(const size_t element, moved_element(n, 1));
    run = width * static_cast<int64_t>(element);
  } else if (quant.empty()) {
    return Status::corrupt(fmt::format("table '{}' has no quantization parameters", n.in[1].name));
  } else if (quant.is_per_channel() &&
             (*quant.axis() != 0 || static_cast<int64_t>(quant.params().size()) != rows)) {
    return Status::unsupported("a table quantized along another axis than its rows");
  }
  return make_kernel([=, id_type = n.in[0].dtype, count = n.in[0].elements()](const RunArgs& args) -> Status {
    const IndexReader id{id_type, args.in[0]};
    for (int64_t i = 0; i < count; ++i) {
      const int64_t r = id[i];
      OCTET_TRY(check_index(r, rows));
      if (!hybrid) {
        if (run > 0)
          std::memcpy(static_cast<std::byte*>(args.out[0]) + i * run,
                      static_cast<const std::byte*>(args.in[1]) + r * run, static_cast<size_t>(run));
        continue;
      }
      const Affine& a = quant.at(static_cast<size_t>(r));
      float* out = static_cast<float*>(args.out[0]) + i * width;
      for (int64_t k = 0; k < width; ++k) {
        const int32_t q = type == DType::int8
                              ? static_cast<const int8_t*>(args.in[1])[r * width + k]
                              : int32_t{static_cast<const uint8_t*>(args.in[1])[r * width + k]};
        out[k] = a.scale * static_cast<float>(q - static_cast<int32_t>(a.zero_point));
      }
    }
    return {};
  });
}

}  // namespace

const OpSpec& spec_GATHER() {
  static const OpSpec spec{
      .kind = OpKind::GATHER,
      .traits = kMovesAlone,
      .inputs = {2, 2},
      .infer = infer_gather_gather,
      .reference = {"reference", create_gather},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 4,
      .readers = {kEveryForm, kFloatAndInt8},
      .notes = "an index out of range is an error",
  };
  return spec;
}

const OpSpec& spec_GATHER_ND() {
  static const OpSpec spec{
      .kind = OpKind::GATHER_ND,
      .traits = kMovesAlone,
      .inputs = {2, 2},
      .infer = infer_gather_nd,
      .reference = {"reference", create_gather_nd},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_int16 = 3,
      .readers = {kEveryForm, kFloatAndInt8},
      .notes = "an index out of range is an error",
  };
  return spec;
}

const OpSpec& spec_EMBEDDING_LOOKUP() {
  static const OpSpec spec{
      .kind = OpKind::EMBEDDING_LOOKUP,
      .traits = Trait::moves,
      .inputs = {2, 2},
      .infer = infer_embedding,
      .reference = {"reference", create_embedding},
      .quant = QuantRule::of({keep(), activation()}, {same_as_input(1)}),
      .readers = {kFloatAndInt8, kFloatAndInt8},
      .notes = "8-bit tables with float outputs too; an id out of range is an error",
  };
  return spec;
}

}  // namespace octet
