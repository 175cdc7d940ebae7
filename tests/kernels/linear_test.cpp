// Forms of convolutions, matrix products and pools that the case tables do not make: 16-bit activations,
// hybrid and int4 weights, shapes and constants made to break things.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <random>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "schema/core/int4.hpp"

namespace octet {
namespace {

Quantization per_tensor(float scale, int64_t zero = 0) {
  return Quantization::per_tensor({scale, zero});
}

template <class T>
TensorDesc tensor(std::string_view name, Shape s, const std::vector<T>& v, Quantization q = {}) {
  return {.name = name, .dtype = dtype_of<T>(), .shape = s, .quant = std::move(q), .data = v.data()};
}

// A node whose inputs are all known and whose output has the given type.
struct Case {
  OpKind kind;
  Attrs attrs;
  std::vector<TensorDesc> in;
  std::vector<TensorDesc> out;

  Case(OpKind k, Attrs a, std::vector<TensorDesc> i, DType type, Quantization q = {})
      : kind(k), attrs(std::move(a)), in(std::move(i)) {
    out.push_back({.name = "out", .dtype = type, .shape = {}, .quant = std::move(q)});
  }
  NodeDesc node() const { return {kind, &attrs, in, out}; }
  Status infer() {
    auto shapes = infer_shapes(*find_spec(kind), node());
    if (!shapes.ok()) return std::move(shapes).status();
    out[0].shape = shapes->shapes.at(0);
    return {};
  }
  template <class T>
  std::vector<T> run(const Implementation& impl, int threads = 1) {
    ThreadPool pool(threads);
    REQUIRE(infer().ok());
    auto kernel = impl.create(node(), pool);
    REQUIRE_MESSAGE(kernel.ok(), kernel.status().message());
    std::vector<T> y(static_cast<size_t>(out[0].elements()) + 64);
    std::vector<const void*> pointers;
    for (const TensorDesc& t : in)
      pointers.push_back(t.absent ? nullptr : t.data);
    void* to = y.data();
    std::vector<std::byte> workspace((*kernel)->workspace_bytes() + 128);
    void* at = workspace.data();
    size_t space = workspace.size();
    std::align(64, (*kernel)->workspace_bytes(), at, space);
    const Status s = (*kernel)->run({.in = pointers, .out = {&to, 1}, .workspace = at, .pool = pool});
    REQUIRE_MESSAGE(s.ok(), s.message());
    y.resize(static_cast<size_t>(out[0].elements()));
    return y;
  }
  template <class T>
  std::vector<T> reference() {
    return run<T>(find_spec(kind)->reference);
  }
};

template <class T>
std::vector<T> random_integers(size_t n, int lo, int hi, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<T> v(n);
  for (T& x : v)
    x = static_cast<T>(lo + static_cast<int>(rng() % static_cast<unsigned>(hi - lo + 1)));
  return v;
}
std::vector<float> random_floats(size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<float> v(n);
  for (float& x : v)
    x = static_cast<float>(static_cast<double>(rng()) / 2147483648.0 - 1.0);
  return v;
}

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
    const double v[] = {double(image[0]), double(image[2]), double(image[8]), double(image[10])};
    const double expect = kind == OpKind::MAX_POOL_2D ? std::max({v[0], v[1], v[2], v[3]})
                                                      : round_even((v[0] + v[1] + v[2] + v[3]) / 4);
    CHECK(p[0] == expect);
  }
}

