// What is on the wire, field by field (FORMAT.md refers to these cases by name).
#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>

#include "schema/flatbuffer/format.hpp"
#include "tests/support/model_diff.hpp"
#include "tests/support/raw_flatbuffer.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;
using test::RawTable;
namespace slot = test::slot;

namespace {

std::vector<std::byte> bytes_of_wire(const ModelData& m) {
  auto bytes = serialize(m);
  REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
  return *std::move(bytes);
}

Result<std::shared_ptr<const ModelData>> parse_wire(const std::vector<std::byte>& bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  return read_model(std::move(owner), view, "memory");
}

// Position in the union of options for each operator; 0: none.
const std::pair<OpKind, int> kOptionNumbers[] = {{OpKind::ADD, 11},
                                                 {OpKind::AVERAGE_POOL_2D, 5},
                                                 {OpKind::CONCATENATION, 10},
                                                 {OpKind::CONV_2D, 1},
                                                 {OpKind::DEPTHWISE_CONV_2D, 2},
                                                 {OpKind::DEPTH_TO_SPACE, 94},
                                                 {OpKind::DEQUANTIZE, 38},
                                                 {OpKind::EMBEDDING_LOOKUP, 0},
                                                 {OpKind::FLOOR, 0},
                                                 {OpKind::FULLY_CONNECTED, 8},
                                                 {OpKind::L2_NORMALIZATION, 12},
                                                 {OpKind::L2_POOL_2D, 5},
                                                 {OpKind::LOCAL_RESPONSE_NORMALIZATION, 13},
                                                 {OpKind::LOGISTIC, 0},
                                                 {OpKind::LSTM, 14},
                                                 {OpKind::MAX_POOL_2D, 5},
                                                 {OpKind::MUL, 21},
                                                 {OpKind::RELU, 0},
                                                 {OpKind::RELU_N1_TO_1, 0},
                                                 {OpKind::RELU6, 0},
                                                 {OpKind::RESHAPE, 17},
                                                 {OpKind::RESIZE_BILINEAR, 15},
                                                 {OpKind::RNN, 7},
                                                 {OpKind::SOFTMAX, 9},
                                                 {OpKind::SPACE_TO_DEPTH, 19},
                                                 {OpKind::SVDF, 6},
                                                 {OpKind::TANH, 0},
                                                 {OpKind::CUSTOM, 0},
                                                 {OpKind::PAD, 22},
                                                 {OpKind::UNIDIRECTIONAL_SEQUENCE_RNN, 31},
                                                 {OpKind::GATHER, 23},
                                                 {OpKind::BATCH_TO_SPACE_ND, 24},
                                                 {OpKind::SPACE_TO_BATCH_ND, 25},
                                                 {OpKind::TRANSPOSE, 26},
                                                 {OpKind::MEAN, 27},
                                                 {OpKind::SUB, 28},
                                                 {OpKind::DIV, 29},
                                                 {OpKind::SQUEEZE, 30},
                                                 {OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM, 71},
                                                 {OpKind::STRIDED_SLICE, 32},
                                                 {OpKind::BIDIRECTIONAL_SEQUENCE_RNN, 70},
                                                 {OpKind::EXP, 33},
                                                 {OpKind::TOPK_V2, 34},
                                                 {OpKind::SPLIT, 35},
                                                 {OpKind::LOG_SOFTMAX, 36},
                                                 {OpKind::BIDIRECTIONAL_SEQUENCE_LSTM, 69},
                                                 {OpKind::CAST, 37},
                                                 {OpKind::PRELU, 0},
                                                 {OpKind::MAXIMUM, 39},
                                                 {OpKind::ARG_MAX, 40},
                                                 {OpKind::MINIMUM, 39},
                                                 {OpKind::LESS, 41},
                                                 {OpKind::NEG, 42},
                                                 {OpKind::PADV2, 43},
                                                 {OpKind::GREATER, 44},
                                                 {OpKind::GREATER_EQUAL, 45},
                                                 {OpKind::LESS_EQUAL, 46},
                                                 {OpKind::SELECT, 47},
                                                 {OpKind::SLICE, 48},
                                                 {OpKind::SIN, 0},
                                                 {OpKind::TRANSPOSE_CONV, 49},
                                                 {OpKind::TILE, 51},
                                                 {OpKind::EXPAND_DIMS, 52},
                                                 {OpKind::EQUAL, 53},
                                                 {OpKind::NOT_EQUAL, 54},
                                                 {OpKind::LOG, 0},
                                                 {OpKind::SUM, 27},
                                                 {OpKind::SQRT, 0},
                                                 {OpKind::RSQRT, 0},
                                                 {OpKind::SHAPE, 55},
                                                 {OpKind::POW, 56},
                                                 {OpKind::ARG_MIN, 57},
                                                 {OpKind::REDUCE_PROD, 27},
                                                 {OpKind::REDUCE_MAX, 27},
                                                 {OpKind::PACK, 59},
                                                 {OpKind::LOGICAL_OR, 60},
                                                 {OpKind::ONE_HOT, 61},
                                                 {OpKind::LOGICAL_AND, 62},
                                                 {OpKind::LOGICAL_NOT, 63},
                                                 {OpKind::UNPACK, 64},
                                                 {OpKind::REDUCE_MIN, 27},
                                                 {OpKind::FLOOR_DIV, 65},
                                                 {OpKind::REDUCE_ANY, 27},
                                                 {OpKind::SQUARE, 66},
                                                 {OpKind::ZEROS_LIKE, 67},
                                                 {OpKind::FILL, 68},
                                                 {OpKind::FLOOR_MOD, 72},
                                                 {OpKind::RANGE, 73},
                                                 {OpKind::RESIZE_NEAREST_NEIGHBOR, 74},
                                                 {OpKind::LEAKY_RELU, 75},
                                                 {OpKind::SQUARED_DIFFERENCE, 76},
                                                 {OpKind::MIRROR_PAD, 77},
                                                 {OpKind::ABS, 78},
                                                 {OpKind::SPLIT_V, 79},
                                                 {OpKind::CEIL, 0},
                                                 {OpKind::REVERSE_V2, 81},
                                                 {OpKind::ADD_N, 82},
                                                 {OpKind::GATHER_ND, 83},
                                                 {OpKind::COS, 84},
                                                 {OpKind::WHERE, 85},
                                                 {OpKind::RANK, 86},
                                                 {OpKind::ELU, 0},
                                                 {OpKind::REVERSE_SEQUENCE, 87},
                                                 {OpKind::QUANTIZE, 89},
                                                 {OpKind::ROUND, 0},
                                                 {OpKind::HARD_SWISH, 91},
                                                 {OpKind::IF, 92},
                                                 {OpKind::WHILE, 93},
                                                 {OpKind::SCATTER_ND, 97},
                                                 {OpKind::SELECT_V2, 98},
                                                 {OpKind::DENSIFY, 99},
                                                 {OpKind::BATCH_MATMUL, 101},
                                                 {OpKind::CUMSUM, 102},
                                                 {OpKind::CALL_ONCE, 103},
                                                 {OpKind::BROADCAST_TO, 104},
                                                 {OpKind::RFFT2D, 105},
                                                 {OpKind::CONV_3D, 106},
                                                 {OpKind::COMPLEX_ABS, 0},
                                                 {OpKind::REDUCE_ALL, 27},
                                                 {OpKind::CONV_3D_TRANSPOSE, 106},
                                                 {OpKind::VAR_HANDLE, 111},
                                                 {OpKind::READ_VARIABLE, 112},
                                                 {OpKind::ASSIGN_VARIABLE, 113},
                                                 {OpKind::BROADCAST_ARGS, 0},
                                                 {OpKind::GELU, 116},
                                                 {OpKind::DYNAMIC_UPDATE_SLICE, 117},
                                                 {OpKind::RELU_0_TO_1, 0},
                                                 {OpKind::ATAN2, 122},
                                                 {OpKind::SIGN, 123},
                                                 {OpKind::INSTANCE_NORM, 254},
                                                 {OpKind::BCQ_FULLY_CONNECTED, 253},
                                                 {OpKind::BCQ_GATHER, 252},
                                                 {OpKind::GRU, 251},
                                                 {OpKind::RMS_NORM, 250},
                                                 {OpKind::ROPE, 249}};

}  // namespace

