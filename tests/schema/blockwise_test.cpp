// Quantization in blocks: the scales are tensors of their own on the wire and part of the quantization in
// memory.
#include <doctest/doctest.h>
#include <functional>

#include "schema/core/half.hpp"
#include "schema/core/int4.hpp"
#include "schema/flatbuffer/format.hpp"
#include "schema/ir/validate.hpp"
#include "tests/support/model_diff.hpp"
#include "tests/support/raw_flatbuffer.hpp"

using namespace octet;
using test::RawTable;
namespace slot = test::slot;

namespace {

constexpr int kScales = 0, kZeroPoints = 1, kBlockSize = 2;  // fields of the details

Value value(std::string name, DType dtype, Shape shape, Constant constant = {}) {
  Value v;
  v.name = std::move(name);
  v.dtype = dtype;
  v.shape = shape;
  v.constant = std::move(constant);
  return v;
}

// FULLY_CONNECTED with int4 weights [2, 8] in blocks of 4.
ModelData block_model(int64_t zero_point = 0, float first_scale = 0.5f) {
  ModelData m;
  Graph& g = m.graphs.emplace_back();
  const ValueId x = g.add_value(value("x", DType::float32, Shape{1, 8}));
  Value w = value(
      "w", DType::int4, Shape{2, 8},
      Constant::of(pack_int4(std::vector<int8_t>{1, -8, 7, 0, 2, 3, -1, 4, 5, 6, -2, -3, -4, -5, -6, -7})));
  w.quant = Quantization::blockwise(4, {{first_scale, 0}, {0.25f, zero_point}, {2, 0}, {1, 0}});
  const ValueId weights = g.add_value(std::move(w));
  const ValueId y = g.add_value(value("y", DType::float32, Shape{1, 2}));
  Node n;
  n.kind = OpKind::FULLY_CONNECTED;
  n.attrs = FullyConnectedAttrs();
  n.inputs = {x, weights, kNoValue};
  n.outputs = {y};
  g.nodes.push_back(std::move(n));
  g.inputs = {x};
  g.outputs = {y};
  return m;
}

std::vector<std::byte> bytes_of(const ModelData& m) {
  auto bytes = serialize(m);
  REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
  return *std::move(bytes);
}

Result<std::shared_ptr<const ModelData>> parse(const std::vector<std::byte>& bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  return read_model(std::move(owner), view, "m");
}

RawTable graph_of(std::vector<std::byte>& bytes) {
  return RawTable::root(bytes).element(slot::model_graphs, 0);
}

// What reading says after `damage` to the details, given the graph too.
std::string after(const std::function<void(RawTable graph, RawTable details)>& damage,
                  int64_t zero_point = 0) {
  auto bytes = bytes_of(block_model(zero_point));
  const RawTable graph = graph_of(bytes);
  damage(graph,
         graph.element(slot::graph_tensors, 1).table(slot::tensor_quantization).table(slot::quant_details));
  const auto model = parse(bytes);
  return model.ok() ? "fine" : model.status().message();
}

}  // namespace

TEST_CASE("int4: two to a byte, the first in the low half") {
  const std::vector<int8_t> odd{1, -8, 7};
  const auto packed = pack_int4(odd);
  CHECK(packed == std::vector<std::byte>{std::byte{0x81}, std::byte{0x07}});
  CHECK(unpack_int4(packed.data(), 3) == odd);
  std::vector<int8_t> all;
  for (int i = -8; i < 8; ++i)
    all.push_back(static_cast<int8_t>(i));
  CHECK(unpack_int4(pack_int4(all).data(), 16) == all);
  CHECK(pack_int4({}).empty());
}

