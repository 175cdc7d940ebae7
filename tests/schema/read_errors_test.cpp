// Files that are well-formed FlatBuffers and still wrong: one damaged field each, and the message it gives.
#include <cmath>
#include <doctest/doctest.h>
#include <functional>

#include "schema/flatbuffer/format.hpp"
#include "tests/support/raw_flatbuffer.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;
using test::RawTable;
namespace slot = test::slot;

namespace {

std::string message_of(const std::vector<std::byte>& bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  const auto model = read_model(std::move(owner), view, "m");
  return model.ok() ? "fine" : model.status().message();
}

// The message after `damage` to the bytes of the rich model.
std::string after(const std::function<void(RawTable root)>& damage, Format format = Format::tflite) {
  auto bytes = *serialize(test::rich_model(format));
  damage(RawTable::root(bytes));
  return message_of(bytes);
}
RawTable graph(RawTable root) {
  return root.element(slot::model_graphs, 0);
}
RawTable tensor(RawTable root, size_t i) {
  return graph(root).element(slot::graph_tensors, i);
}
RawTable quantization(RawTable root, size_t i) {
  return tensor(root, i).table(slot::tensor_quantization);
}
RawTable op(RawTable root, size_t i) {
  return graph(root).element(slot::graph_operators, i);
}

}  // namespace

TEST_CASE("read errors: not a model at all") {
  const auto text = [](std::string_view s) {
    const auto* first = reinterpret_cast<const std::byte*>(s.data());
    return message_of({first, first + s.size()});
  };
  CHECK_EQ(text(""), "m: is too short to be a model");
  CHECK_EQ(text("TFL3"), "m: is too short to be a model");
  CHECK_EQ(text("This is not a model"),
           "m: is neither a .tflite nor a .circle file (it has no TFL3 or CIR0 identifier)");
  CHECK_EQ(text(std::string_view("\x10\0\0\0TFL3\0\0\0\0", 12)),
           "m: is truncated or damaged (the FlatBuffers verifier refuses it)");
}

TEST_CASE("read errors: files that cannot be opened") {
  CHECK_EQ(read_model("/nonexistent/x.tflite").status().message(),
           "/nonexistent/x.tflite: cannot be opened: No such file or directory");
  CHECK_EQ(read_model("/").status().message(), "/: is a directory");
  CHECK_EQ(read_model("/dev/null").status().message(), "/dev/null: is not a regular file");
  CHECK(read_model("/dev/null").status().code() == Code::io_error);
}

TEST_CASE("read errors: model and graphs") {
  // Version 3 is stored; circle's 0 is the default and is not, so only .tflite can be damaged in place.
  CHECK_EQ(after([](RawTable r) { r.set<uint32_t>(slot::model_version, 2); }),
           "m: has schema version 2; Octet reads version 3");
  CHECK_EQ(after([](RawTable r) { r.set_size(slot::model_graphs, 0); }), "m: has no graph");
  CHECK_EQ(after([](RawTable r) { graph(r).set_item<int32_t>(slot::graph_inputs, 0, 99); }),
           "m: graph input 0 is tensor 99, and there are 9");
  CHECK_EQ(after([](RawTable r) { graph(r).set_item<int32_t>(slot::graph_outputs, 1, -1); }),
           "m: graph output 1 is tensor -1, and there are 9");
  CHECK_EQ(after([](RawTable r) {
             graph(r).set_item<int32_t>(slot::graph_inputs, 0, 3), r.set_size(slot::model_signatures, 0);
           }),
           "m: CONV_2D 'conv': its result, tensor 'conv', is a graph input");
  CHECK_EQ(after([](RawTable r) {
             r.element(slot::model_graphs, 1).set_item<int32_t>(slot::graph_outputs, 0, 7);
           }),
           "m: graph 'second': graph output 0 is tensor 7, and there are 2");
}

