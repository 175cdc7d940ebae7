// Scales of blocks lie in tensors of their own. Here they become part of the quantization of the tensor that
// they belong to, so that nothing after the reader has to follow them.
#include <cstring>
#include <fmt/format.h>

#include "octet/try.hpp"
#include "schema/core/half.hpp"
#include "schema/flatbuffer/reader.hpp"

namespace octet {
namespace {

const wire::BlockQuantization* details_of(const wire::Tensor& w) {
  const wire::QuantizationParameters* q = w.quantization();
  return q == nullptr ? nullptr : q->details_as_BlockQuantization();
}

std::vector<int32_t> without_ones(const Shape& s) {
  std::vector<int32_t> dims;
  for (const int32_t d : s.dims())
    if (d != 1) dims.push_back(d);
  return dims;
}

// One number per block: the extents of the tensor with the last one divided by the block, or a plain list.
bool is_per_block(const Shape& record, const Shape& tensor, int32_t block) {
  Shape want = tensor;
  want[-1] /= block;
  return (record.rank() == 1 && record.elements() == want.elements()) ||
         without_ones(record) == without_ones(want);
}

bool holds(const Value& v, int64_t elements, int element_bytes) {
  const auto have = static_cast<int64_t>(v.constant.bytes().size());
  return v.is_constant() && have % element_bytes == 0 && have / element_bytes == elements;
}

template <class T>
T element(const Value& v, size_t i) {
  T x;  // memcpy: nothing has checked the alignment of a constant that no operator reads
  std::memcpy(&x, v.constant.bytes().data() + i * sizeof(T), sizeof(T));
  return x;
}

}  // namespace

Result<Quantization> Reader::blocks_of(const wire::BlockQuantization& w, const Graph& g, const Value& v) {
  const int32_t block = w.block_size();
  if (block < 1) return Status::corrupt(fmt::format("has blocks of {} elements", block));
  if (v.shape.rank() == 0 || v.shape[-1] % block != 0)
    return Status::corrupt(
        fmt::format("has blocks of {}, which do not divide the last axis of {}", block, v.shape.to_string()));
  auto tensor = [&](int32_t id) -> const Value* {
    return id >= 0 && id < static_cast<int64_t>(g.values.size()) ? &g.value(id) : nullptr;
  };
  const Value* scales = tensor(w.scales());
  if (scales == nullptr)
    return Status::corrupt(
        fmt::format("has its scales in tensor {}, and there are {}", w.scales(), g.values.size()));
  const bool half = scales->dtype == DType::float16;
  if (!half && scales->dtype != DType::float32)
    return Status::unsupported(
        fmt::format("has its scales in '{}', which is {}", scales->name, name_of(scales->dtype)));
  if (!is_per_block(scales->shape, v.shape, block))
    return Status::corrupt(fmt::format("of shape {} has blocks of {} and scales '{}' of shape {}",
                                       v.shape.to_string(), block, scales->name, scales->shape.to_string()));
  const int64_t count = scales->shape.elements();
  if (!holds(*scales, count, bytes_of(scales->dtype)))
    return Status::corrupt(
        fmt::format("has its scales in '{}', which does not hold {} constants", scales->name, count));
  // -1 is none, and 0 is what a file says that leaves the field out: then it may be any tensor.
  const Value* zeros = tensor(w.zero_points());
  const bool fits = zeros != nullptr && zeros->dtype == DType::int32 && zeros->shape.elements() == count &&
                    holds(*zeros, count, 4);
  if (!fits && w.zero_points() > 0)
    return Status::corrupt(fmt::format("has its zero points in tensor {}, which does not hold {} int32",
                                       w.zero_points(), count));
  OCTET_TRY(spend(static_cast<size_t>(count)));
  std::vector<Affine> params(static_cast<size_t>(count));
  for (size_t i = 0; i < params.size(); ++i) {
    params[i].scale = half ? half_to_float(element<uint16_t>(*scales, i)) : element<float>(*scales, i);
    if (fits) params[i].zero_point = element<int32_t>(*zeros, i);
  }
  return Quantization::blockwise(block, std::move(params));
}

Status Reader::read_blocks(const wire::SubGraph& w, Graph& g) {
  if (model_.format != Format::tflite) return {};
  const ptrdiff_t graph = &g - model_.graphs.data();
  for (size_t i = 0; i < g.values.size(); ++i) {
    const wire::BlockQuantization* details = details_of(*w.tensors()->Get(static_cast<uint32_t>(i)));
    Value& v = g.values[i];
    if (details == nullptr || !is_quantizable(v.dtype)) continue;
    auto quant = blocks_of(*details, g, v);
    if (!quant.ok())
      return std::move(quant)
          .at(v.name.empty() ? fmt::format("tensor #{}", i) : fmt::format("tensor '{}'", v.name))
          .status();
    v.quant = *std::move(quant);
    block_records_.emplace(graph, details->scales());
    if (details->zero_points() >= 0) block_records_.emplace(graph, details->zero_points());
  }
  return {};
}

// Tensors that only a quantization refers to: the writer makes them again.
void Reader::fold_blocks() {
  for (size_t i = 0; i < model_.graphs.size(); ++i) {
    Graph& g = model_.graphs[i];
    std::vector<char> keep_value(g.values.size(), 1);
    const std::vector<char> keep_node(g.nodes.size(), 1);
    bool any = false;
    for (size_t v = 0; v < g.values.size(); ++v)
      if (block_records_.contains({static_cast<ptrdiff_t>(i), static_cast<ValueId>(v)}) &&
          g.values[v].is_constant())
        keep_value[v] = 0, any = true;
    if (!any) continue;
    auto keep = [&](const std::vector<ValueId>& ids) {
      for (const ValueId v : ids)
        if (v != kNoValue) keep_value[static_cast<size_t>(v)] = 1;
    };
    keep(g.inputs);
    keep(g.outputs);
    for (const Node& n : g.nodes) {
      keep(n.inputs);
      keep(n.outputs);
      keep(n.intermediates);
    }
    keep_only(g, keep_value, keep_node);
  }
}

}  // namespace octet
