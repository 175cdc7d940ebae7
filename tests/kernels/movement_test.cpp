// What the case tables cannot say of the operators that move data: errors, deferral, sharing, requantization.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <numeric>

#include "kernels/op_spec.hpp"

namespace octet {
namespace {

// A node with its tensors; integer inputs are known unless made otherwise.
struct Fixture {
  OpKind kind;
  Attrs attrs = NoAttrs{};
  std::vector<TensorDesc> in, out{1};
  std::vector<std::unique_ptr<std::vector<int32_t>>> storage;

  Fixture(OpKind k, Attrs a = NoAttrs{}) : kind(k), attrs(std::move(a)) {}
  Fixture& data(Shape s, DType t = DType::float32, Quantization q = {}) {
    in.push_back({.name = "data", .dtype = t, .shape = s, .quant = std::move(q)});
    return *this;
  }
  Fixture& ints(std::vector<int32_t> v, std::optional<Shape> s = {}) {
    storage.push_back(std::make_unique<std::vector<int32_t>>(std::move(v)));
    const auto n = static_cast<int32_t>(storage.back()->size());
    storage.back()->push_back(0);  // never a null pointer: that would mean unknown
    in.push_back({.name = "ints",
                  .dtype = DType::int32,
                  .shape = s.value_or(Shape{n}),
                  .data = storage.back()->data()});
    return *this;
  }
  Fixture& later(Shape s) {
    in.push_back({.name = "later", .dtype = DType::int32, .shape = s});
    return *this;
  }
  Fixture& outputs(size_t n) {
    out.resize(n);
    return *this;
  }
  NodeDesc node() const { return {kind, &attrs, in, out}; }
  Result<InferredShapes> infer() const { return infer_shapes(*find_spec(kind), node()); }
  // Shapes into the outputs, types as the data's.
  Fixture& inferred() {
    auto shapes = infer();
    REQUIRE_MESSAGE(shapes.ok(), shapes.status().message());
    REQUIRE(!shapes->deferred);
    for (size_t i = 0; i < out.size(); ++i)
      out[i].shape = shapes->shapes[i];
    return *this;
  }
  SliceLayout layout() const { return find_spec(kind)->slice_of(node()); }
  Status run(std::vector<const void*> inputs, std::vector<void*> outputs) const {
    ThreadPool pool(1);
    auto kernel = find_spec(kind)->reference.create(node(), pool);
    if (!kernel.ok()) return kernel.status();
    return (*kernel)->run({.in = inputs, .out = outputs, .pool = pool});
  }
};

using Offsets = std::vector<std::optional<int64_t>>;

Quantization q(float scale, int64_t zero_point) {
  return Quantization::per_tensor({scale, zero_point});
}

}  // namespace

TEST_CASE("an image with billions of rows is refused before anything is allocated for it") {
  Fixture f(OpKind::RESIZE_BILINEAR, ResizeAttrs{});
  f.data(Shape{1, 2, 2, 1}).ints({INT32_MAX, 1}).inferred();
  ThreadPool pool(1);
  const auto kernel = find_spec(OpKind::RESIZE_BILINEAR)->reference.create(f.node(), pool);
  CHECK(kernel.status().message() == "an image of 2147483647 x 1 pixels; at most 1048576 on a side");
}

TEST_CASE("inference refuses hostile shapes and constants and says why") {
  struct Row {
    const char* says;
    Fixture node;
  };
  auto reshape = [](std::vector<int32_t> to) {
    return std::move(Fixture(OpKind::RESHAPE, ReshapeAttrs{}).data({2, 3}).ints(std::move(to)));
  };
  auto strided = [](std::vector<int32_t> b, std::vector<int32_t> e, std::vector<int32_t> s,
                    StridedSliceAttrs a = {}) {
    return std::move(
        Fixture(OpKind::STRIDED_SLICE, a).data({4}).ints(std::move(b)).ints(std::move(e)).ints(std::move(s)));
  };
  auto pad = [](OpKind k, std::vector<int32_t> p) {
    const auto rows = static_cast<int32_t>(p.size() / 2);
    return std::move(Fixture(k, k == OpKind::PAD ? Attrs(NoAttrs{}) : Attrs(MirrorPadAttrs{}))
                         .data({3, 3})
                         .ints(std::move(p), Shape{rows, 2}));
  };
  Row rows[] = {
      {"more than one -1", reshape({-1, -1})},
      {"do not divide", reshape({-1, 4})},
      {"do not divide", reshape({-1, 0})},
      {"extent -2", reshape({-2, 3})},
      {"do not fit", reshape({7})},
      {"overflows", reshape({INT32_MAX, INT32_MAX, INT32_MAX})},
      {"at most 8", reshape({1, 1, 1, 1, 1, 1, 1, 1, 6})},
      {"more than one element", std::move(Fixture(OpKind::SQUEEZE, SqueezeAttrs{.axes = {1}}).data({1, 3}))},
      {"out of range", std::move(Fixture(OpKind::SQUEEZE, SqueezeAttrs{.axes = {2}}).data({1, 3}))},
      {"out of range", std::move(Fixture(OpKind::EXPAND_DIMS).data({1, 3}).ints({4}))},
      {"twice", std::move(Fixture(OpKind::TRANSPOSE).data({2, 3}).ints({1, 1}))},
      {"names axis 5", std::move(Fixture(OpKind::TRANSPOSE).data({2, 3}).ints({0, 5}))},
      {"has 1 axes", std::move(Fixture(OpKind::TRANSPOSE).data({2, 3}).ints({0}))},
      {"must not be negative", pad(OpKind::PAD, {0, -1, 0, 0})},
      {"overflows", pad(OpKind::PAD, {INT32_MAX, INT32_MAX, 0, 0})},
      {"not 2x2", pad(OpKind::PAD, {0, 1})},
      {"more than its 3 elements mirror", pad(OpKind::MIRROR_PAD, {3, 0, 0, 0})},
      {"do not go together",
       std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 0}).data({2, 3}).data({2, 4}))},
      {"out of range",
       std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 2}).data({2, 3}).data({2, 3}))},
      {"overflows",
       std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 0}).data({INT32_MAX}).data({1}))},
      {"packs 3 values", std::move(Fixture(OpKind::PACK, PackAttrs{.count = 3}).data({2}).data({2}))},
      {"does not split",
       std::move(Fixture(OpKind::SPLIT, SplitAttrs{.num_splits = 2}).ints({0}).data({3}).outputs(2))},
      {"has 1 outputs", std::move(Fixture(OpKind::SPLIT, SplitAttrs{.num_splits = 0}).ints({0}).data({3}))},
      {"sum to 5", std::move(Fixture(OpKind::SPLIT_V, SplitAttrs{.num_splits = 2})
                                 .data({4})
                                 .ints({2, 3})
                                 .ints({0})
                                 .outputs(2))},
      {"size -2", std::move(Fixture(OpKind::SPLIT_V, SplitAttrs{.num_splits = 2})
                                .data({4})
                                .ints({6, -2})
                                .ints({0})
                                .outputs(2))},
      {"does not unpack",
       std::move(Fixture(OpKind::UNPACK, UnpackAttrs{.count = 2}).data({3, 1}).outputs(2))},
      {"begin -1", std::move(Fixture(OpKind::SLICE).data({4}).ints({-1}).ints({2}))},
      {"3 elements from 2", std::move(Fixture(OpKind::SLICE).data({4}).ints({2}).ints({3}))},
      {"not a vector of 1", std::move(Fixture(OpKind::SLICE).data({4}).ints({0, 0}).ints({1, 1}))},
      {"stride 0", strided({0}, {4}, {0})},
      {"index 4 is out of range [0, 4)", strided({4}, {5}, {1}, {.shrink_axis_mask = 1})},
      {"2 indices for 1 axes", strided({0, 0}, {1, 1}, {1, 1})},
      {"have 1, 2 and 1", strided({0}, {1, 1}, {1})},
      {"more than one ellipsis", strided({0, 0}, {1, 1}, {1, 1}, {.ellipsis_mask = 3})},
      {"too many axes", strided(std::vector<int32_t>(9, 0), std::vector<int32_t>(9, 0),
                                std::vector<int32_t>(9, 1), {.new_axis_mask = 0xff})},
      {"does not fit", std::move(Fixture(OpKind::DYNAMIC_UPDATE_SLICE).data({3}).data({4}).ints({0}))},
      {"out of range", std::move(Fixture(OpKind::GATHER, GatherAttrs{.axis = 2}).data({3, 2}).ints({0}))},
      {"batch axis 0 is 3", std::move(Fixture(OpKind::GATHER, GatherAttrs{.axis = 1, .batch_dims = 1})
                                          .data({3, 2})
                                          .ints({0, 1}, Shape{2, 1}))},
      {"2 batch axes",
       std::move(Fixture(OpKind::GATHER, GatherAttrs{.axis = 0, .batch_dims = 2}).data({3, 2}).ints({0, 1}))},
      {"points of 3", std::move(Fixture(OpKind::GATHER_ND).data({3, 2}).ints({0, 0, 0}))},
      {"do not fit into", std::move(Fixture(OpKind::SCATTER_ND).ints({0}, Shape{1, 1}).data({2}).ints({4}))},
      {"4-D image", std::move(Fixture(OpKind::RESIZE_BILINEAR, ResizeAttrs{}).data({4, 4}).ints({2, 2}))},
      {"extent -3",
       std::move(Fixture(OpKind::RESIZE_NEAREST_NEIGHBOR, ResizeAttrs{}).data({1, 4, 4, 1}).ints({-3, 2}))},
      {"no pixels",
       std::move(Fixture(OpKind::RESIZE_BILINEAR, ResizeAttrs{}).data({1, 0, 4, 1}).ints({3, 2}))},
      {"exclude each other",
       std::move(Fixture(OpKind::RESIZE_BILINEAR, ResizeAttrs{true, true}).data({1, 4, 4, 1}).ints({3, 2}))},
      {"block size 0", std::move(Fixture(OpKind::DEPTH_TO_SPACE, BlockAttrs{0}).data({1, 4, 4, 4}))},
      {"no multiple", std::move(Fixture(OpKind::DEPTH_TO_SPACE, BlockAttrs{3}).data({1, 4, 4, 4}))},
      {"no multiple", std::move(Fixture(OpKind::SPACE_TO_DEPTH, BlockAttrs{3}).data({1, 4, 4, 4}))},
      {"block size 0",
       std::move(Fixture(OpKind::SPACE_TO_BATCH_ND).data({1, 4, 4}).ints({0}).ints({0, 0}, Shape{1, 2}))},
      {"no multiple of block 3",
       std::move(Fixture(OpKind::SPACE_TO_BATCH_ND).data({1, 4, 4}).ints({3}).ints({0, 0}, Shape{1, 2}))},
      {"crops 5 and 4",
       std::move(Fixture(OpKind::BATCH_TO_SPACE_ND).data({2, 4, 4}).ints({2}).ints({5, 4}, Shape{1, 2}))},
      {"multiple -1", std::move(Fixture(OpKind::TILE).data({2}).ints({-1}))},
      {"multiple 2147483647", std::move(Fixture(OpKind::TILE).data({2}).ints({INT32_MAX}))},
      {"does not broadcast", std::move(Fixture(OpKind::BROADCAST_TO).data({2}).ints({3}))},
      {"does not broadcast", std::move(Fixture(OpKind::BROADCAST_TO).data({2}).ints({1}))},
      {"extent -1", std::move(Fixture(OpKind::FILL).ints({-1}).data({}))},
      {"does not end",
       std::move(Fixture(OpKind::RANGE).ints({0}, Shape{}).ints({5}, Shape{}).ints({0}, Shape{}))},
      {"does not end",
       std::move(Fixture(OpKind::RANGE).ints({0}, Shape{}).ints({5}, Shape{}).ints({-1}, Shape{}))},
      {"4294967295 elements",
       std::move(
           Fixture(OpKind::RANGE).ints({INT32_MIN}, Shape{}).ints({INT32_MAX}, Shape{}).ints({1}, Shape{}))},
      {"depth -1",
       std::move(Fixture(OpKind::ONE_HOT, OneHotAttrs{}).ints({0}).ints({-1}, Shape{}).data({}).data({}))},
      {"out of range", std::move(Fixture(OpKind::REVERSE_V2).data({2}).ints({1}))},
      {"axes 2 and 0 are out of range",
       std::move(Fixture(OpKind::REVERSE_SEQUENCE, ReverseSequenceAttrs{2, 0}).data({3, 2}).ints({0, 0, 0}))},
      {"axis 1 is both",
       std::move(Fixture(OpKind::REVERSE_SEQUENCE, ReverseSequenceAttrs{1, 1}).data({3, 2}).ints({0, 0}))},
      {"lengths of shape 2 for 3 batches",
       std::move(Fixture(OpKind::REVERSE_SEQUENCE, ReverseSequenceAttrs{1, 0}).data({3, 2}).ints({0, 0}))},
  };
  for (const Row& row : rows) {
    const auto r = row.node.infer();
    INFO(name_of(row.node.kind), ", expected: ", row.says);
    REQUIRE(!r.ok());
    CHECK_MESSAGE(r.status().message().find(row.says) != std::string::npos, r.status().message());
  }
}

