// read(write(x)) == x.
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>

#include "schema/flatbuffer/format.hpp"
#include "tests/support/model_diff.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;
using test::diff;

namespace {

Result<std::shared_ptr<const ModelData>> read_back(const ModelData& m) {
  auto bytes = serialize(m);
  if (!bytes.ok()) return std::move(bytes).status();
  auto owner = std::make_shared<const std::vector<std::byte>>(*std::move(bytes));
  const std::span<const std::byte> view = *owner;
  return read_model(std::move(owner), view, "memory");
}

// Why `m` does not survive being written and read, or "".
std::string round_trip(const ModelData& m) {
  const auto back = read_back(m);
  return back.ok() ? diff(m, **back) : back.status().message();
}

}  // namespace

TEST_CASE("round trip: everything the format can say") {
  for (const Format format : {Format::tflite, Format::circle}) {
    const ModelData m = test::rich_model(format);
    CHECK_EQ(round_trip(m), "");
  }
}

TEST_CASE("a graph input that is marked as a variable is read as an input") {
  ModelData m = test::runnable_model();
  m.main().value(m.main().inputs[0]).is_variable = true;
  const auto back = read_back(m);
  REQUIRE_MESSAGE(back.ok(), back.status().message());
  const Graph& g = (*back)->main();
  CHECK(!g.value(g.inputs[0]).is_variable);
  CHECK((*back)->notes ==
        std::vector<std::string>{"ignored is_variable on graph input '" + g.value(g.inputs[0]).name + "'"});
}

TEST_CASE("round trip: from .tflite to .circle and back") {
  const ModelData original = test::rich_model();
  ModelData m = original;
  m.format = Format::circle;
  const auto circle = read_back(m);
  REQUIRE_MESSAGE(circle.ok(), circle.status().message());
  CHECK((*circle)->format == Format::circle);
  ModelData again = **circle;
  again.format = Format::tflite;
  const auto tflite = read_back(again);
  REQUIRE_MESSAGE(tflite.ok(), tflite.status().message());
  CHECK_EQ(diff(original, **tflite), "");
}

TEST_CASE("round trip: every operator with default options") {
  for (int k = 0; k < kOpKindCount; ++k) {
    const auto kind = static_cast<OpKind>(k);
    CAPTURE(name_of(kind));
    CHECK_EQ(round_trip(test::single_op_model(kind)), "");
  }
}

