// Sparse constants become dense ones here, so that nothing after the reader knows of them.
#include <fmt/format.h>
#include <numeric>

#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/flatbuffer/reader.hpp"
#include "schema/ir/sparsity.hpp"

namespace octet {
namespace {

template <class Table>
const auto* values_of(const void* table) {
  return static_cast<const Table*>(table)->values();
}

}  // namespace

Result<std::vector<int32_t>> Reader::read_indices(wire::SparseIndexVector type, const void* table) {
  auto copy = [&](const auto* values) -> Result<std::vector<int32_t>> {
    if (values == nullptr) return std::vector<int32_t>();
    OCTET_TRY(spend(values->size()));
    return std::vector<int32_t>(values->begin(), values->end());
  };
  if (table == nullptr) return std::vector<int32_t>();
  switch (type) {
    case wire::SparseIndexVector::Int32Vector: return copy(values_of<wire::Int32Vector>(table));
    case wire::SparseIndexVector::Uint16Vector: return copy(values_of<wire::Uint16Vector>(table));
    case wire::SparseIndexVector::Uint8Vector: return copy(values_of<wire::Uint8Vector>(table));
    default: return Status::unsupported("is sparse with indices of an unknown type");
  }
}

Result<std::vector<int32_t>> Reader::read_axes(const flatbuffers::Vector<int32_t>* axes) {
  if (axes == nullptr) return std::vector<int32_t>();
  OCTET_TRY(spend(axes->size()));
  return std::vector<int32_t>(axes->begin(), axes->end());
}

Status Reader::read_sparse(const wire::Tensor& w, Value& v) {
  if (v.is_variable) return Status::corrupt("is a variable and sparse");
  const int element = bytes_of(v.dtype);
  if (element == 0)
    return Status::unsupported(fmt::format("is sparse {}, which Octet does not support", name_of(v.dtype)));
  // A few bytes can stand for any number of zeros, so the dense size is limited too.
  const auto bytes = checked_mul(v.shape.elements(), element);
  if (!bytes || *bytes > dense_budget_)
    return Status::corrupt(fmt::format("is sparse and would be {} {}, more than 1024 times the file",
                                       v.shape.to_string(), name_of(v.dtype)));
  dense_budget_ -= *bytes;

  Sparsity s;
  OCTET_ASSIGN(s.traversal_order, read_axes(w.sparsity()->traversal_order()));
  OCTET_ASSIGN(s.block_map, read_axes(w.sparsity()->block_map()));
  if (const auto* levels = w.sparsity()->dim_metadata(); levels != nullptr) {
    OCTET_TRY(spend(levels->size()));
    for (const wire::DimensionMetadata* level : *levels) {
      Sparsity::Level l;
      if (level->format() != wire::DimensionType::DENSE && level->format() != wire::DimensionType::SPARSE_CSR)
        return Status::unsupported(fmt::format("is sparse in format {}, which Octet does not support",
                                               static_cast<int>(level->format())));
      l.compressed = level->format() == wire::DimensionType::SPARSE_CSR;
      l.size = level->dense_size();
      OCTET_ASSIGN(l.segments, read_indices(level->array_segments_type(), level->array_segments()));
      OCTET_ASSIGN(l.indices, read_indices(level->array_indices_type(), level->array_indices()));
      s.levels.push_back(std::move(l));
    }
  }
  std::span<const std::byte> stored;
  if (w.buffer() != 0) {
    OCTET_ASSIGN(stored, buffer(w.buffer()));
  }
  OCTET_TRY(spend(stored.size()));
  OCTET_ASSIGN(const auto dense, densify(s, v.shape, element, stored));
  v.constant = Constant::copy_of(dense);
  return {};
}

// A DENSIFY of a tensor that was made dense has nothing left to do: the tensor takes the place of its result.
void Reader::fold_densify() {
  for (size_t i = 0; i < model_.graphs.size(); ++i) {
    Graph& g = model_.graphs[i];
    std::vector<ValueId> instead(g.values.size());
    std::iota(instead.begin(), instead.end(), 0);
    std::vector<char> keep_value(g.values.size(), 1), keep_node(g.nodes.size(), 1);
    // Only the one result of one node: what else a file may say of it is for validate() to refuse.
    std::vector<int> mentions(g.values.size(), 0);
    for (const ValueId v : g.inputs)
      ++mentions[static_cast<size_t>(v)];
    for (const Node& n : g.nodes)
      for (const ValueId v : n.outputs)
        ++mentions[static_cast<size_t>(v)];
    for (size_t k = 0; k < g.nodes.size(); ++k) {
      const Node& n = g.nodes[k];
      if (n.kind != OpKind::DENSIFY || n.inputs.size() != 1 || n.outputs.size() != 1) continue;
      const ValueId from = n.inputs[0], to = n.outputs[0];
      if (made_dense_.count({static_cast<ptrdiff_t>(i), from}) == 0) continue;
      const Value &in = g.value(from), &out = g.value(to);
      if (!in.is_constant() || out.is_constant() || out.is_variable ||
          mentions[static_cast<size_t>(to)] != 1 || in.dtype != out.dtype || !(in.shape == out.shape))
        continue;
      instead[static_cast<size_t>(to)] = from;
      keep_value[static_cast<size_t>(to)] = 0;
      keep_node[k] = 0;
    }
    auto apply = [&](std::vector<ValueId>& ids) {
      for (ValueId& v : ids)
        if (v != kNoValue) v = instead[static_cast<size_t>(v)];
    };
    for (Node& n : g.nodes) {
      apply(n.inputs);
      apply(n.intermediates);
    }
    apply(g.outputs);
    keep_only(g, keep_value, keep_node);
  }
}

}  // namespace octet
