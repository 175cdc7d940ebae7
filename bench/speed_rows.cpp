#include "bench/speed_rows.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "quant/quantize.hpp"
#include "tests/support/graph_builder.hpp"
#include "tests/support/recurrent.hpp"

namespace octet::bench {
namespace {

using test::GraphBuilder;
using test::Recurrent;
using enum OpKind;

const Shape kMap{1, 56, 56, 64};  // activations early in a network
const Shape kRows{128, 256};      // tokens of a transformer

using Build = std::function<void(GraphBuilder&)>;

class Rows {
 public:
  SpeedRow& add(OpKind kind, std::string_view what, const Build& build) {
    GraphBuilder b;
    build(b);
    SpeedRow row;
    row.kind = kind;
    row.name = kind == UNKNOWN ? std::string(what) : fmt::format("{} {}", name_of(kind), what);
    row.model.format = Format::circle;  // which has every operator
    row.model.graphs.push_back(b.build());
    rows.push_back(std::move(row));
    return rows.back();
  }
  // An operator of one input and, behind it, constants.
  using Constants = std::function<std::vector<ValueId>(GraphBuilder&)>;
  SpeedRow& of(OpKind kind, const Shape& x, std::string_view what, const Attrs& attrs,
               const Constants& constants = {}) {
    return add(kind, what, [&](GraphBuilder& b) {
      std::vector<ValueId> in{b.input("x", x)};
      if (constants)
        for (const ValueId v : constants(b))
          in.push_back(v);
      b.output(b.op(kind, in, attrs));
    });
  }
  SpeedRow& of(OpKind kind, const Shape& x, std::string_view what = "", const Constants& constants = {}) {
    const std::string name = what.empty()
                                 ? x.to_string()
                                 : fmt::format("{}{}{}", what, what.ends_with('[') ? "" : " ", x.to_string());
    return add(kind, name, [&](GraphBuilder& b) {
      std::vector<ValueId> in{b.input("x", x)};
      if (constants)
        for (const ValueId v : constants(b))
          in.push_back(v);
      b.output(b.op(kind, in));
    });
  }

