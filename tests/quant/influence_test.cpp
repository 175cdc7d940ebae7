// Masks: values so far below the others that they count for nothing, in whatever way they come about.
#include "quant/statistics/influence.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>
#include <limits>

#include "quant/quantize.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

namespace octet::test {
namespace {

constexpr int32_t kTokens = 6, kWidth = 8;

// Element i, j of a causal mask.
std::vector<float> causal(float masked, const std::function<float(int, int)>& open = {}) {
  std::vector<float> m;
  for (int i = 0; i < kTokens; ++i)
    for (int j = 0; j < kTokens; ++j)
      m.push_back(j > i ? masked : open ? open(i, j) : 0.0f);
  return m;
}

using MaskScores = std::function<ValueId(GraphBuilder&, ValueId scores)>;

// Self-attention without projections.
ModelData attention(const MaskScores& mask) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, kTokens, kWidth});
  BatchMatMulAttrs transposed;
  transposed.adj_y = true;
  const ValueId scores = b.op(OpKind::BATCH_MATMUL, {x, x}, transposed);
  const ValueId p = b.op(OpKind::SOFTMAX, {mask(b, scores)});
  b.output(b.op(OpKind::BATCH_MATMUL, {p, x}), "y");
  ModelData m;
  m.graphs.push_back(b.build());
  return m;
}

// Random samples; inputs after the first are masks, of 0 and of `masked`.
class MaskedSamples final : public SampleSource {
 public:
  MaskedSamples(const ModelData& m, int64_t count, float masked) : random_(m, count), masked_(masked) {}
  Status rewind() override { return random_.rewind(); }
  int64_t size() const override { return random_.size(); }
  Result<bool> next(std::vector<ConstTensorView>& sample) override {
    auto more = random_.next(sample);
    if (!more.ok() || !*more) return more;
    storage_.clear();
    for (size_t i = 1; i < sample.size(); ++i) {
      storage_.push_back(causal(masked_));
      sample[i].data = storage_.back().data();
    }
    return more;
  }

 private:
  RandomSamples random_;
  float masked_;
  std::vector<std::vector<float>> storage_;
};

double sqnr_of(const ModelData& m, float masked) {
  MaskedSamples samples(m, 40, masked);
  const auto q = quantize(m, samples, {}, {});
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  CHECK(q->report.ops_float == 0);
  return q->report.measured_on.sqnr_db;
}

const Shape kSquare{1, kTokens, kTokens};

}  // namespace

TEST_CASE("masks cost no accuracy, in whatever way they come about") {
  const double plain = sqnr_of(attention([](GraphBuilder&, ValueId s) { return s; }), 0);
  CHECK(plain > 30);
  for (const float masked : {-1e2f, -1e4f, -1e9f, -3.4e38f, -std::numeric_limits<float>::infinity()}) {
    CAPTURE(masked);
    const auto check = [&](const char* how, const MaskScores& mask) {
      const double db = sqnr_of(attention(mask), masked);
      CHECK_MESSAGE(db > 30, fmt::format("{}: {} dB, {} without a mask", how, db, plain));
    };
    check("constant", [&](GraphBuilder& b, ValueId s) {
      return b.op(OpKind::ADD, {s, b.constant(kSquare, causal(masked))});
    });
    check("constant, with position biases", [&](GraphBuilder& b, ValueId s) {
      const auto near = [](int i, int j) { return -0.4f * static_cast<float>(i - j); };
      return b.op(OpKind::ADD, {s, b.constant(kSquare, causal(masked, near))});
    });
    check("SELECT_V2", [&](GraphBuilder& b, ValueId s) {
      const ValueId open = b.op(OpKind::EQUAL, {b.constant(kSquare, causal(1)), b.scalar(0)}, DType::boolean);
      return b.op(OpKind::SELECT_V2, {open, s, b.scalar(masked)});
    });
    if (!std::isfinite(masked)) continue;  // as data it is an error, and 0 * inf is no mask
    check("input",
          [&](GraphBuilder& b, ValueId s) { return b.op(OpKind::ADD, {s, b.input("mask", kSquare)}); });
    check("product", [&](GraphBuilder& b, ValueId s) {
      const ValueId hidden = b.op(OpKind::MUL, {b.input("mask", kSquare), b.scalar(1)});
      return b.op(OpKind::ADD, {s, hidden});
    });
  }
}

TEST_CASE("a row that is hidden as a whole does not count, nor what a clamp cuts off") {
  const std::vector<float> rows = {3, -1e4f, 1, -1e4f, -1e4f - 2, -1e4f, 0, -2, -30};
  std::vector<float> storage;
  const auto seen = influential({rows.data(), DType::float32, Shape{3, 3}, {}}, {10.0f, {}}, storage);
  CHECK(std::vector<float>(seen.begin(), seen.end()) ==
        std::vector<float>{3, -7, 1, -10, -10, -10, 0, -2, -10});
  const auto cut = influential({rows.data(), DType::float32, Shape{9}, {}}, {{}, -1.0f}, storage);
  CHECK(cut[1] == -1);
  CHECK(cut[7] == -1);
  CHECK(cut[6] == 0);
}

TEST_CASE("what others see counts in full") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 4}), y = b.op(OpKind::ABS, {x}), z = b.op(OpKind::NEG, {x});
  const ValueId p = b.op(OpKind::SOFTMAX, {y}), q = b.op(OpKind::SOFTMAX, {b.reshape(z, {1, 8})});
  b.output(b.op(OpKind::RELU, {z}), "r");
  b.output(y, "y");
  b.output(p, "p");
  b.output(q, "q");
  const auto all = influences_of(b.graph());
  CHECK(!all[static_cast<size_t>(x)].any());
  CHECK(!all[static_cast<size_t>(y)].any());
  CHECK(!all[static_cast<size_t>(z)].any());
}

}  // namespace octet::test
