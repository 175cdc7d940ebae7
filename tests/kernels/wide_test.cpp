// Products, convolutions and pools of 16-bit activations.
#include <algorithm>
#include <cmath>

#include "kernels/quant_math.hpp"
#include "tests/kernels/linear_case.hpp"

namespace octet {
namespace {

using namespace test;

TEST_CASE("16-bit activations, 8-bit weights, 64-bit or 32-bit bias") {
  const auto x = random_integers<int16_t>(5 * 6 * 3, -32768, 32767, 1);
  const auto w = random_integers<int8_t>(4 * 3 * 3 * 3, -127, 127, 2);
  const std::vector<int64_t> bias64 = {1'000'000'000'000, -5'000'000'000, 77, 0};
  const std::vector<int32_t> bias32 = {2'000'000'000, -2'000'000'000, 77, 0};
  Conv2DAttrs a;
  a.act = Activation::Kind::relu;
  const Quantization ws = Quantization::per_channel(0, {{0.01f, 0}, {0.02f, 0}, {0.005f, 0}, {0.03f, 0}});
  for (bool wide : {true, false}) {
    const TensorDesc bias = wide ? tensor("b", Shape{4}, bias64) : tensor("b", Shape{4}, bias32);
    Case c(
        OpKind::CONV_2D, a,
        {tensor("x", Shape{1, 5, 6, 3}, x, per_tensor(1e-4f)), tensor("w", Shape{4, 3, 3, 3}, w, ws), bias},
        DType::int16, per_tensor(3e-4f));
    const auto y = c.reference<int16_t>();
    REQUIRE(y.size() == 5 * 6 * 4);
    for (int r = 0; r < 5; ++r)
      for (int q = 0; q < 6; ++q)
        for (int o = 0; o < 4; ++o) {
          int64_t sum = wide ? bias64[static_cast<size_t>(o)] : bias32[static_cast<size_t>(o)];
          for (int i = 0; i < 27; ++i) {
            const int ky = r + i / 9 - 1, kx = q + i / 3 % 3 - 1;
            if (ky < 0 || ky >= 5 || kx < 0 || kx >= 6) continue;
            sum += static_cast<int64_t>(x[static_cast<size_t>((ky * 6 + kx) * 3 + i % 3)]) *
                   w[static_cast<size_t>(o * 27 + i)];
          }
          const double real = static_cast<double>(sum) * static_cast<double>(1e-4f) *
                              static_cast<double>(ws.at(static_cast<size_t>(o)).scale) /
                              static_cast<double>(3e-4f);
          CHECK(std::fabs(y[static_cast<size_t>((r * 6 + q) * 4 + o)] - std::clamp(real, 0.0, 32767.0)) <=
                0.5001);
        }
  }
}

TEST_CASE("16-bit activations: sums beyond 32 bits, and depthwise windows, are those of the reference") {
  const int depth = 2051;
  std::vector<int16_t> x(2 * depth + 32, -32768);  // kernels may read 64 bytes more
  std::vector<int8_t> w(19 * depth, -127);
  for (size_t i = 0; i < w.size(); i += 3)
    w[i] = static_cast<int8_t>(w[i] + static_cast<int>(i % 7));
  Case product(OpKind::FULLY_CONNECTED, FullyConnectedAttrs{},
               {tensor("x", Shape{2, depth}, x, per_tensor(1e-3f)),
                tensor("w", Shape{19, depth}, w, Quantization::per_tensor({1e-2f, 0}))},
               DType::int16, per_tensor(4.0f));
  const auto have = product.run<int16_t>(find_spec(OpKind::FULLY_CONNECTED)->fast.back());
  CHECK(have == product.reference<int16_t>());
  CHECK(have[0] > 20000);

  const auto image = random_integers<int16_t>(7 * 9 * 70, -32768, 32767, 8);
  const auto taps = random_integers<int8_t>(5 * 3 * 70, -127, 127, 9);
  DepthwiseConv2DAttrs a;
  a.stride_h = 2;
  a.dilation_w = 2;
  Case depthwise(OpKind::DEPTHWISE_CONV_2D, a,
                 {tensor("x", Shape{1, 7, 9, 70}, image, per_tensor(1e-4f)),
                  tensor("w", Shape{1, 5, 3, 70}, taps, Quantization::per_tensor({1e-2f, 0}))},
                 DType::int16, per_tensor(3e-4f));
  CHECK(depthwise.run<int16_t>(find_spec(OpKind::DEPTHWISE_CONV_2D)->fast.back()) ==
        depthwise.reference<int16_t>());
}

TEST_CASE("16-bit matrix times 8-bit weights with a scale per column") {
  const auto x = random_integers<int16_t>(3 * 8, -32768, 32767, 3);
  for (const bool turned : {false, true}) {
    const auto w = random_integers<int8_t>(8 * 2, -127, 127, 4);
    const Quantization scales = Quantization::per_channel(turned ? 0 : 1, {{0.01f, 0}, {0.002f, 0}});
    Case product(OpKind::BATCH_MATMUL, BatchMatMulAttrs{.adj_y = turned},
                 {tensor("x", Shape{3, 8}, x, per_tensor(1e-4f)),
                  tensor("w", turned ? Shape{2, 8} : Shape{8, 2}, w, scales)},
                 DType::int16, per_tensor(1e-3f));
    const auto got = product.reference<int16_t>();
    for (size_t i = 0; i < 3; ++i)
      for (size_t j = 0; j < 2; ++j) {
        double sum = 0;
        for (size_t k = 0; k < 8; ++k)
          sum += static_cast<double>(x[i * 8 + k]) * w[turned ? j * 8 + k : k * 2 + j];
        const double real = sum * 1e-4 * (j == 0 ? 0.01 : 0.002) / 1e-3;
        CHECK(std::fabs(got[i * 2 + j] - std::clamp(real, -32768.0, 32767.0)) <= 0.51);
      }
  }
}

TEST_CASE("16-bit matrix product and pools") {
  const auto x = random_integers<int16_t>(3 * 8, -32768, 32767, 3);
  const auto y = random_integers<int16_t>(8 * 2, -32768, 32767, 4);
  Case product(
      OpKind::BATCH_MATMUL, BatchMatMulAttrs(),
      {tensor("x", Shape{3, 8}, x, per_tensor(1e-4f)), tensor("y", Shape{8, 2}, y, per_tensor(1e-4f))},
      DType::int16, per_tensor(2e-3f));
  const auto got = product.reference<int16_t>();
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 2; ++j) {
      double sum = 0;
      for (size_t k = 0; k < 8; ++k)
        sum += static_cast<double>(x[i * 8 + k]) * y[k * 2 + j];
      CHECK(std::fabs(got[i * 2 + j] - std::clamp(sum * 1e-8 / 2e-3, -32768.0, 32767.0)) <= 0.51);
    }
  Pool2DAttrs a;
  a.filter_h = a.filter_w = a.stride_h = a.stride_w = 2;
  const auto image = random_integers<int16_t>(4 * 4 * 2, -32768, 32767, 5);
  const TensorDesc in = tensor("x", Shape{1, 4, 4, 2}, image, per_tensor(1e-4f));
  for (OpKind kind : {OpKind::AVERAGE_POOL_2D, OpKind::MAX_POOL_2D}) {
    Case pool(kind, a, {in}, DType::int16, per_tensor(1e-4f));
    const auto p = pool.reference<int16_t>();
    REQUIRE(p.size() == 8);
    for (size_t i = 0; i < 8; ++i) {
      CAPTURE(i);
      const size_t c = i % 2, w = i / 2 % 2 * 2, h = i / 4 * 2, at = (h * 4 + w) * 2 + c;
      const double v[] = {double(image[at]), double(image[at + 2]), double(image[at + 8]),
                          double(image[at + 10])};
      const double expect = kind == OpKind::MAX_POOL_2D ? std::max({v[0], v[1], v[2], v[3]})
                                                        : round_even((v[0] + v[1] + v[2] + v[3]) / 4);
      CHECK(p[i] == expect);
    }
  }
}

}  // namespace
}  // namespace octet