  std::vector<SpeedRow> rows;
};

void within(SpeedRow& row, float lo, float hi) {
  row.lo = lo, row.hi = hi;
}

Rows::Constants ints(std::vector<int32_t> v) {
  return [v](GraphBuilder& b) { return std::vector{b.ints(v)}; };
}

Rows::Constants table(std::vector<int32_t> v) {
  return [v](GraphBuilder& b) {
    const Shape shape{static_cast<int32_t>(v.size() / 2), 2};
    return std::vector{b.raw("table", DType::int32, shape, Constant::of(v))};
  };
}

void products(Rows& r) {
  struct Conv {
    const char* what;
    Shape x;
    GraphBuilder::Conv conv;
  };
  const Conv convolutions[] = {{"3x3, 28x28x64", {1, 28, 28, 64}, {.out = 64}},
                               {"1x1, 28x28x128", {1, 28, 28, 128}, {.out = 128, .filter = 1}},
                               {"first layer, 112x112x3", {1, 112, 112, 3}, {.out = 16, .stride = 2}},
                               {"4 groups, 28x28x64", {1, 28, 28, 64}, {.out = 64, .groups = 4}}};
  for (const Conv& c : convolutions)
    r.add(CONV_2D, c.what, [&](GraphBuilder& b) { b.output(b.conv_2d(b.input("x", c.x), c.conv)); });
  const Conv depthwise[] = {{"3x3, 56x56x64", kMap, {}},
                            {"5x5 stride 2, 28x28x96", {1, 28, 28, 96}, {.filter = 5, .stride = 2}},
                            {"7x7, 28x28x96", {1, 28, 28, 96}, {.filter = 7}}};
  for (const Conv& c : depthwise)
    r.add(DEPTHWISE_CONV_2D, c.what,
          [&](GraphBuilder& b) { b.output(b.depthwise_conv_2d(b.input("x", c.x), c.conv)); });
  r.add(TRANSPOSE_CONV, "2x2 stride 2, 28x28x64", [](GraphBuilder& b) {
    b.output(b.transpose_conv(b.input("x", {1, 28, 28, 64}), {.out = 32, .filter = 2, .stride = 2}));
  });
  r.add(FULLY_CONNECTED, "1x1024 to 1000",
        [](GraphBuilder& b) { b.output(b.fully_connected(b.input("x", {1, 1024}), 1000)); });
  r.add(FULLY_CONNECTED, "128x256 to 256",
        [](GraphBuilder& b) { b.output(b.fully_connected(b.input("x", kRows), 256)); });
  r.add(CONV_3D, "3x3x3, 8x16x16x16", [](GraphBuilder& b) {
    b.output(b.op(CONV_3D, {b.input("x", {1, 8, 16, 16, 16}), b.random({3, 3, 3, 16, 16}), b.random({16})}));
  });
  r.add(CONV_3D_TRANSPOSE, "2x2x2 stride 2, 4x8x8x16", [](GraphBuilder& b) {
    const Conv3DAttrs attrs{.stride_d = 2, .stride_h = 2, .stride_w = 2};
    b.output(b.op(CONV_3D_TRANSPOSE,
                  {b.ints({1, 8, 16, 16, 16}), b.random({2, 2, 2, 16, 16}), b.input("x", {1, 4, 8, 8, 16}),
                   b.random({16})},
                  attrs));
  });
  r.add(BATCH_MATMUL, "4x128x64 by 4x64x128", [](GraphBuilder& b) {
    b.output(b.op(BATCH_MATMUL, {b.input("x", {4, 128, 64}), b.input("y", {4, 64, 128})}));
  });
}

void windows(Rows& r) {
  for (const OpKind kind : {AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D}) {
    r.of(kind, kMap, "3x3 stride 2, 56x56x64",
         Pool2DAttrs{.stride_h = 2, .stride_w = 2, .filter_h = 3, .filter_w = 3});
    r.of(kind, {1, 7, 7, 512}, "7x7, 7x7x512", Pool2DAttrs{Padding::Kind::valid, 7, 7, 7, 7, {}});
  }
  r.of(LOCAL_RESPONSE_NORMALIZATION, {1, 28, 28, 64}, "5 of 28x28x64",
       LrnAttrs{.radius = 2, .bias = 1, .alpha = 1e-4f, .beta = 0.75f});
  for (const OpKind kind : {RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR})
    r.of(kind, {1, 28, 28, 64}, "28x28x64 to 56x56", ResizeAttrs{.half_pixel_centers = true}, ints({56, 56}));
}

void elementwise(Rows& r) {
  for (const OpKind kind : {ABS, NEG, EXP, SQUARE, SIN, COS, FLOOR, CEIL, ROUND, SIGN, RELU, RELU6,
                            RELU_N1_TO_1, RELU_0_TO_1, ELU, GELU, HARD_SWISH, LOGISTIC, TANH})
    within(r.of(kind, kMap), -4, 4);
  for (const OpKind kind : {LOG, SQRT, RSQRT})
    within(r.of(kind, kMap), 0.1f, 4);
  r.of(LEAKY_RELU, kMap, kMap.to_string(), LeakyReluAttrs{.alpha = 0.1f});
  r.of(PRELU, kMap, "", [](GraphBuilder& b) { return std::vector{b.random({64}, 0, 0.5f)}; });
  for (const OpKind kind : {ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE, POW, ATAN2, FLOOR_DIV,
                            FLOOR_MOD, EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL}) {
    SpeedRow& row = r.add(kind, kMap.to_string(), [&](GraphBuilder& b) {
      const ValueId x = b.input("x", kMap), y = b.input("y", kMap);
      const bool compares = kind == EQUAL || kind == NOT_EQUAL || kind == LESS || kind == LESS_EQUAL ||
                            kind == GREATER || kind == GREATER_EQUAL;
      b.output(b.op(kind, {x, y}, compares ? DType::boolean : DType::float32));
    });
    if (kind == DIV || kind == POW || kind == FLOOR_DIV || kind == FLOOR_MOD) within(row, 0.5f, 2);
  }
  for (const OpKind kind : {ADD, MUL})
    r.of(kind, kMap, "per channel,", [](GraphBuilder& b) { return std::vector{b.random({64}, 0.5f, 2)}; });
  r.add(ADD_N, "3 of 56x56x64", [](GraphBuilder& b) {
    b.output(b.op(ADD_N, {b.input("x", kMap), b.input("y", kMap), b.input("z", kMap)}));
  });
  for (const OpKind kind : {SELECT, SELECT_V2})
    r.add(kind, kMap.to_string(), [&](GraphBuilder& b) {
      const ValueId which = b.input("which", kMap, DType::boolean);
      b.output(b.op(kind, {which, b.input("x", kMap), b.input("y", kMap)}));
    });
}

void reductions(Rows& r) {
  for (const OpKind kind : {MEAN, SUM, REDUCE_MAX, REDUCE_MIN}) {
    r.of(kind, kMap, "over height and width,", ints({1, 2}));
    r.of(kind, kRows, "over rows of", ints({1}));
  }
  within(r.of(REDUCE_PROD, {4096, 8}, "over rows of", ints({1})), 0.8f, 1.2f);
  for (const OpKind kind : {ARG_MAX, ARG_MIN})
    r.add(kind, "over rows of 128x256", [&](GraphBuilder& b) {
      b.output(b.op(kind, {b.input("x", kRows), b.ints({1})}, ArgAttrs{}, DType::int64));
    });
  r.add(TOPK_V2, "5 of 1000", [](GraphBuilder& b) {
    for (const ValueId v :
         b.multi(TOPK_V2,
                 {b.input("x", {1, 1000}), b.raw("k", DType::int32, Shape{}, Constant::of(std::vector{5}))},
                 NoAttrs{}, {DType::float32, DType::int32}))
      b.output(v);
  });
  r.of(CUMSUM, kRows, "along rows of 128x256", CumsumAttrs{}, ints({1}));
  for (const OpKind kind : {SOFTMAX, LOG_SOFTMAX})
    within(r.of(kind, kRows), -4, 4);
  r.of(L2_NORMALIZATION, kRows);
  r.of(RMS_NORM, kRows, kRows.to_string(), RmsNormAttrs{.epsilon = 1e-5f},
       [](GraphBuilder& b) { return std::vector{b.random({256}, 0.5f, 2)}; });
  r.of(INSTANCE_NORM, {1, 28, 28, 64}, "28x28x64", InstanceNormAttrs{.epsilon = 1e-5f, .act = {}},
       [](GraphBuilder& b) { return std::vector{b.random({64}, 0.5f, 2), b.random({64})}; });
}

void movement(Rows& r) {
  const Shape map{1, 28, 28, 64};
  r.add(CONCATENATION, "channels of 2 times 28x28x64", [&](GraphBuilder& b) {
    b.output(b.op(CONCATENATION, {b.input("x", map), b.input("y", map)}, ConcatAttrs{.axis = 3, .act = {}}));
  });
  r.add(PACK, "2 times 28x28x64", [&](GraphBuilder& b) {
    b.output(b.op(PACK, {b.input("x", map), b.input("y", map)}, PackAttrs{.count = 2, .axis = 3}));
  });
  r.of(ZEROS_LIKE, {1, 56, 56, 64});
  r.add(UNPACK, "4 of 56x56x64", [](GraphBuilder& b) {
    for (const ValueId v : b.multi(UNPACK, {b.input("x", {4, 56, 56, 64})},
                                   UnpackAttrs{.count = 4, .axis = 0}, std::vector(4, DType::float32)))
      b.output(v);
  });
  r.add(SPLIT, "channels of 56x56x64 in 2", [](GraphBuilder& b) {
    const ValueId axis = b.raw("axis", DType::int32, Shape{}, Constant::of(std::vector{3}));
    for (const ValueId v : b.multi(SPLIT, {axis, b.input("x", kMap)}, SplitAttrs{.num_splits = 2},
                                   std::vector(2, DType::float32)))
      b.output(v);
  });
  r.add(SPLIT_V, "channels of 56x56x64 in 2", [](GraphBuilder& b) {
    const ValueId axis = b.raw("axis", DType::int32, Shape{}, Constant::of(std::vector{3}));
    for (const ValueId v : b.multi(SPLIT_V, {b.input("x", kMap), b.ints({16, 48}), axis},
                                   SplitAttrs{.num_splits = 2}, std::vector(2, DType::float32)))
      b.output(v);
  });
  r.of(SLICE, kMap, "32 channels of",
       [](GraphBuilder& b) { return std::vector{b.ints({0, 0, 0, 16}), b.ints({1, 56, 56, 32})}; });
  r.of(STRIDED_SLICE, kMap, "every other pixel of", [](GraphBuilder& b) {
    return std::vector{b.ints({0, 0, 0, 0}), b.ints({1, 56, 56, 64}), b.ints({1, 2, 2, 1})};
  });
  r.of(PAD, kMap, "by 1,", table({0, 0, 1, 1, 1, 1, 0, 0}));
  r.of(PADV2, kMap, "by 1,", [](GraphBuilder& b) {
    const std::vector<int32_t> amounts{0, 0, 1, 1, 1, 1, 0, 0};
    return std::vector{b.raw("amounts", DType::int32, {4, 2}, Constant::of(amounts)), b.scalar(0.5f)};
  });
  r.of(MIRROR_PAD, kMap, "by 1,", table({0, 0, 1, 1, 1, 1, 0, 0}));
  r.of(TRANSPOSE, kMap, "channels first,", ints({0, 3, 1, 2}));
  r.of(TRANSPOSE, {4, 128, 64}, "rows and columns of", ints({0, 2, 1}));
  r.of(GATHER, kRows, "64 rows of", [](GraphBuilder& b) {
    std::vector<int32_t> rows(64);
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i] = static_cast<int32_t>(i * 37 % 128);
    return std::vector{b.ints(rows)};
  });
  r.of(GATHER_ND, kRows, "64 rows of", [](GraphBuilder& b) {
    std::vector<int32_t> rows(64);
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i] = static_cast<int32_t>(i * 37 % 128);
    return std::vector{b.raw("rows", DType::int32, {64, 1}, Constant::of(rows))};
  });
  r.add(EMBEDDING_LOOKUP, "64 rows of 128x256", [](GraphBuilder& b) {
    std::vector<int32_t> rows(64);
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i] = static_cast<int32_t>(i * 37 % 128);
    b.output(b.op(EMBEDDING_LOOKUP, {b.ints(rows), b.input("x", kRows)}));
  });
  r.of(TILE, {1, 28, 28, 64}, "twice", [](GraphBuilder& b) { return std::vector{b.ints({1, 2, 2, 1})}; });
  r.of(BROADCAST_TO, {1, 1, 1, 64}, "56x56 of", ints({1, 56, 56, 64}));
  r.of(REVERSE_V2, kMap, "rows of", ints({1}));
  r.of(REVERSE_SEQUENCE, {8, 128, 256}, "8 of 128x256", ReverseSequenceAttrs{.seq_dim = 1, .batch_dim = 0},
       ints({128, 16, 97, 64, 1, 110, 33, 128}));
  r.of(DEPTH_TO_SPACE, {1, 28, 28, 64}, "2x2, 28x28x64", BlockAttrs{.block_size = 2});
  r.of(SPACE_TO_DEPTH, kMap, "2x2, 56x56x64", BlockAttrs{.block_size = 2});
  r.of(SPACE_TO_BATCH_ND, kMap, "2x2,", [](GraphBuilder& b) {
    const std::vector<int32_t> none(4, 0);
    return std::vector{b.ints({2, 2}), b.raw("pads", DType::int32, {2, 2}, Constant::of(none))};
  });
  r.of(BATCH_TO_SPACE_ND, {4, 28, 28, 64}, "2x2,", [](GraphBuilder& b) {
    const std::vector<int32_t> none(4, 0);
    return std::vector{b.ints({2, 2}), b.raw("crops", DType::int32, {2, 2}, Constant::of(none))};
  });
  r.add(FILL, kMap.to_string(),
        [](GraphBuilder& b) { b.output(b.op(FILL, {b.ints({1, 56, 56, 64}), b.input("x", Shape{})})); });
  r.add(ONE_HOT, "256 times 256", [](GraphBuilder& b) {
    const ValueId depth = b.raw("depth", DType::int32, Shape{}, Constant::of(std::vector{256}));
    b.output(b.op(ONE_HOT, {b.input("at", {256}, DType::int32), depth, b.input("on", Shape{}), b.scalar(0)},
                  OneHotAttrs{}));
  });
  r.add(DYNAMIC_UPDATE_SLICE, "a row of 128x256", [](GraphBuilder& b) {
    b.output(b.op(DYNAMIC_UPDATE_SLICE, {b.input("x", kRows), b.input("y", {1, 256}), b.ints({5, 0})}));
  });
  r.add(ROPE, "8 heads of 16x64", [](GraphBuilder& b) {
    b.output(b.op(ROPE, {b.input("x", {1, 8, 16, 64}), b.random({1, 1, 16, 64}), b.random({1, 1, 16, 64})}));
  });
}

