// Sparse tensors: the walk that makes them dense, what it refuses, and the way in from a file.
#include "schema/ir/sparsity.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <functional>
#include <numeric>
#include <random>

#include "octet/try.hpp"
#include "schema/core/strides.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/support/raw_flatbuffer.hpp"
#include "tests/support/sparse_model.hpp"

using namespace octet;
using test::RawTable;
namespace slot = test::slot;

namespace {

template <class T>
Result<std::vector<T>> dense_of(const Sparsity& s, const Shape& shape, const std::vector<T>& stored) {
  OCTET_ASSIGN(const auto bytes, densify(s, shape, sizeof(T), std::as_bytes(std::span(stored))));
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

// The other direction, straight from the definition.
struct Encoder {
  const std::vector<float>& dense;
  std::vector<int64_t> extent, stride;  // of each level
  Sparsity& s;
  std::vector<float> stored;

  bool holds_anything(size_t l, int64_t at) const {
    if (l == extent.size()) return dense[static_cast<size_t>(at)] != 0;
    for (int64_t i = 0; i < extent[l]; ++i)
      if (holds_anything(l + 1, at + i * stride[l])) return true;
    return false;
  }
  void encode(size_t l, int64_t at) {
    if (l == extent.size()) {
      stored.push_back(dense[static_cast<size_t>(at)]);
      return;
    }
    Sparsity::Level& level = s.levels[l];
    for (int64_t i = 0; i < extent[l]; ++i) {
      if (level.compressed && !holds_anything(l + 1, at + i * stride[l])) continue;
      if (level.compressed) level.indices.push_back(static_cast<int32_t>(i));
      encode(l + 1, at + i * stride[l]);
    }
    if (level.compressed) level.segments.push_back(static_cast<int32_t>(level.indices.size()));
  }
};

std::string refusal(const std::function<void(Sparsity&)>& damage, size_t stored = 12) {
  Sparsity s = test::blocks_of_2x2();
  damage(s);
  const auto dense = dense_of(s, Shape{4, 4}, std::vector<float>(stored, 1));
  return dense.ok() ? "fine" : dense.status().message();
}

Result<std::shared_ptr<const ModelData>> parse_sparsity(const std::vector<std::byte>& bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  return read_model(std::move(owner), view, "m");
}

// What reading says after_sparsity `damage` to the sparse tensor.
std::string after_sparsity(const std::function<void(RawTable tensor)>& damage) {
  auto bytes = test::sparse_model();
  damage(RawTable::root(bytes).element(slot::model_graphs, 0).element(slot::graph_tensors, 1));
  const auto model = parse_sparsity(bytes);
  return model.ok() ? "fine" : model.status().message();
}

const std::vector<float> kDense{1, 2, 5, 6, 3, 4, 7, 8, 0, 0, 9, 10, 0, 0, 11, 12};

}  // namespace

TEST_CASE("sparsity: a matrix in blocks, by rows, by columns, and nothing at all") {
  std::vector<float> stored(12);
  std::iota(stored.begin(), stored.end(), 1.0f);
  CHECK_EQ(*dense_of(test::blocks_of_2x2(), Shape{4, 4}, stored), kDense);

  Sparsity rows;
  rows.traversal_order = {0, 1};
  rows.levels.resize(2);
  rows.levels[0].size = 2;
  rows.levels[1].compressed = true;
  rows.levels[1].segments = {0, 2, 3};
  rows.levels[1].indices = {0, 2, 1};
  CHECK_EQ(*dense_of<int8_t>(rows, Shape{2, 3}, {7, 8, 9}), std::vector<int8_t>{7, 0, 8, 0, 9, 0});
  Sparsity columns = rows;
  columns.traversal_order = {1, 0};
  CHECK_EQ(*dense_of<int8_t>(columns, Shape{3, 2}, {7, 8, 9}), std::vector<int8_t>{7, 0, 0, 9, 8, 0});

  Sparsity nothing = rows;
  nothing.levels[1].segments = {0, 0, 0};
  nothing.levels[1].indices = {};
  CHECK_EQ(*dense_of<uint16_t>(nothing, Shape{2, 3}, {}), std::vector<uint16_t>(6));
  CHECK_EQ(*dense_of<float>(Sparsity(), Shape{}, {3.5f}), std::vector<float>{3.5f});
  CHECK_EQ(*dense_of<float>(rows, Shape{0, INT32_MAX, INT32_MAX, INT32_MAX}, {}), std::vector<float>{});
}

TEST_CASE("sparsity: whatever the order, the blocks and the levels, the dense tensor comes back") {
  std::mt19937 random(7);
  auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int trial = 0; trial < 500; ++trial) {
    const int rank = 1 + below(4);
    Sparsity s;
    std::vector<int64_t> extent, stride;
    Shape shape = Shape::of_rank(rank);
    std::vector<int> block(static_cast<size_t>(rank), 1);
    for (int a = 0; a < rank; ++a) {
      if (below(3) == 0) {
        block[static_cast<size_t>(a)] = 1 + below(3);
        s.block_map.push_back(a);
      }
      shape[a] = block[static_cast<size_t>(a)] * (1 + below(4));
    }
    const auto strides = strides_of(shape);
    for (int a = 0; a < rank; ++a) {
      const auto i = static_cast<size_t>(a);
      extent.push_back(shape[a] / block[i]);
      stride.push_back(strides[i] * block[i]);
    }
    for (const int32_t a : s.block_map) {
      extent.push_back(block[static_cast<size_t>(a)]);
      stride.push_back(strides[static_cast<size_t>(a)]);
    }
    s.traversal_order.resize(extent.size());
    std::iota(s.traversal_order.begin(), s.traversal_order.end(), 0);
    std::shuffle(s.traversal_order.begin(), s.traversal_order.end(), random);

    std::vector<float> dense(static_cast<size_t>(shape.elements()));
    const int rarity = 1 + below(6);
    for (float& v : dense)
      v = below(rarity) == 0 ? static_cast<float>(1 + below(100)) : 0.0f;
    std::vector<int64_t> level_extent, level_stride;
    for (const int32_t a : s.traversal_order) {
      const auto i = static_cast<size_t>(a);
      level_extent.push_back(extent[i]);
      level_stride.push_back(stride[i]);
      Sparsity::Level l;
      l.compressed = a < rank && below(2) == 0;
      if (l.compressed)
        l.segments = {0};
      else
        l.size = static_cast<int32_t>(extent[i]);
      s.levels.push_back(l);
    }
    Encoder encoder{dense, level_extent, level_stride, s, {}};
    encoder.encode(0, 0);
    const auto back = dense_of(s, shape, encoder.stored);
    REQUIRE_MESSAGE(back.ok(), back.status().message());
    CHECK_EQ(*back, dense);
  }
}