TEST_CASE("shapes that depend on data wait for it") {
  const Fixture rows[] = {
      std::move(Fixture(OpKind::RESHAPE, ReshapeAttrs{}).data({6}).later({2})),
      std::move(Fixture(OpKind::EXPAND_DIMS).data({6}).later({})),
      std::move(Fixture(OpKind::TRANSPOSE).data({6, 2}).later({2})),
      std::move(Fixture(OpKind::PAD).data({6}).later({1, 2})),
      std::move(Fixture(OpKind::SLICE).data({6}).ints({0}).later({1})),
      std::move(Fixture(OpKind::SLICE).data({6}).later({1}).ints({-1})),
      std::move(Fixture(OpKind::STRIDED_SLICE, StridedSliceAttrs{}).data({6}).later({1}).ints({2}).ints({1})),
      std::move(Fixture(OpKind::SPLIT, SplitAttrs{.num_splits = 1}).later({}).data({6})),
      std::move(Fixture(OpKind::RESIZE_BILINEAR, ResizeAttrs{}).data({1, 2, 2, 1}).later({2})),
      std::move(Fixture(OpKind::TILE).data({6}).later({1})),
      std::move(Fixture(OpKind::FILL).later({2}).data({})),
      std::move(Fixture(OpKind::ONE_HOT, OneHotAttrs{}).ints({0}).later({}).data({}).data({})),
  };
  for (const Fixture& f : rows) {
    INFO(name_of(f.kind));
    const auto r = f.infer();
    REQUIRE_MESSAGE(r.ok(), r.status().message());
    CHECK(r->deferred);
  }
  // A window of fixed size that moves does not have to wait.
  auto window = std::move(Fixture(OpKind::SLICE).data({6}).later({1}).ints({2}).inferred());
  CHECK(window.out[0].shape == Shape{2});
  const float x[] = {0, 1, 2, 3, 4, 5};
  float y[2] = {};
  const int32_t at = 3, size = 2, outside = 5;
  CHECK(window.run({x, &at, &size}, {y}).ok());
  CHECK(y[0] == 3);
  CHECK(y[1] == 4);
  CHECK(window.run({x, &outside, &size}, {y}).message() == "2 elements from 5 leave axis 0 with 6 elements");
}