// x, centred and divided by its deviation over `axes`, scaled and moved: as converters spell it.
ValueId normalized(GraphBuilder& b, ValueId x, const std::vector<int32_t>& axes, int32_t channels) {
  const ReduceAttrs keep{.keep_dims = true};
  const ValueId mean = b.op(MEAN, {x, b.ints(axes)}, keep);
  const ValueId square = b.op(SQUARED_DIFFERENCE, {x, mean});
  const ValueId variance = b.op(ADD, {b.op(MEAN, {square, b.ints(axes)}, keep), b.scalar(1e-5f)});
  const ValueId y = b.op(MUL, {b.op(SUB, {x, mean}), b.op(RSQRT, {variance})});
  return b.op(ADD, {b.op(MUL, {y, b.random({channels}, 0.5f, 2)}), b.random({channels})});
}

void groups(Rows& r) {
  const Recurrent cell{.steps = 16, .n = 64, .m = 64, .k = 64};
  r.add(UNIDIRECTIONAL_SEQUENCE_LSTM, "16 steps, 64 units",
        [&](GraphBuilder& b) { b.output(lstm(b, b.input("x", cell.input()), cell)); });
  r.add(BIDIRECTIONAL_SEQUENCE_LSTM, "16 steps, 64 units",
        [&](GraphBuilder& b) { b.output(bidirectional_lstm(b, b.input("x", cell.input()), cell, true)[0]); });
  r.add(UNKNOWN, "RNN: 16 steps, 64 units",
        [&](GraphBuilder& b) { b.output(rnn(b, b.input("x", cell.input()), cell)); });
  r.add(SVDF, "rank 2, 64 units of 128 inputs, 8 steps", [](GraphBuilder& b) {
    b.output(b.op(SVDF,
                  {b.input("x", {1, 128}), b.random({128, 128}), b.random({128, 8}), b.random({64}),
                   b.state("state", {1, 1024})},
                  SvdfAttrs{.rank = 2}));
  });
  r.add(UNKNOWN, "Layer norm: 128x256",
        [](GraphBuilder& b) { b.output(normalized(b, b.input("x", kRows), {1}, 256)); });
  r.add(UNKNOWN, "Instance norm: 28x28x64",
        [](GraphBuilder& b) { b.output(normalized(b, b.input("x", {1, 28, 28, 64}), {1, 2}, 64)); });
  within(r.add(UNKNOWN, "SiLU: 56x56x64",
               [](GraphBuilder& b) {
                 const ValueId x = b.input("x", kMap);
                 b.output(b.op(MUL, {x, b.op(LOGISTIC, {x})}));
               }),
         -4, 4);
  r.add(UNKNOWN, "Attention: 4 heads of 64 tokens, 32 wide", [](GraphBuilder& b) {
    const Shape s{4, 64, 32};
    const ValueId q = b.input("q", s), k = b.input("k", s), v = b.input("v", s);
    const ValueId scores = b.op(BATCH_MATMUL, {q, k}, BatchMatMulAttrs{.adj_y = true});
    b.output(b.op(BATCH_MATMUL, {b.op(SOFTMAX, {scores}), v}));
  });
}

