#include "tests/support/sparse_model.hpp"

#include <numeric>

#include "schema/flatbuffer/format.hpp"
#include "tests/support/raw_writer.hpp"
#include "tests/support/tiny_models.hpp"

namespace octet::test {
namespace {

void put_indices(RawWriter& writer, size_t field, const std::vector<int32_t>& values, IndexWidth width) {
  const size_t at = writer.put_table(field, {4}).field(slot::indices_values);
  switch (width) {
    case IndexWidth::int32: writer.put_vector(at, values); break;
    case IndexWidth::uint16:
      writer.put_vector(at, std::vector<uint16_t>(values.begin(), values.end()));
      break;
    case IndexWidth::uint8: writer.put_vector(at, std::vector<uint8_t>(values.begin(), values.end())); break;
  }
}

}  // namespace

Sparsity blocks_of_2x2() {
  Sparsity s;
  s.traversal_order = {0, 1, 2, 3};
  s.block_map = {0, 1};
  s.levels.resize(4);
  s.levels[0].size = s.levels[2].size = s.levels[3].size = 2;
  s.levels[1].compressed = true;
  s.levels[1].segments = {0, 2, 3};
  s.levels[1].indices = {0, 1, 1};
  return s;
}

std::vector<std::byte> sparse_model(const Sparsity& sparsity, IndexWidth width) {
  ModelData m;
  Graph& g = m.graphs.emplace_back();
  const Shape shape{4, 4};
  const ValueId x = add_value(g, "x", DType::float32, shape);
  const ValueId w = add_value(g, "w", DType::float32, shape, Constant::of(std::vector<float>(16)));
  const ValueId dense = add_value(g, "dense", DType::float32, shape);
  const ValueId y = add_value(g, "y", DType::float32, shape);
  g.inputs = {x};
  g.outputs = {y};
  g.nodes.resize(2);
  g.nodes[0].kind = OpKind::DENSIFY;
  g.nodes[0].attrs = NoAttrs{};
  g.nodes[0].inputs = {w};
  g.nodes[0].outputs = {dense};
  g.nodes[1].kind = OpKind::ADD;
  g.nodes[1].attrs = BinaryAttrs{};
  g.nodes[1].inputs = {x, dense};
  g.nodes[1].outputs = {y};
  auto bytes = *serialize(m);

  // The tensor and its buffer, anew.
  const RawTable root = RawTable::root(bytes), graph = root.element(slot::model_graphs, 0);
  const RawTable old = graph.element(slot::graph_tensors, static_cast<size_t>(w));
  const auto buffer = old.get<uint32_t>(slot::tensor_buffer);
  RawWriter writer(bytes);
  RawTable tensor =
      writer.put_table(graph.slot(slot::graph_tensors, static_cast<size_t>(w)), {4, 1, 4, 4, 0, 0, 4});
  tensor.set<int8_t>(slot::tensor_type, static_cast<int8_t>(DType::float32));
  tensor.set<uint32_t>(slot::tensor_buffer, buffer);
  writer.put_vector(tensor.field(slot::tensor_shape), std::vector<int32_t>{4, 4});
  writer.put_text(tensor.field(slot::tensor_name), "w");
  const RawTable table = writer.put_table(tensor.field(slot::tensor_sparsity), {4, 4, 4});
  writer.put_vector(table.field(slot::sparsity_order), sparsity.traversal_order);
  writer.put_vector(table.field(slot::sparsity_block_map), sparsity.block_map);
  const size_t levels = writer.put_references(table.field(slot::sparsity_levels), sparsity.levels.size());
  for (size_t i = 0; i < sparsity.levels.size(); ++i) {
    const Sparsity::Level& l = sparsity.levels[i];
    RawTable level = writer.put_table(
        levels + 4 * i, l.compressed ? std::vector<uint16_t>{1, 0, 1, 4, 1, 4} : std::vector<uint16_t>{0, 4});
    if (!l.compressed) {
      level.set<int32_t>(slot::level_size, l.size);
      continue;
    }
    level.set<int8_t>(slot::level_format, 1);
    level.set<uint8_t>(slot::level_segments_type, static_cast<uint8_t>(width));
    level.set<uint8_t>(slot::level_indices_type, static_cast<uint8_t>(width));
    put_indices(writer, level.field(slot::level_segments), l.segments, width);
    put_indices(writer, level.field(slot::level_indices), l.indices, width);
  }
  std::vector<float> stored(12);
  std::iota(stored.begin(), stored.end(), 1.0f);
  std::vector<uint8_t> data(stored.size() * sizeof(float));
  std::memcpy(data.data(), stored.data(), data.size());
  const RawTable with_data = writer.put_table(root.slot(slot::model_buffers, buffer), {4});
  writer.put_vector(with_data.field(slot::buffer_data), data);
  return bytes;
}

}  // namespace octet::test