TEST_CASE("wire: identifier and version") {
  auto tflite = bytes_of_wire(test::rich_model(Format::tflite)),
       circle = bytes_of_wire(test::rich_model(Format::circle));
  CHECK(std::memcmp(tflite.data() + 4, "TFL3", 4) == 0);
  CHECK(std::memcmp(circle.data() + 4, "CIR0", 4) == 0);
  CHECK(RawTable::root(tflite).get<uint32_t>(slot::model_version) == 3);
  CHECK(RawTable::root(circle).get<uint32_t>(slot::model_version) == 0);
}

TEST_CASE("wire: tensors") {
  auto bytes = bytes_of_wire(test::rich_model());
  const RawTable root = RawTable::root(bytes);
  const RawTable graph = root.element(slot::model_graphs, 0);
  const RawTable x = graph.element(slot::graph_tensors, 0), w = graph.element(slot::graph_tensors, 1);
  CHECK(x.text(slot::tensor_name) == "x");
  CHECK(x.get<int8_t>(slot::tensor_type) == 9);  // INT8
  CHECK(x.size(slot::tensor_shape) == 4);
  CHECK(x.item<int32_t>(slot::tensor_shape, 1) == 4);
  CHECK(x.item<int32_t>(slot::tensor_signature, 0) == -1);
  CHECK(x.get<uint8_t>(slot::tensor_has_rank) == 1);
  CHECK(x.get<uint32_t>(slot::tensor_buffer) == 0);
  const RawTable quant = w.table(slot::tensor_quantization);
  CHECK(quant.item<float>(slot::quant_scale, 1) == 0.25f);
  CHECK(quant.size(slot::quant_zero_point) == 2);
  CHECK(x.table(slot::tensor_quantization).item<int64_t>(slot::quant_zero_point, 0) == -3);
  CHECK(graph.element(slot::graph_tensors, 5).get<uint8_t>(slot::tensor_is_variable) == 1);
  CHECK(graph.element(slot::graph_tensors, 8).get<uint8_t>(slot::tensor_has_rank) == 0);
  CHECK(graph.item<int32_t>(slot::graph_inputs, 0) == 0);
  CHECK(graph.item<int32_t>(slot::graph_outputs, 0) == 8);
  CHECK(graph.text(slot::graph_name) == "main");
}