TEST_CASE("round trip: options that are not at their defaults") {
  // Each distinct value lands in its own field: a swap of two fields would show.
  Padding valid = Padding::Kind::valid;
  Activation act = Activation::Kind::relu_n1_to_1;
  const std::vector<std::pair<OpKind, Attrs>> rows = {
      {OpKind::CONV_2D, Conv2DAttrs{valid, 2, 3, 4, 5, act, DType::int64}},
      {OpKind::DEPTHWISE_CONV_2D, DepthwiseConv2DAttrs{valid, 2, 3, 4, 5, 6, act}},
      {OpKind::TRANSPOSE_CONV, TransposeConvAttrs{valid, 2, 3, act, DType::int32}},
      {OpKind::CONV_3D, Conv3DAttrs{valid, 2, 3, 4, 5, 6, 7, act}},
      {OpKind::CONV_3D_TRANSPOSE, Conv3DAttrs{valid, 2, 3, 4, 5, 6, 7, act}},
      {OpKind::AVERAGE_POOL_2D, Pool2DAttrs{valid, 2, 3, 4, 5, act}},
      {OpKind::FULLY_CONNECTED, FullyConnectedAttrs{act, 1, true, false, DType::int32}},
      {OpKind::FULLY_CONNECTED, FullyConnectedAttrs{act, 127, false, true, DType::int64}},
      {OpKind::BATCH_MATMUL, BatchMatMulAttrs{true, false, true}},
      {OpKind::BATCH_MATMUL, BatchMatMulAttrs{false, true, false}},
      {OpKind::CONCATENATION, ConcatAttrs{-2, act}},
      {OpKind::ADD, BinaryAttrs{act, false}},
      {OpKind::SUB, BinaryAttrs{act, false}},
      {OpKind::MUL, BinaryAttrs{act, true}},
      {OpKind::DIV, BinaryAttrs{act, true}},
      {OpKind::L2_NORMALIZATION, ActivationAttrs{act}},
      {OpKind::LOCAL_RESPONSE_NORMALIZATION, LrnAttrs{5, 1.5f, 2.5f, 3.5f}},
      {OpKind::SVDF, SvdfAttrs{4, act, true}},
      {OpKind::RNN, RnnAttrs{act, true}},
      {OpKind::UNIDIRECTIONAL_SEQUENCE_RNN, SequenceRnnAttrs{true, act, false}},
      {OpKind::BIDIRECTIONAL_SEQUENCE_RNN, BidirectionalRnnAttrs{true, act, false, true}},
      {OpKind::LSTM, LstmAttrs{act, 1.5f, 2.5f, true, false}},
      {OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM, SequenceLstmAttrs{act, 1.5f, 2.5f, true, false, true}},
      {OpKind::BIDIRECTIONAL_SEQUENCE_LSTM, BidirectionalLstmAttrs{act, 1.5f, 2.5f, true, false, true}},
      {OpKind::SOFTMAX, SoftmaxAttrs{0.0f}},
      {OpKind::RESHAPE, ReshapeAttrs{{}, true}},
      {OpKind::RESHAPE, ReshapeAttrs{{-1, 3}, true}},
      {OpKind::RESIZE_BILINEAR, ResizeAttrs{true, false}},
      {OpKind::RESIZE_NEAREST_NEIGHBOR, ResizeAttrs{false, true}},
      {OpKind::SPACE_TO_DEPTH, BlockAttrs{3}},
      {OpKind::GATHER, GatherAttrs{2, 1}},
      {OpKind::MEAN, ReduceAttrs{true}},
      {OpKind::SQUEEZE, SqueezeAttrs{{1, -1}}},
      {OpKind::SPLIT, SplitAttrs{3}},
      {OpKind::SPLIT_V, SplitAttrs{4}},
      {OpKind::STRIDED_SLICE, StridedSliceAttrs{1, 2, 4, 8, 16, true}},
      {OpKind::CAST, CastAttrs{DType::int8, DType::int64, true}},
      {OpKind::CAST, CastAttrs{DType::float32, DType::float32, false}},
      {OpKind::ARG_MAX, ArgAttrs{DType::int32}},
      {OpKind::ARG_MIN, ArgAttrs{DType::int32}},
      {OpKind::SHAPE, ShapeAttrs{DType::int64}},
      {OpKind::PACK, PackAttrs{2, -1}},
      {OpKind::UNPACK, UnpackAttrs{3, 1}},
      {OpKind::ONE_HOT, OneHotAttrs{0}},
      {OpKind::LEAKY_RELU, LeakyReluAttrs{0.25f}},
      {OpKind::MIRROR_PAD, MirrorPadAttrs{MirrorPadAttrs::Mode::symmetric}},
      {OpKind::GELU, GeluAttrs{true}},
      {OpKind::CUMSUM, CumsumAttrs{true, false}},
      {OpKind::REVERSE_SEQUENCE, ReverseSequenceAttrs{2, 1}},
      {OpKind::VAR_HANDLE, VarHandleAttrs{"container", "name"}},
      {OpKind::INSTANCE_NORM, InstanceNormAttrs{1e-5f, act}},
      {OpKind::RMS_NORM, RmsNormAttrs{1e-6f}},
      {OpKind::GRU, GruAttrs{act, true, false}},
      {OpKind::ROPE, RopeAttrs{RopeAttrs::Mode::gpt_j}},
      {OpKind::BCQ_GATHER, BcqGatherAttrs{3, 4}},
      {OpKind::BCQ_FULLY_CONNECTED, BcqFullyConnectedAttrs{5, act}},
  };
  for (const auto& [kind, attrs] : rows) {
    CAPTURE(name_of(kind));
    ModelData m = test::single_op_model(kind);
    m.main().nodes[0].attrs = attrs;
    CHECK_EQ(round_trip(m), "");
  }
}

TEST_CASE(
    "round trip: the same model gives the same bytes, and constants that share storage share a buffer") {
  ModelData m = test::rich_model();
  const auto once = serialize(m), twice = serialize(m);
  REQUIRE(once.ok());
  REQUIRE(twice.ok());
  CHECK(*once == *twice);

  const Constant weights = Constant::of(std::vector<float>(1000, 1.0f));
  ModelData shared;
  Graph& g = shared.graphs.emplace_back();
  const ValueId a = test::add_value(g, "a", DType::float32, {1000}, weights);
  const ValueId b = test::add_value(g, "b", DType::float32, {1000}, weights);
  g.outputs = {a, b};
  const auto bytes = serialize(shared);
  REQUIRE(bytes.ok());
  CHECK(bytes->size() < 2 * 4000);
  CHECK_EQ(round_trip(shared), "");
}

TEST_CASE("round trip: every model at hand, in its own format and through the other one") {
  const char* folder = std::getenv("OCTET_MODELS");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  int models = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string(), ending = entry.path().extension().string();
    const bool edge_case = ending == ".bin" && path.find("/edge_cases/") != std::string::npos;
    if (ending != ".tflite" && ending != ".circle" && !edge_case) continue;
    const auto model = read_model(path);
    if (!model.ok()) continue;  // refused_models_test.cpp says which may be
    bool known = true;
    for (const Graph& g : (*model)->graphs)
      for (const Node& n : g.nodes)
        known = known && n.kind != OpKind::UNKNOWN;
    if (!known) continue;  // can be inspected only
    CAPTURE(path);
    ++models;
    CHECK_EQ(round_trip(**model), "");
    ModelData other = **model;
    other.format = other.format == Format::tflite ? Format::circle : Format::tflite;
    const auto converted = read_back(other);
    REQUIRE_MESSAGE(converted.ok(), converted.status().message());
    ModelData back = **converted;
    back.format = (*model)->format;
    CHECK_EQ(diff(**model, back), "");
    CHECK_EQ(round_trip(back), "");
  }
  MESSAGE(models << " models");
  CHECK(models > 0);
}