// Why int8 is not the faster one, where it was measured not to be: of rows whose names begin so.
struct Reason {
  std::string_view row, text;
};
constexpr Reason kReasons[] = {
    {"CONV_2D first layer", "dot products take channels by eight, of which three are there"},
    {"DEPTHWISE_CONV_2D 3x3, 56x56x64",
     "no dot product along channels: widened bytes are multiplied one by one, floats with a fused addition"},
    {"BATCH_MATMUL", "both sides are packed in each run; float packs one"},
    {"Attention", "its products pack both sides in each run, and its softmax is the one above"},
    {"L2_POOL_2D", "as many square roots as in float, and the bytes are widened for their squares"},
    {"LOCAL_RESPONSE_NORMALIZATION",
     "a power per element costs the same in both; no fast kernel, no recent network has it"},
    {"RESIZE_BILINEAR", "bytes are widened to 32 bits and back, more instructions than the memory saves"},
    {"POW", "a power per element costs the same in both"},
    {"ATAN2", "an arc tangent per element costs the same in both"},
    {"REDUCE_PROD", "a product of integers does not fit any: float inside, and no fast kernel in either"},
    {"DIV", "a division per element, in float in both"},
    {"SOFTMAX", "sums of 32-bit fixed point, equal on all machines; float takes 16 exponentials at once"},
    {"ROPE", "the tables stay float: two conversions per element for two multiplications"},
    {"UNIDIRECTIONAL_SEQUENCE_LSTM",
     "16-bit gates, rounded twice per step as the specification asks; the product with the state is one row"},
    {"BIDIRECTIONAL_SEQUENCE_LSTM",
     "16-bit gates, rounded twice per step as the specification asks; the product with the state is one row"},
    {"SVDF", "each filter's newest value is rounded to the state in double, one at a time"},
    {"Instance norm", "mean and variance keep 16 bits, so that their squares do not lose all others"},
};