TEST_CASE("wire: the result of an integer addition is no float32, whatever the file says") {
  auto model = [](OpKind kind, Attrs attrs, Quantization q, DType second = DType::int8) {
    ModelData m;
    Graph& g = m.graphs.emplace_back();
    const ValueId a = test::add_value(g, "a", DType::int8, {2}), b = test::add_value(g, "b", second, {2});
    g.value(a).quant = g.value(b).quant = Quantization::per_tensor({0.5f, 3});
    const ValueId y = test::add_value(g, "y", DType::float32, {2});
    g.value(y).quant = std::move(q);
    g.inputs = {a, b};
    g.outputs = {y};
    g.nodes.push_back({kind, std::move(attrs), {a, b}, {y}, {}, 1, {}});
    const auto bytes = serialize(m);
    REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
    const auto owner = std::make_shared<const std::vector<std::byte>>(*bytes);
    const auto read = read_model(owner, *owner, "m");
    REQUIRE_MESSAGE(read.ok(), read.status().message());
    return *read;
  };
  const auto q = Quantization::per_tensor({0.25f, -7});
  for (const OpKind kind : {OpKind::ADD, OpKind::SUB, OpKind::MUL, OpKind::DIV}) {
    const auto m = model(kind, BinaryAttrs{}, q);
    CHECK(m->main().value(2).dtype == DType::int8);
    CHECK(m->main().value(2).quant == q);
    CHECK(m->notes == std::vector<std::string>{"treated float32 'y' as int8, the type of its inputs"});
  }
  // Not without a scale, not of unlike inputs, not of operators that keep their output's type.
  CHECK(model(OpKind::ADD, BinaryAttrs{}, {})->main().value(2).dtype == DType::float32);
  CHECK(model(OpKind::ADD, BinaryAttrs{}, q, DType::uint8)->main().value(2).dtype == DType::float32);
  CHECK(model(OpKind::MAXIMUM, NoAttrs{}, q)->main().value(2).dtype == DType::float32);
}

TEST_CASE("wire: the quantized axis") {
  ModelData m;
  Graph& g = m.graphs.emplace_back();
  const ValueId w = test::add_value(g, "w", DType::int8, {1, 2, 2}, Constant::of(std::vector<int8_t>(4, 1)));
  g.value(w).quant = Quantization::per_channel(2, {{0.5f, 0}, {0.25f, 0}});
  g.outputs = {w};
  auto bytes = bytes_of_wire(m);
  const RawTable t = RawTable::root(bytes).element(slot::model_graphs, 0).element(slot::graph_tensors, 0);
  CHECK(t.table(slot::tensor_quantization).get<int32_t>(slot::quant_axis) == 2);
}