TEST_CASE("float activations with int8 weights stay close to float, on every implementation") {
  const auto xs = random_floats(2 * 6 * 6 * 8, 6);
  const auto weights = random_integers<int8_t>(8 * 3 * 3 * 8, -127, 127, 7);
  const auto bias = random_floats(72, 8);
  const auto scales = [](int n) {
    std::vector<Affine> s;
    for (int i = 0; i < n; ++i)
      s.push_back({0.01f + 0.001f * static_cast<float>(i), 0});
    return s;
  };
  struct Form {
    OpKind kind;
    Attrs attrs;
    Shape x, w;
    int axis, channels, terms;
  };
  FullyConnectedAttrs symmetric, asymmetric;
  asymmetric.asymmetric_quantize_inputs = true;
  for (const Form& f :
       {Form{OpKind::CONV_2D, Conv2DAttrs(), {2, 6, 6, 8}, {8, 3, 3, 8}, 0, 8, 72},
        Form{OpKind::CONV_2D, Conv2DAttrs(), {2, 6, 6, 8}, {8, 1, 1, 8}, -1, 8, 8},
        Form{OpKind::DEPTHWISE_CONV_2D, DepthwiseConv2DAttrs(), {2, 6, 6, 8}, {1, 3, 3, 8}, 3, 8, 9},
        Form{OpKind::FULLY_CONNECTED, symmetric, {8, 72}, {8, 72}, -1, 8, 72},
        Form{OpKind::FULLY_CONNECTED, asymmetric, {8, 72}, {8, 72}, 0, 8, 72}}) {
    const Quantization q =
        f.axis < 0 ? per_tensor(0.01f) : Quantization::per_channel(f.axis, scales(f.channels));
    const auto elements = static_cast<size_t>(f.w.elements());
    const std::vector<int8_t> w(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(elements));
    std::vector<float> real(elements);
    const int64_t inner = f.axis < 0 ? 1 : f.w.elements(f.axis + 1, f.w.rank());
    for (size_t i = 0; i < elements; ++i)
      real[i] = static_cast<float>(
          dequantize(w[i], q.at(static_cast<size_t>(static_cast<int64_t>(i) / inner % f.channels))));
    const TensorDesc x = tensor("x", f.x, xs), b = tensor("b", Shape{f.channels}, bias);
    std::vector<float> b8(bias.begin(), bias.begin() + f.channels);
    Case hybrid(f.kind, f.attrs, {x, tensor("w", f.w, w, q), tensor("b", Shape{f.channels}, b8)},
                DType::float32);
    Case plain(f.kind, f.attrs, {x, tensor("w", f.w, real), tensor("b", Shape{f.channels}, b8)},
               DType::float32);
    const auto got = hybrid.reference<float>(), want = plain.reference<float>();
    REQUIRE(got.size() == want.size());
    // Each activation is off by at most half a step of its row, 1 / 127 or 2 / 255 wide.
    const double bound = f.terms * 127 * 0.018 * 0.5 / 127 + 1e-4;
    double worst = 0, total = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
      total += std::fabs(static_cast<double>(want[i]));
    }
    CHECK(worst <= bound);
    CHECK(worst > 0);  // it did quantize
    CHECK(total > 0);
    for (const Implementation& impl : find_spec(f.kind)->fast) {
      ThreadPool one(1);
      REQUIRE(hybrid.infer().ok());
      if (!impl.create(hybrid.node(), one).ok()) continue;
      for (int threads : {1, 2}) {
        const auto fast = hybrid.run<float>(impl, threads);
        CAPTURE(name_of(f.kind));
        CAPTURE(impl.name);
        CAPTURE(threads);
        for (size_t i = 0; i < got.size(); ++i) {
          CAPTURE(i);
          CHECK(std::fabs(fast[i] - got[i]) <= 1e-4f);
        }
      }
    }
  }
}