TEST_CASE("blocks: scales lie behind the tensors of the graph, as halves") {
  auto bytes = bytes_of(block_model(3));
  const RawTable graph = graph_of(bytes);
  REQUIRE(graph.size(slot::graph_tensors) == 5);
  const RawTable quant = graph.element(slot::graph_tensors, 1).table(slot::tensor_quantization);
  CHECK(quant.get<uint8_t>(slot::quant_details_type) == 2);
  CHECK(!quant.has(slot::quant_scale));
  const RawTable details = quant.table(slot::quant_details);
  CHECK(details.get<int32_t>(kScales) == 3);
  CHECK(details.get<int32_t>(kZeroPoints) == 4);
  CHECK(details.get<int32_t>(kBlockSize) == 4);
  const RawTable scales = graph.element(slot::graph_tensors, 3);
  CHECK(scales.text(slot::tensor_name) == "w_scales");
  CHECK(scales.get<int8_t>(slot::tensor_type) == static_cast<int8_t>(DType::float16));
  CHECK(scales.item<int32_t>(slot::tensor_shape, 0) == 2);
  CHECK(scales.item<int32_t>(slot::tensor_shape, 1) == 2);
  const RawTable data =
      RawTable::root(bytes).element(slot::model_buffers, scales.get<uint32_t>(slot::tensor_buffer));
  REQUIRE(data.size(slot::buffer_data) == 8);
  CHECK(data.item<uint16_t>(slot::buffer_data, 0) == float_to_half(0.5f));
  CHECK(graph.element(slot::graph_tensors, 4).get<int8_t>(slot::tensor_type) ==
        static_cast<int8_t>(DType::int32));
  // Without zero points there is no tensor of them; a scale that no half holds makes floats of all.
  auto plain = bytes_of(block_model());
  CHECK(graph_of(plain).size(slot::graph_tensors) == 4);
  CHECK(graph_of(plain)
            .element(slot::graph_tensors, 1)
            .table(slot::tensor_quantization)
            .table(slot::quant_details)
            .get<int32_t>(kZeroPoints) == -1);
  auto fine = bytes_of(block_model(0, 0.1f));
  CHECK(graph_of(fine).element(slot::graph_tensors, 3).get<int8_t>(slot::tensor_type) == 0);
}

TEST_CASE("blocks: what is written is what was read") {
  for (const ModelData& m : {block_model(), block_model(3), block_model(-8, 0.1f)}) {
    const auto bytes = bytes_of(m);
    const auto again = parse(bytes);
    REQUIRE_MESSAGE(again.ok(), again.status().message());
    CHECK_EQ(test::diff(m, **again), "");
    CHECK((*again)->main().value(1).quant == m.main().value(1).quant);
    CHECK((*again)->main().values.size() == 3);
    CHECK(bytes_of(**again) == bytes);
  }
  ModelData circle = block_model();
  circle.format = Format::circle;
  CHECK(serialize(circle).status().message() ==
        "tensor 'w': only .tflite files can hold blockwise quantization");
}