TEST_CASE("an index out of range is an error that names it") {
  const float x[10] = {};
  float y[10] = {};
  const int32_t bad[] = {1, 7}, negative[] = {-1, 0}, shape[] = {5};
  auto gather = std::move(Fixture(OpKind::GATHER, GatherAttrs{}).data({5}).later({2}).inferred());
  CHECK(gather.run({x, bad}, {y}).message() == "index 7 is out of range [0, 5)");
  CHECK(gather.run({x, negative}, {y}).message() == "index -1 is out of range [0, 5)");
  auto nd = std::move(Fixture(OpKind::GATHER_ND).data({5}).later({2, 1}).inferred());
  CHECK(nd.run({x, bad}, {y}).message() == "index 7 is out of range [0, 5)");
  auto lookup = std::move(Fixture(OpKind::EMBEDDING_LOOKUP).later({2}).data({5}).inferred());
  CHECK(lookup.run({bad, x}, {y}).message() == "index 7 is out of range [0, 5)");
  auto sequence = std::move(
      Fixture(OpKind::REVERSE_SEQUENCE, ReverseSequenceAttrs{1, 0}).data({2, 5}).later({2}).inferred());
  CHECK(sequence.run({x, bad}, {y}).message() == "length 7 of a sequence of 5");
  CHECK(sequence.run({x, negative}, {y}).message() == "length -1 of a sequence of 5");
  auto scatter = std::move(Fixture(OpKind::SCATTER_ND).later({2, 1}).data({2}).ints({5}).inferred());
  CHECK(scatter.run({bad, x, shape}, {y}).message() == "index 7 is out of range [0, 5)");
}