TEST_CASE("sparsity: tables that do not fit are refused in words") {
  const std::string damaged = "its sparsity is damaged: ";
  CHECK_EQ(refusal([](Sparsity&) {}), "fine");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels.pop_back(); }),
           damaged + "3 levels and an order of 4 for 2 axes and 2 block axes");
  CHECK_EQ(refusal([](Sparsity& s) { s.block_map.assign(100000, 0); }),
           damaged + "4 levels and an order of 4 for 2 axes and 100000 block axes");
  CHECK_EQ(refusal([](Sparsity& s) { s.traversal_order[1] = 4; }),
           damaged + "its order of axes has 4 at level 1");
  CHECK_EQ(refusal([](Sparsity& s) { s.traversal_order[1] = -1; }),
           damaged + "its order of axes has -1 at level 1");
  CHECK_EQ(refusal([](Sparsity& s) { s.traversal_order[1] = 0; }),
           damaged + "its order of axes has 0 at level 1");
  CHECK_EQ(refusal([](Sparsity& s) { s.block_map[1] = 2; }), damaged + "block axis 1 divides axis 2 of 2");
  CHECK_EQ(refusal([](Sparsity& s) { s.block_map[1] = 0; }), damaged + "block axis 1 divides axis 0 of 2");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[3].size = 3; }),
           damaged + "blocks of 3 along axis 1, which has 4");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[3].size = 0; }),
           damaged + "blocks of 0 along axis 1, which has 4");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[3].compressed = true; }),
           "is sparse inside of its blocks; Octet reads dense blocks only");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[0].size = 4; }),
           damaged + "level 0 has 4 indices for an extent of 2");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].segments = {}; }),
           damaged + "level 1 has 0 segments over 3 indices for 2 entries");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].segments = {0, 3}; }),
           damaged + "level 1 has 2 segments over 3 indices for 2 entries");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].segments = {1, 2, 3}; }),
           damaged + "level 1 has 3 segments over 3 indices for 2 entries");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].segments = {0, 2, 4}; }),
           damaged + "level 1 has 3 segments over 3 indices for 2 entries");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].segments = {0, 5, 3}; }),
           damaged + "segment 0 of level 1 is from 0 to 5");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].segments = {0, -1, 3}; }),
           damaged + "segment 0 of level 1 is from 0 to -1");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].indices = {0, 2, 1}; }),
           damaged + "index 1 of level 1 is 2 after 0, of an extent of 2");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].indices = {0, -1, 1}; }),
           damaged + "index 1 of level 1 is -1 after 0, of an extent of 2");
  CHECK_EQ(refusal([](Sparsity& s) { s.levels[1].indices = {1, 1, 1}; }),
           damaged + "index 1 of level 1 is 1 after 1, of an extent of 2");
  CHECK_EQ(refusal([](Sparsity&) {}, 11), damaged + "12 elements of 4 bytes in 44 bytes of data");
  CHECK_EQ(refusal([](Sparsity&) {}, 13), damaged + "12 elements of 4 bytes in 52 bytes of data");
}