TEST_CASE("wire: buffers are aligned to 64 bytes and the first one is empty") {
  auto bytes = bytes_of_wire(test::rich_model());
  const RawTable root = RawTable::root(bytes);
  CHECK(!root.element(slot::model_buffers, 0).has(slot::buffer_data));
  size_t seen = 0;
  for (size_t i = 1; i < root.size(slot::model_buffers); ++i) {
    const RawTable b = root.element(slot::model_buffers, i);
    if (b.size(slot::buffer_data) == 0) continue;
    CHECK(b.content(slot::buffer_data) % 64 == 0);
    ++seen;
  }
  CHECK(seen == 4);  // weights, bias, strings, metadata
  const RawTable w = root.element(slot::model_graphs, 0).element(slot::graph_tensors, 1);
  CHECK(root.element(slot::model_buffers, w.get<uint32_t>(slot::tensor_buffer)).size(slot::buffer_data) ==
        18);
}

TEST_CASE("wire: operators") {
  auto bytes = bytes_of_wire(test::rich_model());
  const RawTable root = RawTable::root(bytes);
  const RawTable graph = root.element(slot::model_graphs, 0);
  const RawTable conv = graph.element(slot::graph_operators, 0),
                 custom = graph.element(slot::graph_operators, 2);
  const RawTable code = root.element(slot::model_codes, conv.get<uint32_t>(slot::op_code));
  CHECK(code.get<int8_t>(slot::code_old) == 3);
  CHECK(code.get<int32_t>(slot::code_new) == 3);
  CHECK(code.get<int32_t>(slot::code_version, 1) == 3);
  CHECK(conv.get<uint8_t>(slot::op_options_type) == 1);
  const RawTable options = conv.table(slot::op_options);
  CHECK(options.get<int8_t>(0) == 1);      // padding VALID
  CHECK(options.get<int32_t>(1) == 1);     // stride_w
  CHECK(options.get<int8_t>(3) == 3);      // RELU6
  CHECK(options.get<int32_t>(4, 1) == 1);  // dilation_w_factor
  CHECK(conv.item<int32_t>(slot::op_inputs, 2) == 2);
  CHECK(root.element(slot::model_codes, custom.get<uint32_t>(slot::op_code)).text(slot::code_custom) ==
        "Strange");
  CHECK(custom.size(slot::op_custom) == 5);
  CHECK(custom.item<uint8_t>(slot::op_custom, 0) == 9);
  CHECK(custom.item<int32_t>(slot::op_inputs, 1) == -1);
  CHECK(custom.item<uint8_t>(slot::op_mutating, 2) == 1);
  CHECK(custom.item<int32_t>(slot::op_intermediates, 0) == 3);
}

TEST_CASE("wire: operator codes are not repeated, and differ by code, version and custom name") {
  ModelData m = test::single_op_model(OpKind::RELU);
  Graph& g = m.main();
  ValueId last = g.outputs[0];
  auto add = [&](OpKind kind, Attrs attrs, int version) {
    const ValueId out = test::add_value(g, "", DType::float32, {1, 2, 2, 1});
    g.nodes.push_back({kind, std::move(attrs), {last}, {out}, {}, version, {}});
    last = out;
  };
  add(OpKind::RELU, NoAttrs{}, 1);
  add(OpKind::RELU, NoAttrs{}, 2);
  add(OpKind::CUSTOM, CustomAttrs{"A", {}}, 1);
  add(OpKind::CUSTOM, CustomAttrs{"B", {}}, 1);
  add(OpKind::CUSTOM, CustomAttrs{"A", {1}}, 1);
  auto bytes = bytes_of_wire(m);
  CHECK(RawTable::root(bytes).size(slot::model_codes) == 4);
}

TEST_CASE("wire: builtin codes, in the old field and the new one") {
  auto codes = [](OpKind kind) {
    auto bytes = bytes_of_wire(test::single_op_model(kind));
    const RawTable code = RawTable::root(bytes).element(slot::model_codes, 0);
    return std::make_pair(int{code.get<int8_t>(slot::code_old)}, code.get<int32_t>(slot::code_new));
  };
  CHECK(codes(OpKind::ADD) == std::make_pair(0, 0));
  CHECK(codes(OpKind::BATCH_MATMUL) == std::make_pair(126, 126));
  CHECK(codes(OpKind::GELU) == std::make_pair(127, 150));
  CHECK(codes(OpKind::INSTANCE_NORM) == std::make_pair(-2, -2));
  CHECK(codes(OpKind::ROPE) == std::make_pair(-7, -7));
}