// Operators with an int8 form that is no other work than their float form.
constexpr OpKind kNoRow[] = {
    // move nothing, or only say what the next operator reads
    RESHAPE, SQUEEZE, EXPAND_DIMS, SHAPE, RANK, BROADCAST_ARGS,
    // of booleans
    LOGICAL_OR, LOGICAL_AND, LOGICAL_NOT, REDUCE_ANY, REDUCE_ALL, CAST, WHERE,
    // run when the model is loaded
    DENSIFY,
    // one step of UNIDIRECTIONAL_SEQUENCE_LSTM, by the same kernel
    LSTM};

class Samples final : public SampleSource {
 public:
  Samples(const SpeedRow& row, int64_t count) : row_(row), count_(count) {}

  Result<bool> next(std::vector<ConstTensorView>& sample) override {
    if (at_ == count_) return false;
    ++at_;
    data_ = inputs_for(row_, row_.model.main());
    sample.clear();
    for (size_t i = 0; i < data_.size(); ++i) {
      const Value& v = row_.model.main().value(row_.model.main().inputs[i]);
      sample.push_back({data_[i].data(), v.dtype, v.shape, {}});
    }
    return true;
  }
  Status rewind() override {
    at_ = 0;
    return {};
  }
  int64_t size() const override { return count_; }