TEST_CASE("sparsity: a file's sparse constant is dense in the model, and its DENSIFY is gone") {
  for (const auto width : {test::IndexWidth::int32, test::IndexWidth::uint16, test::IndexWidth::uint8}) {
    const auto model = parse_sparsity(test::sparse_model(test::blocks_of_2x2(), width));
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    const Graph& g = (*model)->main();
    REQUIRE(g.nodes.size() == 1);
    CHECK(g.nodes[0].kind == OpKind::ADD);
    const Value& w = g.value(g.nodes[0].input(1));
    CHECK(w.name == "w");
    const auto elements = w.constant.as<float>();
    CHECK_EQ(std::vector<float>(elements.begin(), elements.end()), kDense);
    CHECK(g.values.size() == 3);
    CHECK_EQ((*model)->notes, std::vector<std::string>{"made 1 sparse tensors dense"});
    // Written, it is an ordinary model.
    const auto again = parse_sparsity(*serialize(**model));
    REQUIRE_MESSAGE(again.ok(), again.status().message());
    CHECK((*again)->notes.empty());
    CHECK((*again)->main().nodes.size() == 1);
  }
}

TEST_CASE("sparsity: a damaged file names the tensor") {
  const std::string w = "m: tensor 'w': ";
  auto sparsity = [](RawTable t) { return t.table(slot::tensor_sparsity); };
  auto level = [&](RawTable t, size_t i) { return sparsity(t).element(slot::sparsity_levels, i); };
  CHECK_EQ(after_sparsity([](RawTable) {}), "fine");
  CHECK_EQ(after_sparsity([&](RawTable t) { level(t, 1).set<int8_t>(slot::level_format, 2); }),
           w + "is sparse in format 2, which Octet does not support");
  CHECK_EQ(after_sparsity([&](RawTable t) { level(t, 0).set<int32_t>(slot::level_size, -2); }),
           w + "its sparsity is damaged: level 0 has -2 indices for an extent of 2");
  CHECK_EQ(after_sparsity([&](RawTable t) {
             level(t, 1).table(slot::level_indices).set_item<uint8_t>(slot::indices_values, 2, 2);
           }),
           w + "its sparsity is damaged: index 2 of level 1 is 2 after -1, of an extent of 2");
  CHECK_EQ(after_sparsity([&](RawTable t) { level(t, 1).set<uint8_t>(slot::level_indices_type, 9); }),
           w + "is sparse with indices of an unknown type");
  CHECK_EQ(after_sparsity([&](RawTable t) { sparsity(t).set_size(slot::sparsity_order, 3); }),
           w + "its sparsity is damaged: 4 levels and an order of 3 for 2 axes and 2 block axes");
  CHECK_EQ(after_sparsity([](RawTable t) { t.set_item<int32_t>(slot::tensor_shape, 0, 4 << 20); }),
           w + "is sparse and would be 4194304x4 float32, more than 1024 times the file");
  CHECK_EQ(
      after_sparsity([](RawTable t) { t.set<int8_t>(slot::tensor_type, static_cast<int8_t>(DType::int4)); }),
      w + "is sparse int4, which Octet does not support");
  CHECK_EQ(after_sparsity([](RawTable t) { t.set<uint32_t>(slot::tensor_buffer, 0); }),
           w + "its sparsity is damaged: 12 elements of 4 bytes in 0 bytes of data");
}

TEST_CASE("sparsity: a DENSIFY that is not what it should be stays for validation to see") {
  // The result is said to have another shape.
  auto bytes = test::sparse_model();
  const RawTable graph = RawTable::root(bytes).element(slot::model_graphs, 0);
  graph.element(slot::graph_tensors, 2).set_item<int32_t>(slot::tensor_shape, 0, 2);
  const auto other_shape = parse_sparsity(bytes);
  REQUIRE_MESSAGE(other_shape.ok(), other_shape.status().message());
  CHECK((*other_shape)->main().nodes.size() == 2);
  // The result is the graph's input.
  bytes = test::sparse_model();
  RawTable::root(bytes).element(slot::model_graphs, 0).set_item<int32_t>(slot::graph_inputs, 0, 2);
  CHECK_EQ(parse_sparsity(bytes).status().message(),
           "m: DENSIFY 'dense': its result, tensor 'dense', is a graph input");
}