TEST_CASE("strings and packed int4 are refused, not copied") {
  for (DType t : {DType::string, DType::int4}) {
    auto tile = std::move(Fixture(OpKind::TILE).data({2}, t).ints({2}).inferred());
    tile.out[0].dtype = t;
    const Status s = tile.run({nullptr, nullptr}, {nullptr});
    CHECK(s.code() == Code::unsupported);
    CHECK(s.message().find(name_of(t)) != std::string::npos);
  }
  // A lying output type must not make a kernel write past the end.
  auto pad = std::move(Fixture(OpKind::PAD).data({2}).ints({1, 1}, Shape{1, 2}).inferred());
  pad.out[0].dtype = DType::int8;
  CHECK(pad.run({nullptr, nullptr}, {nullptr}).code() == Code::corrupt_model);
}

TEST_CASE("where parts lie inside the whole") {
  auto rows =
      std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 0}).data({2, 3}).data({1, 3}).inferred());
  CHECK(rows.layout().offset == Offsets{0, 24});
  CHECK(!rows.layout().parts_are_outputs);
  auto behind_ones =
      std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 1}).data({1, 2}).data({1, 3}).inferred());
  CHECK(behind_ones.layout().offset == Offsets{0, 8});
  auto channels =
      std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 1}).data({2, 3}).data({2, 3}).inferred());
  CHECK(channels.layout().offset == Offsets{std::nullopt, std::nullopt});
  auto fused = std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 0, .act = Activation::Kind::relu})
                             .data({2})
                             .inferred());
  CHECK(fused.layout().offset == Offsets{std::nullopt});
  auto scales = std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 0})
                              .data({2}, DType::int8, q(0.5f, 0))
                              .data({2}, DType::int8, q(0.25f, 0))
                              .inferred());
  scales.out[0].dtype = DType::int8;
  scales.out[0].quant = q(0.25f, 0);
  CHECK(scales.layout().offset == Offsets{std::nullopt, 2});
  auto pack = std::move(Fixture(OpKind::PACK, PackAttrs{.count = 2}).data({3}).data({3}).inferred());
  CHECK(pack.layout().offset == Offsets{0, 12});
  auto split = std::move(Fixture(OpKind::SPLIT, SplitAttrs{.num_splits = 2})
                             .ints({0}, Shape{})
                             .data({4, 2})
                             .outputs(2)
                             .inferred());
  CHECK(split.layout().offset == Offsets{0, 16});
  CHECK(split.layout().parts_are_outputs);
  CHECK(split.layout().whole == 1);
  auto unpack = std::move(
      Fixture(OpKind::UNPACK, UnpackAttrs{.count = 2, .axis = 1}).data({1, 2, 3}).outputs(2).inferred());
  CHECK(unpack.layout().offset == Offsets{0, 12});
  auto run = std::move(Fixture(OpKind::SLICE).data({4, 3}).ints({1, 0}).ints({2, 3}).inferred());
  CHECK(run.layout().offset == Offsets{12});
  auto box = std::move(Fixture(OpKind::SLICE).data({4, 3}).ints({1, 0}).ints({2, 2}).inferred());
  CHECK(box.layout().offset == Offsets{std::nullopt});
  auto part_of_row = std::move(Fixture(OpKind::STRIDED_SLICE, StridedSliceAttrs{.shrink_axis_mask = 1})
                                   .data({4, 3})
                                   .ints({2, 1})
                                   .ints({0, 3})
                                   .ints({1, 1})
                                   .inferred());
  CHECK(part_of_row.layout().offset == Offsets{28});
  auto steps = std::move(Fixture(OpKind::STRIDED_SLICE, StridedSliceAttrs{})
                             .data({4, 3})
                             .ints({0})
                             .ints({4})
                             .ints({2})
                             .inferred());
  CHECK(steps.layout().offset == Offsets{std::nullopt});
}