TEST_CASE("activations that are zero, tiny or not a number quantize without trouble") {
  const std::vector<int8_t> w(4, 100);
  const float nan = std::numeric_limits<float>::quiet_NaN(), tiny = 1e-42f;
  for (float v : {0.0f, tiny, -tiny, nan, std::numeric_limits<float>::infinity(), 3e38f}) {
    const std::vector<float> x = {v, 0, 0, 0};
    for (bool asymmetric : {false, true}) {
      FullyConnectedAttrs a;
      a.asymmetric_quantize_inputs = asymmetric;
      Case c(OpKind::FULLY_CONNECTED, a,
             {tensor("x", Shape{1, 4}, x), tensor("w", Shape{1, 4}, w, per_tensor(0.5f))}, DType::float32);
      const auto y = c.reference<float>();
      if (v == 0.0f || std::fabs(v) == tiny) CHECK(std::fabs(y[0]) < 1e-30f);
      CHECK(y.size() == 1);
    }
  }
}

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
    if (block % 32 != 0) {
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
  for (int32_t few = 1; few <= 20; ++few) {
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

TEST_CASE("long sums of bytes do not overflow") {
  const size_t terms = 140'000;  // 140000 * 255 * 127 is beyond 32 bits
  const std::vector<int8_t> x(terms, 127), w(terms, 127);
  Case c(OpKind::FULLY_CONNECTED, FullyConnectedAttrs(),
         {tensor("x", Shape{1, 140'000}, x, per_tensor(1, -128)),
          tensor("w", Shape{1, 140'000}, w, per_tensor(1))},
         DType::int8, per_tensor(4e7f));
  // The sum saturates at 2^31 - 1: 53.7 steps of the output.
  CHECK(c.reference<int8_t>()[0] == 54);
}

TEST_CASE("what does not fit together is refused with a reason") {
  const std::vector<float> f(4096, 0.5f);
  const std::vector<int8_t> i8(4096, 1);
  const auto conv = [&](Shape x, Shape w, Conv2DAttrs a, int32_t bias) {
    Case c(OpKind::CONV_2D, a, {tensor("x", x, f), tensor("w", w, f), tensor("b", Shape{bias}, f)},
           DType::float32);
    const Status s = c.infer();
    CHECK(s.ok() == s.message().empty());
    return s.ok();
  };
  Conv2DAttrs a;
  CHECK(conv({1, 4, 4, 4}, {8, 3, 3, 4}, a, 8));
  CHECK_FALSE(conv({1, 4, 4, 4}, {8, 3, 3, 3}, a, 8));  // channels
  CHECK_FALSE(conv({1, 4, 4, 4}, {7, 3, 3, 2}, a, 7));  // groups
  CHECK_FALSE(conv({1, 4, 4, 4}, {8, 3, 3, 4}, a, 7));  // bias
  CHECK_FALSE(conv({1, 4, 4, 4}, {8, 3, 3, 0}, a, 8));  // empty weights
  CHECK_FALSE(conv({1, 4, 4, 4}, {0, 3, 3, 4}, a, 0));  // no output channels
  CHECK_FALSE(conv({1, 4, 4, 4}, {8, 0, 3, 4}, a, 8));  // empty window
  CHECK_FALSE(conv({1, 4, 4}, {8, 3, 3, 4}, a, 8));     // rank
  CHECK_FALSE(conv({1, 4, 4, 0}, {8, 3, 3, 4}, a, 8));  // no input channels
  for (int32_t bad : {0, -1, std::numeric_limits<int32_t>::min()}) {
    Conv2DAttrs s = a, d = a;
    s.stride_h = bad;
    d.dilation_w = bad;
    CHECK_FALSE(conv({1, 4, 4, 4}, {8, 3, 3, 4}, s, 8));
    CHECK_FALSE(conv({1, 4, 4, 4}, {8, 3, 3, 4}, d, 8));
  }
  Conv2DAttrs huge = a;
  huge.dilation_h = std::numeric_limits<int32_t>::max();
  CHECK_FALSE(conv({1, 4, 4, 4}, {8, 3, 3, 4}, huge, 8));
  huge.padding = Padding::Kind::valid;
  CHECK_FALSE(conv({1, 4, 4, 4}, {8, 3, 3, 4}, huge, 8));

  const auto transposed = [&](std::vector<int32_t> shape) {
    Case c(OpKind::TRANSPOSE_CONV, TransposeConvAttrs(),
           {tensor("s", Shape{static_cast<int32_t>(shape.size())}, shape), tensor("w", Shape{8, 3, 3, 4}, f),
            tensor("x", Shape{1, 4, 4, 4}, f)},
           DType::float32);
    return c.infer().ok();
  };
  CHECK(transposed({1, 4, 4, 8}));
  for (const std::vector<int32_t>& bad : {std::vector<int32_t>{1, 4, 4},
                                          {2, 4, 4, 8},
                                          {1, 4, 4, 7},
                                          {1, 0, 4, 8},
                                          {1, -1, 4, 8},
                                          {1, 4, 4, 8, 1}})
    CHECK_FALSE(transposed(bad));

  const auto connected = [&](Shape x, Shape w, bool keep) {
    FullyConnectedAttrs fc;
    fc.keep_num_dims = keep;
    return Case(OpKind::FULLY_CONNECTED, fc, {tensor("x", x, f), tensor("w", w, f)}, DType::float32)
        .infer()
        .ok();
  };
  CHECK(connected({2, 3, 4}, {5, 12}, false));
  CHECK_FALSE(connected({2, 3, 4}, {5, 12}, true));
  CHECK_FALSE(connected({2, 3, 4}, {5, 7}, false));
  CHECK_FALSE(connected({2, 3, 4}, {5, 0}, false));
  CHECK_FALSE(connected({2, 3, 4}, {60}, false));

  const auto product = [&](Shape x, Shape y) {
    return Case(OpKind::BATCH_MATMUL, BatchMatMulAttrs(), {tensor("x", x, f), tensor("y", y, f)},
                DType::float32)
        .infer()
        .ok();
  };
  CHECK(product({2, 3, 4}, {4, 5}));
  CHECK_FALSE(product({2, 3, 4}, {5, 4}));
  CHECK_FALSE(product({2, 3, 4}, {3, 4, 5}));
  CHECK_FALSE(product({4}, {4, 5}));

  const auto pool = [&](Shape x, int32_t filter, int32_t stride) {
    Pool2DAttrs p;
    p.padding = Padding::Kind::valid;
    p.filter_h = p.filter_w = filter;
    p.stride_h = p.stride_w = stride;
    return Case(OpKind::MAX_POOL_2D, p, {tensor("x", x, f)}, DType::float32).infer().ok();
  };
  CHECK(pool({1, 4, 4, 4}, 2, 2));
  CHECK_FALSE(pool({1, 4, 4, 4}, 5, 1));
  CHECK_FALSE(pool({1, 4, 4, 4}, 0, 1));
  CHECK_FALSE(pool({1, 4, 4, 4}, 2, 0));
  CHECK_FALSE(pool({4, 4, 4}, 2, 1));

  // Types and quantization are checked when a kernel is made.
  ThreadPool one(1);
  const auto creates = [&](std::vector<TensorDesc> in, DType out, Quantization q) {
    Case c(OpKind::CONV_2D, Conv2DAttrs(), std::move(in), out, std::move(q));
    REQUIRE(c.infer().ok());
    const OpSpec& spec = *find_spec(c.kind);
    for (const Implementation& i : spec.fast)
      CHECK_FALSE(i.create(c.node(), one).ok());
    return spec.reference.create(c.node(), one).ok();
  };
  const TensorDesc x = tensor("x", Shape{1, 4, 4, 4}, i8, per_tensor(1));
  const TensorDesc w = tensor("w", Shape{8, 3, 3, 4}, i8, per_tensor(1));
  CHECK_FALSE(creates({x, tensor("w", Shape{8, 3, 3, 4}, i8)}, DType::int8, per_tensor(1)));  // no scale
  CHECK_FALSE(creates({x, w}, DType::int8, {}));
  CHECK_FALSE(creates({x, w}, DType::int16, per_tensor(1)));
  CHECK_FALSE(creates({x, w}, DType::float32, {}));
  const Quantization seven = Quantization::per_channel(0, std::vector<Affine>(7));
  CHECK_FALSE(creates({x, tensor("w", Shape{8, 3, 3, 4}, i8, seven)}, DType::int8, per_tensor(1)));
  const Quantization other_axis = Quantization::per_channel(3, std::vector<Affine>(8));
  CHECK_FALSE(creates({x, tensor("w", Shape{8, 3, 3, 4}, i8, other_axis)}, DType::int8, per_tensor(1)));
  CHECK_FALSE(creates({tensor("x", Shape{1, 4, 4, 4}, i8, per_tensor(3e38f)),
                       tensor("w", Shape{8, 3, 3, 4}, i8, per_tensor(3e38f))},
                      DType::int8, per_tensor(1)));  // the product of the scales is infinite
  // A ratio that XNNPACK does not take is left to the reference.
  CHECK(creates({x, w}, DType::int8, per_tensor(1e-3f)));
}

TEST_CASE("an empty batch runs and does nothing") {
  const std::vector<float> f(512, 1.0f);
  Case c(OpKind::CONV_2D, Conv2DAttrs(),
         {tensor("x", Shape{0, 4, 4, 4}, f), tensor("w", Shape{8, 3, 3, 4}, f)}, DType::float32);
  CHECK(c.reference<float>().empty());
}

}  // namespace
}  // namespace octet
