// QUANTIZE, DEQUANTIZE and CAST between all the types they take.
#include <cmath>
#include <limits>

#include "tests/kernels/raw_node.hpp"

namespace octet::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Quantization affine(float scale, int64_t zero_point) {
  return Quantization::per_tensor({scale, zero_point});
}
RawTensor like(DType t, Quantization q = {}) {
  return {.dtype = t, .shape = {}, .quant = std::move(q), .bytes = {}};
}

}  // namespace

TEST_CASE("float is quantized half to even, saturates, and NaN becomes the zero point") {
  const std::vector<float> x{0, 0.25f, 0.75f, -0.25f, -0.75f, 1.25f, 1000, -1000, kInf, -kInf, kNan, 0.5f};
  const auto n = static_cast<int32_t>(x.size());
  NodeRunner r{
      OpKind::QUANTIZE, NoAttrs{}, {RawTensor::of(Shape{n}, x)}, {like(DType::int8, affine(0.5f, -3))}};
  r.expect<int8_t>({-3, -3, -1, -3, -5, -1, 127, -128, 127, -128, -3, -2});
  r.out[0] = like(DType::uint8, affine(0.5f, 100));
  r.expect<uint8_t>({100, 100, 102, 100, 98, 102, 255, 0, 255, 0, 100, 101});
  r.out[0] = like(DType::int16, affine(0.5f, 0));
  r.expect<int16_t>({0, 0, 2, 0, -2, 2, 2000, -2000, 32767, -32768, 0, 1});
}

TEST_CASE("quantization along an axis") {
  NodeRunner r{OpKind::QUANTIZE,
               NoAttrs{},
               {RawTensor::of<float>({2, 3}, {1, 2, 3, -1, -2, -3})},
               {like(DType::int8, Quantization::per_channel(1, {{1, 0}, {0.5f, 0}, {0.25f, 1}}))}};
  r.expect<int8_t>({1, 4, 13, -1, -4, -11});
  NodeRunner d{
      OpKind::DEQUANTIZE,
      NoAttrs{},
      {RawTensor::of<int8_t>({2, 2}, {1, 2, 3, 4}, Quantization::per_channel(0, {{1, 0}, {0.5f, 1}}))},
      {like(DType::float32)}};
  d.expect<float>({1, 2, 1, 1.5f});
  d.in[0].quant = Quantization::per_channel(0, {{1, 0}, {0.5f, 1}, {1, 0}});
  CHECK(d.run(0).status().code() == Code::corrupt_model);
  d.in[0].quant = {};
  CHECK(!d.run(0).ok());
}

TEST_CASE("requantization between integer types") {
  const std::vector<int8_t> q{-128, -1, 0, 1, 64, 127};
  NodeRunner r{OpKind::QUANTIZE,
               NoAttrs{},
               {RawTensor::of<int8_t>({6}, q, affine(1, 0))},
               {like(DType::uint8, affine(1, 128))}};
  r.expect<uint8_t>({0, 127, 128, 129, 192, 255});
  r.out[0] = like(DType::int8, affine(2, 10));
  r.expect<int8_t>({-54, 10, 10, 10, 42, 74});  // -0.5, 0.5 and 63.5 to even
  r.out[0] = like(DType::int16, affine(0.25f, 0));
  r.expect<int16_t>({-512, -4, 0, 4, 256, 508});
  r.out[0] = like(DType::int32, affine(0.001f, 0));
  r.expect<int32_t>({-128000, -1000, 0, 1000, 64000, 127000});
  NodeRunner w{OpKind::QUANTIZE,
               NoAttrs{},
               {RawTensor::of<int16_t>({5}, {-32768, -100, 0, 101, 32767}, affine(0.5f, 0))},
               {like(DType::int8, affine(1, 5))}};
  w.expect<int8_t>({-128, -45, 5, 55, 127});
}

TEST_CASE("dequantization") {
  NodeRunner r{OpKind::DEQUANTIZE,
               NoAttrs{},
               {RawTensor::of<uint8_t>({3}, {0, 128, 255}, affine(0.5f, 128))},
               {like(DType::float32)}};
  r.expect<float>({-64, 0, 63.5f});
  r.in[0] = RawTensor::of<int16_t>({3}, {-32768, 0, 32767}, affine(0.5f, 0));
  r.expect<float>({-16384, 0, 16383.5f});
  r.in[0] = RawTensor::of<uint16_t>({4}, {0x3c00, 0xc000, 0x7c00, 0x0001}, {}, DType::float16);
  r.expect<float>({1, -2, kInf, 0x1p-24f});
  r.in[0] = RawTensor::of<uint8_t>({3}, {0x81, 0x07}, affine(2, 0), DType::int4);  // 1, -8, 7
  r.expect<float>({2, -16, 14});
  r.in[0] = RawTensor::of<uint8_t>({2, 2}, {0x81, 0x17},
                                   Quantization::blockwise(1, {{2, 0}, {1, 1}, {4, 0}, {8, 0}}),
                                   DType::int4);  // 1, -8, 7, 1
  r.expect<float>({2, -9, 28, 8});
}

TEST_CASE("casts: float saturates, integers wrap, anything but 0 is true") {
  const std::vector<float> x{0, -1.9f, 1.9f, 300, -300, kInf, -kInf, kNan};
  NodeRunner r{OpKind::CAST, CastAttrs{}, {RawTensor::of<float>({8}, x)}, {like(DType::int32)}};
  r.expect<int32_t>({0, -1, 1, 300, -300, INT32_MAX, INT32_MIN, 0});
  r.out[0] = like(DType::int8);
  r.expect<int8_t>({0, -1, 1, 127, -128, 127, -128, 0});
  r.out[0] = like(DType::uint8);
  r.expect<uint8_t>({0, 0, 1, 255, 0, 255, 0, 0});
  r.out[0] = like(DType::int64);
  r.expect<int64_t>({0, -1, 1, 300, -300, INT64_MAX, INT64_MIN, 0});
  r.out[0] = like(DType::boolean);
  r.expect<uint8_t>({0, 1, 1, 1, 1, 1, 1, 1});

  r.in[0] = RawTensor::of<int64_t>({4}, {-1, 257, INT64_MAX, INT64_MIN});
  r.out[0] = like(DType::uint8);
  r.expect<uint8_t>({255, 1, 255, 0});
  r.out[0] = like(DType::float32);
  r.expect<float>({-1, 257, 0x1p63f, -0x1p63f});
  r.in[0] = RawTensor::of<uint64_t>({1}, {UINT64_MAX});
  r.expect<float>({0x1p64f});
  r.in[0] = RawTensor::of<uint8_t>({3}, {0, 1, 7}, {}, DType::boolean);
  r.expect<float>({0, 1, 1});
  r.out[0] = like(DType::int32);
  r.expect<int32_t>({0, 1, 1});
  r.in[0] = RawTensor::of<float>({3}, {1, -2, 65520});
  r.out[0] = like(DType::float16);
  r.expect<uint16_t>({0x3c00, 0xc000, 0x7c00});
  r.out[0] = like(DType::bfloat16);
  r.expect<uint16_t>({0x3f80, 0xc000, 0x4780});
  r.out[0] = like(DType::string);
  CHECK(!r.run(0).ok());
}

}  // namespace octet::test