TEST_CASE("parts in their place are left alone, others are copied") {
  auto concat =
      std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 0}).data({2}).data({3}).inferred());
  float whole[5] = {1, 2, 0, 0, 0};
  const float second[3] = {3, 4, 5};
  CHECK(concat.run({whole, second}, {whole}).ok());
  for (int i = 0; i < 5; ++i)
    CHECK(whole[i] == static_cast<float>(i + 1));
  auto split = std::move(
      Fixture(OpKind::SPLIT, SplitAttrs{.num_splits = 5}).ints({0}, Shape{}).data({5}).outputs(5).inferred());
  float last = 0;
  CHECK(split.run({nullptr, whole}, {whole, whole + 1, whole + 2, whole + 3, &last}).ok());
  CHECK(last == 5);
  auto update = std::move(Fixture(OpKind::DYNAMIC_UPDATE_SLICE).data({5}).data({2}).later({1}).inferred());
  const float patch[2] = {9, 8};
  const int32_t at = 3;
  CHECK(update.run({whole, patch, &at}, {whole}).ok());
  CHECK(whole[2] == 3);
  CHECK(whole[3] == 9);
  CHECK(whole[4] == 8);
}

TEST_CASE("concatenation requantizes inputs whose parameters differ") {
  for (DType t : {DType::int8, DType::uint8, DType::int16}) {
    const int64_t shift = t == DType::uint8 ? 128 : 0;
    const int64_t z = t == DType::int16 ? 0 : 3;
    auto c = std::move(Fixture(OpKind::CONCATENATION, ConcatAttrs{.axis = 0})
                           .data({256}, t, q(0.05f, shift - z))
                           .data({256}, t, q(0.02f, shift + z))
                           .inferred());
    c.out[0].dtype = t;
    c.out[0].quant = q(0.03f, shift + 2 * z);
    std::vector<double> real;
    auto check = [&](auto zero) {
      using T = decltype(zero);
      std::vector<T> a(256), b(256), y(512);
      for (int i = 0; i < 256; ++i)
        a[static_cast<size_t>(i)] = b[static_cast<size_t>(i)] =
            static_cast<T>(i - (t == DType::uint8 ? 0 : 128));
      REQUIRE(c.run({a.data(), b.data()}, {y.data()}).ok());
      for (size_t i = 0; i < 512; ++i) {
        const Affine& from = c.in[i / 256].quant.at();
        const double value = static_cast<double>(from.scale) *
                             (static_cast<double>(a[i % 256]) - static_cast<double>(from.zero_point));
        const double want =
            std::clamp(value / static_cast<double>(0.03f) + static_cast<double>(shift + 2 * z),
                       static_cast<double>(std::numeric_limits<T>::min()),
                       static_cast<double>(std::numeric_limits<T>::max()));
        CHECK(std::fabs(static_cast<double>(y[i]) - want) <= 0.5001);
      }
    };
    if (t == DType::int8) check(int8_t{});
    if (t == DType::uint8) check(uint8_t{});
    if (t == DType::int16) check(int16_t{});
  }
}

TEST_CASE("an 8-bit embedding table feeds a float output") {
  auto f = std::move(
      Fixture(OpKind::EMBEDDING_LOOKUP).later({2}).data({3, 2}, DType::int8, q(0.5f, 1)).inferred());
  const int8_t table[] = {1, 2, 3, 4, 5, 127};
  const int32_t ids[] = {2, 0};
  float y[4];
  REQUIRE(f.run({ids, table}, {y}).ok());
  CHECK(y[0] == 2.0f);
  CHECK(y[1] == 63.0f);
  CHECK(y[2] == 0.0f);
  CHECK(y[3] == 0.5f);
}

TEST_CASE("a large description beside an empty axis costs nothing") {
  auto pad = std::move(
      Fixture(OpKind::PAD).data({0, 2}).ints({0, 0, 1000000000, 1000000000}, Shape{2, 2}).inferred());
  float y = 7;
  CHECK(pad.run({&y, nullptr}, {&y}).ok());
  CHECK(y == 7);
}

}  // namespace octet
