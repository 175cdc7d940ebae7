// int4 weights, per channel and in blocks.
#include "schema/core/int4.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/cpu.hpp"
#include "kernels/quant_math.hpp"
#include "tests/kernels/linear_case.hpp"

namespace octet {
namespace {

using namespace test;

TEST_CASE("int4 weights") {
  // -8, 7, -1, 1 and 3, -3, 0, 2: low nibble first.
  const std::vector<uint8_t> packed = {0x78, 0x1F, 0xD3, 0x20};
  const std::vector<float> x = {1, 2, 4, 8};
  TensorDesc w{
      .name = "w", .dtype = DType::int4, .shape = Shape{2, 4}, .quant = per_tensor(1), .data = packed.data()};
  Case c(OpKind::FULLY_CONNECTED, FullyConnectedAttrs(), {tensor("x", Shape{1, 4}, x), w}, DType::float32);
  const auto y = c.reference<float>();
  CHECK(y[0] == doctest::Approx(-8 + 14 - 4 + 8).epsilon(0.02));
  CHECK(y[1] == doctest::Approx(3 - 6 + 0 + 16).epsilon(0.02));
}

TEST_CASE("int4 weights on every implementation are int8 weights with the same values") {
  const auto x = random_floats(4 * 6 * 6 * 8, 40);
  const auto w = random_integers<int8_t>(72 * 8, -7, 7, 41);
  const std::vector<std::byte> packed = pack_int4(w);
  const auto bias = random_floats(8, 42);
  std::vector<Affine> scales;
  for (int i = 0; i < 8; ++i)
    scales.push_back({0.1f + 0.01f * static_cast<float>(i), 0});
  FullyConnectedAttrs asymmetric;
  asymmetric.asymmetric_quantize_inputs = true;
  struct Form {
    OpKind kind;
    Attrs attrs;
    Shape x, w;
    int axis;
  };
  for (const Form& f : {Form{OpKind::FULLY_CONNECTED, FullyConnectedAttrs(), {16, 72}, {8, 72}, 0},
                        Form{OpKind::FULLY_CONNECTED, asymmetric, {16, 72}, {8, 72}, 0},
                        Form{OpKind::FULLY_CONNECTED, asymmetric, {9, 71}, {8, 71}, 0},  // rows of half bytes
                        Form{OpKind::CONV_2D, Conv2DAttrs(), {4, 6, 6, 8}, {8, 3, 3, 8}, 0},
                        Form{OpKind::CONV_2D, Conv2DAttrs(), {4, 6, 6, 8}, {8, 1, 1, 8}, 0}}) {
    CAPTURE(name_of(f.kind));
    CAPTURE(f.w.to_string());
    const Quantization q = Quantization::per_channel(f.axis, scales);
    const TensorDesc in{.name = "x", .shape = f.x, .data = x.data()};
    const TensorDesc narrow{
        .name = "w", .dtype = DType::int4, .shape = f.w, .quant = q, .data = packed.data()};
    const TensorDesc wide{.name = "w", .dtype = DType::int8, .shape = f.w, .quant = q, .data = w.data()};
    Case four(f.kind, f.attrs, {in, narrow, tensor("b", Shape{8}, bias)}, DType::float32);
    Case eight(f.kind, f.attrs, {in, wide, tensor("b", Shape{8}, bias)}, DType::float32);
    const auto want = eight.reference<float>();
    CHECK(four.reference<float>() == want);
    const auto got = four.run<float>(find_spec(f.kind)->fast[0], 2);
    REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < want.size(); ++i)
      CHECK(std::fabs(got[i] - want[i]) < 1e-4f);
  }
}

TEST_CASE("int4 weights with int8 activations are those of int8, bit by bit") {
  const auto x = random_integers<int8_t>(2 * 6 * 6 * 8, -128, 127, 43);
  const auto w = random_integers<int8_t>(8 * 9 * 8, -8, 7, 44);
  const std::vector<std::byte> packed = pack_int4(w);
  const TensorDesc in = tensor("x", Shape{2, 6, 6, 8}, x, per_tensor(0.05f, 3));
  const Shape shape{8, 3, 3, 8};
  Case four(
      OpKind::CONV_2D, Conv2DAttrs(),
      {in,
       {.name = "w", .dtype = DType::int4, .shape = shape, .quant = per_tensor(0.1f), .data = packed.data()}},
      DType::int8, per_tensor(0.5f));
  Case eight(OpKind::CONV_2D, Conv2DAttrs(), {in, tensor("w", shape, w, per_tensor(0.1f))}, DType::int8,
             per_tensor(0.5f));
  CHECK(four.reference<int8_t>() == eight.reference<int8_t>());
  for (const Implementation& impl : find_spec(OpKind::CONV_2D)->fast)
    if (impl.name == "xnnpack") CHECK(four.run<int8_t>(impl, 2) == eight.run<int8_t>(impl));
}

TEST_CASE("weights in blocks") {
  const int32_t inputs = 128, outputs = 12, rows = 9;
  const auto x = random_floats(static_cast<size_t>(rows * inputs), 50);
  const auto w = random_integers<int8_t>(static_cast<size_t>(outputs * inputs), -8, 7, 51);
  const std::vector<std::byte> packed = pack_int4(w);
  const auto bias = random_floats(static_cast<size_t>(outputs), 52);
  FullyConnectedAttrs attrs;
  attrs.act = Activation::Kind::relu;
  const auto weights = [&](int32_t block, float first, int64_t zero = 0) {
    std::vector<Affine> a;
    for (int i = 0; i < outputs * inputs / block; ++i)
      a.push_back({i == 0 ? first : 0x1p-7f * static_cast<float>(1 + i % 5), zero});
    return TensorDesc{.name = "w",
                      .dtype = DType::int4,
                      .shape = Shape{outputs, inputs},
                      .quant = Quantization::blockwise(block, a),
                      .data = packed.data()};
  };
  const auto make = [&](TensorDesc t) {
    return Case(OpKind::FULLY_CONNECTED, attrs,
                {tensor("x", Shape{rows, inputs}, x), std::move(t), tensor("b", Shape{outputs}, bias)},
                DType::float32);
  };
  // XNNPACK has kernels for them from AVX2 on.
  const bool has_fast = cpu_architecture() != "x86-64" || cpu().has(CpuFeature::avx2);
  for (const int32_t block : {32, 64, 128, 16, 2}) {
    CAPTURE(block);
    Case c = make(weights(block, 0.5f));
    const auto got = c.reference<float>();
    // In real numbers; activations lose up to half a step of their range's 255th.
    for (int r = 0; r < rows; ++r)
      for (int o = 0; o < outputs; ++o) {
        double sum = static_cast<double>(bias[static_cast<size_t>(o)]), room = 1e-4;
        for (int k = 0; k < inputs; ++k) {
          const auto at = static_cast<size_t>(o * inputs + k);
          const double v =
              static_cast<double>(c.in[1].quant.at(at / static_cast<size_t>(block)).scale) * w[at];
          sum += v * static_cast<double>(x[static_cast<size_t>(r * inputs + k)]);
          room += std::fabs(v) * 0.5 * 2 / 255;
        }
        CHECK(std::fabs(static_cast<double>(got[static_cast<size_t>(r * outputs + o)]) -
                        std::max(sum, 0.0)) <= room);
      }
    ThreadPool pool(1);
    const Implementation& fast = find_spec(OpKind::FULLY_CONNECTED)->fast[0];
    if (block % 32 != 0 || !has_fast) {
      CHECK(fast.create(c.node(), pool).status().code() == Code::declined);
      continue;
    }
    for (const int threads : {1, 2}) {
      const auto quick = c.run<float>(fast, threads);
      for (size_t i = 0; i < got.size(); ++i)
        CHECK(std::fabs(quick[i] - got[i]) <= 1e-4f * std::max(1.0f, std::fabs(got[i])));
    }
  }
  // However many rows are left for the last block of them.
  for (int32_t few = 1; has_fast && few <= 20; ++few) {
    const auto many = random_floats(static_cast<size_t>(few * inputs), 60);
    Case c(OpKind::FULLY_CONNECTED, attrs,
           {tensor("x", Shape{few, inputs}, many), weights(32, 0.5f), tensor("b", Shape{outputs}, bias)},
           DType::float32);
    const auto want = c.reference<float>(), got = c.run<float>(find_spec(OpKind::FULLY_CONNECTED)->fast[0]);
    for (size_t i = 0; i < want.size(); ++i)
      CHECK(std::fabs(got[i] - want[i]) <= 1e-4f * std::max(1.0f, std::fabs(want[i])));
  }
  const auto refused = [&](TensorDesc t) {
    Case c = make(std::move(t));
    const Status s = c.infer();
    if (!s.ok()) return s.message();
    ThreadPool pool(1);
    return find_spec(OpKind::FULLY_CONNECTED)->fast[0].create(c.node(), pool).status().message();
  };
  CHECK(refused(weights(32, 0.1f)).starts_with("scale 0.1 is no bfloat16"));
  CHECK(refused(weights(32, 0.5f, 1)) == "weights with a zero point");
  // With a zero point the reference does it.
  CHECK(make(weights(32, 0.1f, 1)).reference<float>().size() == static_cast<size_t>(rows * outputs));
  // What has no use for blocks says so.
  TensorDesc t = weights(32, 0.5f);
  t.shape = Shape{outputs, 1, 1, inputs};
  Case conv(OpKind::CONV_2D, Conv2DAttrs(), {tensor("x", Shape{rows, 1, 1, inputs}, x), t}, DType::float32);
  CHECK(conv.infer().message() == "'w' is quantized in blocks, which this operator does not take");
  Case add(OpKind::ADD, BinaryAttrs(), {t, t}, DType::int8);
  CHECK(add.infer().message() == "'w' is quantized in blocks, which this operator does not take");
}

}  // namespace
}  // namespace octet