TEST_CASE("blocks: a file can lie about everything") {
  const std::string w = "m: tensor 'w': ";
  const auto set = [](int field, int32_t x) {
    return [=](RawTable, RawTable details) { details.set<int32_t>(field, x); };
  };
  CHECK_EQ(after([](RawTable, RawTable) {}), "fine");
  CHECK_EQ(after(set(kBlockSize, 0)), w + "has blocks of 0 elements");
  CHECK_EQ(after(set(kBlockSize, -4)), w + "has blocks of -4 elements");
  CHECK_EQ(after(set(kBlockSize, 3)), w + "has blocks of 3, which do not divide the last axis of 2x8");
  CHECK_EQ(after(set(kBlockSize, INT32_MAX)),
           w + "has blocks of 2147483647, which do not divide the last axis of 2x8");
  CHECK_EQ(after(set(kBlockSize, 8)), w + "of shape 2x8 has blocks of 8 and scales 'w_scales' of shape 2x2");
  CHECK_EQ(after(set(kScales, 99)), w + "has its scales in tensor 99, and there are 4");
  CHECK_EQ(after(set(kScales, -1)), w + "has its scales in tensor -1, and there are 4");
  CHECK_EQ(after(set(kScales, INT32_MIN)), w + "has its scales in tensor -2147483648, and there are 4");
  CHECK_EQ(after(set(kScales, 1)), w + "has its scales in 'w', which is int4");
  CHECK_EQ(after(set(kScales, 0)), w + "of shape 2x8 has blocks of 4 and scales 'x' of shape 1x8");
  CHECK_EQ(after(set(kScales, 2)), w + "of shape 2x8 has blocks of 4 and scales 'y' of shape 1x2");
  // Zero points: -1 and 0 may mean none.
  CHECK_EQ(after(set(kZeroPoints, 2)), w + "has its zero points in tensor 2, which does not hold 4 int32");
  CHECK_EQ(after(set(kZeroPoints, 77)), w + "has its zero points in tensor 77, which does not hold 4 int32");
  CHECK_EQ(after(set(kZeroPoints, 0)), "fine");
  CHECK_EQ(after(set(kZeroPoints, -5)), "fine");
  // The tensor of scales.
  const auto scales = [](const std::function<void(RawTable)>& damage) {
    return [=](RawTable graph, RawTable) { damage(graph.element(slot::graph_tensors, 3)); };
  };
  CHECK_EQ(after(scales([](RawTable t) { t.set_item<int32_t>(slot::tensor_shape, 1, 1); })),
           w + "of shape 2x8 has blocks of 4 and scales 'w_scales' of shape 2x1");
  CHECK_EQ(after(scales([](RawTable t) { t.set<uint32_t>(slot::tensor_buffer, 0); })),
           w + "has its scales in 'w_scales', which does not hold 4 constants");
  CHECK_EQ(after(scales([](RawTable t) {
             t.set_item<int32_t>(slot::tensor_shape, 0, INT32_MAX);
             t.set_item<int32_t>(slot::tensor_shape, 1, INT32_MAX);
           })),
           w + "of shape 2x8 has blocks of 4 and scales 'w_scales' of shape 2147483647x2147483647");
  auto bytes = bytes_of(block_model());
  RawTable data = RawTable::root(bytes).element(
      slot::model_buffers,
      graph_of(bytes).element(slot::graph_tensors, 3).get<uint32_t>(slot::tensor_buffer));
  data.set_item<uint16_t>(slot::buffer_data, 2, 0);
  CHECK_EQ(parse(bytes).status().message(), w + "has scale 0 (3 of 4)");
  data.set_item<uint16_t>(slot::buffer_data, 2, 0x7C00);
  CHECK_EQ(parse(bytes).status().message(), w + "has scale inf (3 of 4)");
}

TEST_CASE("blocks: a model that does not hold together is not written") {
  ModelData m = block_model();
  m.main().value(1).quant = Quantization::blockwise(4, {{1, 0}, {1, 0}, {1, 0}});
  CHECK_EQ(validate(m).message(), "tensor 'w': has 3 scales for blocks of 4 of shape 2x8");
  m.main().value(1).quant = Quantization::blockwise(5, {{1, 0}, {1, 0}, {1, 0}});
  CHECK_EQ(validate(m).message(), "tensor 'w': has blocks of 5, which do not divide the last axis of 2x8");
  m = block_model(8);
  CHECK_EQ(validate(m).message(), "tensor 'w': has zero point 8, which is not an int4");
}

TEST_CASE("blocks: a damaged file is refused or read, and what is read can be written") {
  const auto bytes = bytes_of(block_model(3));
  int refused = 0, read = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    for (const int x : {0x01, 0x02, 0x80, 0xFF}) {
      auto damaged = bytes;
      damaged[i] ^= static_cast<std::byte>(x);
      const auto model = parse(damaged);
      ++(model.ok() ? read : refused);
      if (model.ok())
        CHECK((serialize(**model).ok() || serialize(**model).status().code() == Code::unsupported));
    }
  CHECK(refused > 100);
  CHECK(read > 100);
  for (size_t n = 0; n < 64; ++n)
    CHECK(!parse({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}).ok());
}