 private:
  const SpeedRow& row_;
  int64_t count_, at_ = 0;
  std::vector<Constant> data_;
};

}  // namespace

std::vector<SpeedRow> speed_rows() {
  Rows r;
  products(r);
  windows(r);
  elementwise(r);
  reductions(r);
  movement(r);
  groups(r);
  for (SpeedRow& row : r.rows)
    for (const Reason& reason : kReasons)
      if (row.name.starts_with(reason.row)) row.slower = reason.text;
  return std::move(r.rows);
}

std::vector<std::string_view> missing_rows(const std::vector<SpeedRow>& rows) {
  std::vector<std::string_view> names;
  for (int k = 0; k < kOpKindCount; ++k) {
    const auto kind = static_cast<OpKind>(k);
    const OpSpec* spec = find_spec(kind);
    if (spec == nullptr || !spec->quant.has_int8 || std::ranges::find(kNoRow, kind) != std::end(kNoRow))
      continue;
    if (std::ranges::find(rows, kind, &SpeedRow::kind) == rows.end()) names.push_back(name_of(kind));
  }
  return names;
}

std::vector<Constant> inputs_for(const SpeedRow& row, const Graph& g) {
  uint32_t seed = 1;
  std::vector<Constant> inputs;
  for (const ValueId id : g.inputs) {
    const Value& v = g.value(id);
    std::vector<std::byte> bytes(static_cast<size_t>(byte_size(v.dtype, v.shape)));
    for (size_t i = 0; i < static_cast<size_t>(v.shape.elements()); ++i) {
      seed = seed * 1664525u + 1013904223u;
      const float x = row.lo + (row.hi - row.lo) * (static_cast<float>(seed >> 8) / 16777216.0f);
      if (v.dtype == DType::float32)
        reinterpret_cast<float*>(bytes.data())[i] = x;
      else if (v.dtype == DType::int8)
        reinterpret_cast<int8_t*>(bytes.data())[i] = quantize<int8_t>(static_cast<double>(x), v.quant.at(0));
      else
        bytes[i * static_cast<size_t>(bytes_of(v.dtype))] = static_cast<std::byte>(seed >> 31);
    }
    inputs.push_back(Constant::copy_of(bytes));
  }
  return inputs;
}

Result<InInt8> in_int8(const SpeedRow& row) {
  Recipe recipe = Recipe::int8();
  recipe.io = Io::int8;
  Samples samples(row, 2);
  OCTET_ASSIGN(QuantizedData result, quantize(row.model, samples, recipe).at(row.name));
  return InInt8{result.model, result.report.ops_float};
}

}  // namespace octet::bench