TEST_CASE("wire: files older than the new code field, and circle's byte codes") {
  // What old writers left out reads as 0.
  for (const OpKind kind : {OpKind::CONV_2D, OpKind::INSTANCE_NORM}) {
    auto bytes = bytes_of_wire(test::single_op_model(kind));
    RawTable code = RawTable::root(bytes).element(slot::model_codes, 0);
    code.set<int32_t>(slot::code_new, 0);
    const auto model = parse_wire(bytes);
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    CHECK((*model)->main().nodes[0].kind == kind);
  }
}

TEST_CASE("wire: the number of each operator's options") {
  CHECK(std::size(kOptionNumbers) == kOpKindCount);
  for (const auto& [kind, number] : kOptionNumbers) {
    CAPTURE(name_of(kind));
    ModelData m = test::single_op_model(kind);
    if (auto* cast = std::get_if<CastAttrs>(&m.main().nodes[0].attrs)) cast->has_types = true;
    auto bytes = bytes_of_wire(m);
    const RawTable op =
        RawTable::root(bytes).element(slot::model_graphs, 0).element(slot::graph_operators, 0);
    CHECK(int{op.get<uint8_t>(slot::op_options_type)} == number);
    CHECK(op.has(slot::op_options) == (number != 0));
  }
}

TEST_CASE("wire: signatures hold tensor numbers, the model holds positions") {
  auto bytes = bytes_of_wire(test::rich_model());
  const RawTable serve = RawTable::root(bytes).element(slot::model_signatures, 0);
  CHECK(serve.text(slot::signature_key) == "serve");
  CHECK(serve.element(slot::signature_outputs, 0).get<uint32_t>(slot::map_tensor) == 8);
  CHECK(serve.element(slot::signature_outputs, 1).get<uint32_t>(slot::map_tensor) == 4);
  const RawTable second = RawTable::root(bytes).element(slot::model_signatures, 1);
  CHECK(second.get<uint32_t>(slot::signature_graph) == 1);
}

TEST_CASE("wire: a buffer behind the FlatBuffer") {
  const ModelData original = test::rich_model();
  auto bytes = bytes_of_wire(original);
  RawTable root = RawTable::root(bytes);
  const RawTable w = root.element(slot::model_graphs, 0).element(slot::graph_tensors, 1);
  // The buffer table has the one field `data`; give it a vtable with offset and size, behind the file's end.
  const uint32_t index = w.get<uint32_t>(slot::tensor_buffer);
  const size_t entry = root.content(slot::model_buffers) + 4 * index;
  const size_t old_content = root.element(slot::model_buffers, index).content(slot::buffer_data);
  std::vector<std::byte> moved(bytes.begin() + static_cast<std::ptrdiff_t>(old_content),
                               bytes.begin() + static_cast<std::ptrdiff_t>(old_content) + 18);
  while (bytes.size() % 8 != 0)
    bytes.push_back({});
  const size_t vtable = bytes.size(), table = vtable + 16, data = table + 24;
  bytes.resize(data + 18);
  auto put = [&](size_t at, auto v) { std::memcpy(bytes.data() + at, &v, sizeof v); };
  for (const auto& [i, v] : {std::pair{0, 10}, {1, 24}, {2, 0}, {3, 8}, {4, 16}})
    put(vtable + 2 * static_cast<size_t>(i), static_cast<uint16_t>(v));
  put(table, static_cast<int32_t>(table - vtable));
  put(table + 8, static_cast<uint64_t>(data));
  put(table + 16, uint64_t{18});
  std::copy(moved.begin(), moved.end(), bytes.begin() + static_cast<std::ptrdiff_t>(data));
  put(entry, static_cast<uint32_t>(table - entry));
  // The old place must not matter any more.
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(old_content), 18, std::byte{0x55});
  const auto model = parse_wire(bytes);
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  CHECK_EQ(test::diff(original, **model), "");

  put(table + 16, uint64_t{19});  // one byte past the end of the file
  CHECK_EQ(parse_wire(bytes).status().message(), "memory: tensor 'w': buffer " + std::to_string(index) +
                                                     ": 19 bytes at offset " + std::to_string(data) +
                                                     " are outside of the file");
}

TEST_CASE("wire: constants are views of the file, copies only where the element type needs it") {
  const auto owner = std::make_shared<const Constant>(Constant::copy_of(bytes_of_wire(test::rich_model())));
  const std::span<const std::byte> all = owner->bytes();
  const auto model = read_model(owner, all, "memory");
  REQUIRE(model.ok());
  CHECK((*model)->notes.empty());
  for (const Value& v : (*model)->main().values) {
    const auto c = v.constant.bytes();
    if (c.empty()) continue;
    CHECK(c.data() >= all.data());
    CHECK(c.data() + c.size() <= all.data() + all.size());
  }
}
