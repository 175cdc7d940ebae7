// Forms of convolutions, matrix products and pools that the case tables do not make: hybrid
// weights, shapes and constants made to break things.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "tests/kernels/linear_case.hpp"

namespace octet {
namespace {

using namespace test;

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
      REQUIRE(y.size() == 1);
      CAPTURE(v);
      // Without a range that a scale follows from, it is 1: infinity is the greatest byte, NaN the least.
      if (std::isnan(v))
        CHECK(y[0] == (asymmetric ? -128 : -127) * 50.0f);
      else if (std::isinf(v))
        CHECK(y[0] == 127 * 50.0f);
      else if (v == 3e38f)
        CHECK(y[0] == std::numeric_limits<float>::infinity());
      else
        CHECK(std::fabs(y[0]) < 1e-30f);
    }
  }
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
  // A ratio that XNNPACK does not take is for the products of 16 bits.
  Case wide(OpKind::CONV_2D, Conv2DAttrs(), {x, w}, DType::int8, per_tensor(1e-3f));
  REQUIRE(wide.infer().ok());
  CHECK(find_spec(OpKind::CONV_2D)->reference.create(wide.node(), one).ok());
  for (const Implementation& i : find_spec(OpKind::CONV_2D)->fast)
    CHECK(i.create(wide.node(), one).ok() == (i.name == "int16-gemm"));
}

TEST_CASE("sums beyond int32 saturate on every implementation") {
  const std::vector<int8_t> x(64, 127), ones(64, 127), none(64, 0);
  for (const int32_t bias : {INT32_MAX, INT32_MIN + 1, INT32_MAX - 64 * 127 * 127}) {
    const std::vector<int32_t> biases = {bias};
    const auto with = [&](const std::vector<int8_t>& w) {
      return Case(
          OpKind::FULLY_CONNECTED, FullyConnectedAttrs(),
          {tensor("x", Shape{1, 64}, x, per_tensor(1)), tensor("w", Shape{1, 64}, w, per_tensor(0.5f)),
           tensor("b", Shape{1}, biases, per_tensor(0.5f))},
          DType::int8, per_tensor(1e7f));
    };
    ThreadPool pool(1);
    int takers = 0;
    for (const auto& w : {ones, none}) {
      Case c = with(w);
      const auto want = c.reference<int8_t>();
      CHECK(want[0] == (bias > 0 ? 107 : -107));
      for (const Implementation& impl : find_spec(c.kind)->fast) {
        if (!impl.create(c.node(), pool).ok()) continue;
        CHECK(c.run<int8_t>(impl) == want);
        takers += w == none ? 1 : 0;
      }
    }
    CHECK(takers > 0);  // without weights nothing can overflow
  }
}

TEST_CASE("an empty batch runs and does nothing") {
  const std::vector<float> f(512, 1.0f);
  Case c(OpKind::CONV_2D, Conv2DAttrs(),
         {tensor("x", Shape{0, 4, 4, 4}, f), tensor("w", Shape{8, 3, 3, 4}, f)}, DType::float32);
  CHECK(c.reference<float>().empty());
}

}  // namespace
}  // namespace octet