TEST_CASE("read errors: tensors") {
  CHECK_EQ(after([](RawTable r) { tensor(r, 1).set<int8_t>(slot::tensor_type, 99); }),
           "m: tensor 'w': has element type 99, which Octet does not support");
  CHECK_EQ(after([](RawTable r) { tensor(r, 1).set<int8_t>(slot::tensor_type, 19); }),
           "m: tensor 'w': has element type INT2, which Octet does not support");
  CHECK_EQ(after([](RawTable r) { tensor(r, 1).set<int8_t>(slot::tensor_type, -6); }, Format::circle),
           "m: tensor 'w': has element type MXFP4, which Octet does not support");
  CHECK_EQ(after([](RawTable r) { tensor(r, 1).set<uint32_t>(slot::tensor_buffer, 99); }),
           "m: tensor 'w': buffer 99 does not exist (there are 7)");
  CHECK_EQ(after([](RawTable r) { tensor(r, 1).set_item<int32_t>(slot::tensor_shape, 1, -7); }),
           "m: tensor 'w': has an extent of -7");
  CHECK_EQ(after([](RawTable r) { tensor(r, 1).set_item<int32_t>(slot::tensor_shape, 1, 4); }),
           "m: tensor 'w': has 18 bytes of data; 2x4x3x1 int8 takes 24");
  CHECK_EQ(after([](RawTable r) { tensor(r, 0).set_size(slot::tensor_signature, 3); }),
           "m: tensor 'x': has 4 axes, but its shape signature has 3");
  CHECK_EQ(
      after([](RawTable r) {
        for (size_t i = 0; i < 4; ++i)
          tensor(r, 3).set_item<int32_t>(slot::tensor_shape, i, INT32_MAX);
      }),
      "m: tensor 'conv': is larger than memory can be (2147483647x2147483647x2147483647x2147483647 int8)");
  CHECK_EQ(after([](RawTable r) { tensor(r, 6).set_item<int32_t>(slot::tensor_shape, 0, 3); }),
           "m: tensor 'words': holds no well-formed table of 3 strings");
  CHECK_EQ(after([](RawTable r) {
             const auto index = tensor(r, 6).get<uint32_t>(slot::tensor_buffer);
             r.element(slot::model_buffers, index).set_item<uint8_t>(slot::buffer_data, 8, 200);
           }),
           "m: tensor 'words': has string 1 outside of its data");
  // A variable with data: the number of the data moves to tensor 5.
  CHECK_EQ(after([](RawTable r) { tensor(r, 1).set<uint8_t>(slot::tensor_has_rank, 0); }), "fine");
}

TEST_CASE("read errors: quantization") {
  CHECK_EQ(after([](RawTable r) { quantization(r, 1).set_size(slot::quant_zero_point, 1); }),
           "m: tensor 'w': has 2 scales and 1 zero points");
  CHECK_EQ(after([](RawTable r) { quantization(r, 1).set_item<float>(slot::quant_scale, 1, 0.0f); }),
           "m: tensor 'w': has scale 0 (2 of 2)");
  CHECK_EQ(after([](RawTable r) { quantization(r, 1).set_item<float>(slot::quant_scale, 0, -1.0f); }),
           "m: tensor 'w': has scale -1 (1 of 2)");
  CHECK_EQ(after([](RawTable r) { quantization(r, 1).set_item<float>(slot::quant_scale, 0, INFINITY); }),
           "m: tensor 'w': has scale inf (1 of 2)");
  CHECK_EQ(after([](RawTable r) { quantization(r, 1).set_item<float>(slot::quant_scale, 0, NAN); }),
           "m: tensor 'w': has scale nan (1 of 2)");
  CHECK_EQ(after([](RawTable r) { quantization(r, 0).set_item<int64_t>(slot::quant_zero_point, 0, 128); }),
           "m: tensor 'x': has zero point 128, which is not an int8");
  CHECK_EQ(after([](RawTable r) {
             tensor(r, 1).set_item<int32_t>(slot::tensor_shape, 0, 1),
                 tensor(r, 1).set_item<int32_t>(slot::tensor_shape, 1, 6);
           }),
           "m: tensor 'w': has 2 scales along axis 0 of shape 1x6x3x1");
}

TEST_CASE("read errors: operators") {
  CHECK_EQ(after([](RawTable r) { op(r, 0).set_item<int32_t>(slot::op_inputs, 1, 9); }),
           "m: CONV_2D 'CONV_2D#0': input 1 is tensor 9, and there are 9");
  CHECK_EQ(after([](RawTable r) { op(r, 0).set_item<int32_t>(slot::op_inputs, 1, -2); }),
           "m: CONV_2D 'CONV_2D#0': input 1 is tensor -2, and there are 9");
  CHECK_EQ(after([](RawTable r) { op(r, 0).set_item<int32_t>(slot::op_outputs, 0, 4); }),
           "m: RESHAPE 'flat': its result, tensor 'flat', is the result of another operator, too");
  CHECK_EQ(after([](RawTable r) { op(r, 1).set_item<int32_t>(slot::op_outputs, 0, 1); }),
           "m: RESHAPE 'w': its result, tensor 'w', is a constant");
  CHECK_EQ(after([](RawTable r) { op(r, 0).set_item<int32_t>(slot::op_inputs, 0, 4); }),
           "m: operator 'conv' is part of a cycle or waits for one");
  CHECK_EQ(after([](RawTable r) { op(r, 2).set<uint32_t>(slot::op_code, 4); }),
           "m: operator #2: operator code 4 does not exist (there are 4)");
  CHECK_EQ(after([](RawTable r) { op(r, 0).set<uint8_t>(slot::op_options_type, 41); }),
           "m: CONV_2D 'conv': has options of type 41 instead of Conv2DOptions");
  CHECK_EQ(after([](RawTable r) { op(r, 0).table(slot::op_options).set<int8_t>(0, 7); }),
           "m: CONV_2D 'conv': unknown padding 7");
  CHECK_EQ(after([](RawTable r) { op(r, 0).table(slot::op_options).set<int8_t>(3, -1); }),
           "m: CONV_2D 'conv': unknown activation -1");
  CHECK_EQ(after([](RawTable r) { op(r, 0).table(slot::op_options).set<int32_t>(1, 0); }),
           "m: CONV_2D 'conv': has stride 0");
}

