// Which of the real models are refused, and why; every other one must be read.
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <map>

#include "schema/flatbuffer/format.hpp"

using namespace octet;

namespace {

const std::map<std::string, std::string> kRefused = {
    {"circle_editor_test.circle",
     "tensor 'convolution;PartitionedCall/convolution_3': has 1728 bytes of data; 1x3x3x3 float32 takes 108"},
    {"0_subgraphs.bin", "has no graph"},
    {"no_subgraphs.bin", "has no graph"},
    {"add_shared_tensors.bin", "ADD 'input': its result, tensor 'input', is a graph input"},
    {"java_invalid_model.bin", "is neither a .tflite nor a .circle file (it has no TFL3 or CIR0 identifier)"},
    {"test_model_broken.bin", "is neither a .tflite nor a .circle file (it has no TFL3 or CIR0 identifier)"},
    {"segment_sum_invalid_buffer.bin",
     "SEGMENT_SUM 'pyx': reads tensor 'pyx/y', which nothing computes and which has no data"},
    // Its blocks are read; its weights have no data, and its operator no code.
    {"blockwise_quantized.tflite",
     "ADD 'output_tensor': reads tensor 'quantized_tensor', which nothing computes and which has no data"},
    {"host_cmd_line_interpreter_tests_test_mobnet_model_mobilenet_v1.tflite",
     "CUSTOM:XC_conv2d_v2 'F': reads tensor 'D', which nothing computes and which has no data"},
    {"Makefile.tflite", "is neither a .tflite nor a .circle file (it has no TFL3 or CIR0 identifier)"},
    {"catdog2_catdog2.tflite",
     "tensor 'sequential_2/dense_5/BiasAdd/ReadVariableOp/resource': has scale inf (1 of 1)"},
    {"mobilenet_v1_1_0_224_mobilenet_v1_1.0_224.tflite",
     "is neither a .tflite nor a .circle file (it has no TFL3 or CIR0 identifier)"},
};

}  // namespace

TEST_CASE("real models: each is read, or refused for the right reason") {
  const char* folder = std::getenv("OCTET_MODELS");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  int read = 0, refused = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string(), ending = entry.path().extension().string();
    const bool edge_case = ending == ".bin" && path.find("/edge_cases/") != std::string::npos;
    if (ending != ".tflite" && ending != ".circle" && !edge_case) continue;
    const auto expected = kRefused.find(entry.path().filename().string());
    const auto model = read_model(path);
    CHECK_EQ(model.status().message(), expected == kRefused.end() ? "" : path + ": " + expected->second);
    ++(model.ok() ? read : refused);
  }
  MESSAGE(read << " read, " << refused << " refused");
}

TEST_CASE("real models: oddities that are put right") {
  const char* folder = std::getenv("OCTET_MODELS");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  const std::string root = folder;
  // The bias has one axis and claims to be quantized along axis 3.
  const auto person = read_model(root + "/small_cls/person_detect_int8.tflite");
  REQUIRE_MESSAGE(person.ok(), person.status().message());
  for (const Value& v : (*person)->main().values)
    if (v.quant.is_per_channel() && v.shape.rank() == 1) CHECK(v.quant.axis() == 0);
  // A .circle by name, a .tflite by content.
  const auto misnamed = read_model(root + "/circle/wiki40b-lm-en_TFL3_misnamed.circle");
  REQUIRE(misnamed.ok());
  CHECK((*misnamed)->format == Format::tflite);
  // Codes only in the old field.
  const auto older = read_model(root + "/circle/test_onnx_older.circle");
  REQUIRE(older.ok());
  CHECK((*older)->main().nodes[0].kind == OpKind::TRANSPOSE);
  // Data without elements.
  const auto empty = read_model(root + "/edge_cases/zero_size_constant.bin");
  REQUIRE(empty.ok());
  bool found = false;
  for (const Value& v : (*empty)->main().values)
    found = found || (v.is_constant() && v.constant.bytes().empty());
  CHECK(found);
  // Sparse weights; a sparse tensor that is a graph input, whose data does not matter.
  const auto sparse = read_model(root + "/mediapipe_float/face_detection_full_range_sparse_f16.tflite");
  REQUIRE_MESSAGE(sparse.ok(), sparse.status().message());
  CHECK_EQ((*sparse)->notes, std::vector<std::string>{"made 46 sparse tensors dense"});
  for (const Node& n : (*sparse)->main().nodes)
    CHECK(n.kind != OpKind::DENSIFY);
  const auto sparse_input = read_model(root + "/edge_cases/sparse_tensor.bin");
  REQUIRE_MESSAGE(sparse_input.ok(), sparse_input.status().message());
  CHECK_EQ((*sparse_input)->notes,
           std::vector<std::string>{"ignored the data that graph input 'sparse_tensor' has",
                                    "made 1 sparse tensors dense"});
  // int16 biases at odd addresses.
  const auto odd = read_model(root + "/audio/ds_cnn_s_int16_arm.tflite");
  REQUIRE(odd.ok());
  CHECK_EQ((*odd)->notes,
           std::vector<std::string>{"copied 3 constants that are not aligned to their element size"});
}