TEST_CASE("read errors: signatures and metadata") {
  CHECK_EQ(after([](RawTable r) {
             r.element(slot::model_signatures, 0)
                 .element(slot::signature_outputs, 0)
                 .set<uint32_t>(slot::map_tensor, 1);
           }),
           "m: signature 'serve': output 'score' is tensor 1, which is not an output of its graph");
  CHECK_EQ(
      after([](RawTable r) { r.element(slot::model_signatures, 1).set<uint32_t>(slot::signature_graph, 5); }),
      "m: signature 'second': graph 5 does not exist (there are 2)");
  CHECK_EQ(
      after([](RawTable r) { r.element(slot::model_metadata, 0).set<uint32_t>(slot::metadata_buffer, 70); }),
      "m: metadata 'note': buffer 70 does not exist (there are 7)");
}

TEST_CASE("read errors: an operator that Octet does not know can be inspected, not written") {
  auto bytes = *serialize(test::rich_model());
  RawTable root = RawTable::root(bytes);
  root.element(slot::model_codes, 1).set<int8_t>(slot::code_old, 125);
  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  const auto model = read_model(std::move(owner), view, "m");
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  CHECK((*model)->main().nodes[1].kind == OpKind::UNKNOWN);
  CHECK_EQ(kind_name((*model)->main().nodes[1]), "SEGMENT_SUM");
  CHECK_EQ(serialize(**model).status().message(),
           "SEGMENT_SUM 'flat': Octet can inspect this SEGMENT_SUM, but not write it");
  // circle's own codes mean nothing in a .tflite file.
  root.element(slot::model_codes, 1).set<int8_t>(slot::code_old, -2);
  root.element(slot::model_codes, 1).set<int32_t>(slot::code_new, -2);
  owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> second = *owner;
  const auto foreign = read_model(std::move(owner), second, "m");
  REQUIRE_MESSAGE(foreign.ok(), foreign.status().message());
  CHECK((*foreign)->main().nodes[1].kind == OpKind::UNKNOWN);
}

TEST_CASE("read errors: operators out of order are put in order") {
  auto bytes = *serialize(test::rich_model());
  const RawTable g = graph(RawTable::root(bytes));
  // Swap the first two entries of the vector of operators; offsets are relative to where they stand.
  const size_t at = g.content(slot::graph_operators);
  uint32_t a = 0, b = 0;
  std::memcpy(&a, bytes.data() + at, 4);
  std::memcpy(&b, bytes.data() + at + 4, 4);
  const uint32_t first = b + 4, second = a - 4;
  std::memcpy(bytes.data() + at, &first, 4);
  std::memcpy(bytes.data() + at + 4, &second, 4);
  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  const auto model = read_model(std::move(owner), view, "m");
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  CHECK((*model)->main().nodes[0].kind == OpKind::CONV_2D);
  CHECK_EQ((*model)->notes, std::vector<std::string>{"put the operators of graph 'main' in order"});
}

TEST_CASE("read errors: names from a file cannot break a line or a terminal") {
  ModelData m = test::rich_model();
  m.main().values[1].name = "a\nb\x1b[31m\xff\xc2\x9b\xc3\xa9";
  auto bytes = *serialize(m);
  auto owner = std::make_shared<const std::vector<std::byte>>(bytes);
  const std::span<const std::byte> view = *owner;
  const auto model = read_model(std::move(owner), view, "m");
  REQUIRE(model.ok());
  CHECK_EQ((*model)->main().values[1].name, "a_b_[31m__\xc3\xa9");
}
