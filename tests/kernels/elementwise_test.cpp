// What the case tables can't say: 16 bits, quantization given exactly, errors, values outside of a domain.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "kernels/broadcast.hpp"
#include "kernels/elementwise/binary.hpp"
#include "kernels/elementwise/lookup.hpp"
#include "tests/kernels/raw_node.hpp"

namespace octet::test {
namespace {

Quantization affine_elementwise(float scale, int64_t zero_point) {
  return Quantization::per_tensor({scale, zero_point});
}
RawTensor like_elementwise(DType t, Quantization q = {}) {
  return {.dtype = t, .shape = {}, .quant = std::move(q), .bytes = {}};
}

}  // namespace

TEST_CASE("look_up agrees with indexing for every byte and length") {
  LookupTable t;
  for (size_t i = 0; i < 256; ++i)
    t.bytes[i] = static_cast<uint8_t>(i * 167 + 13);
  std::vector<uint8_t> in(700), out(701), want(700);
  for (size_t i = 0; i < in.size(); ++i) {
    in[i] = static_cast<uint8_t>(i * 31 + i / 256);
    want[i] = t.bytes[in[i]];
  }
  for (size_t n : {0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 700}) {
    std::fill(out.begin(), out.end(), uint8_t{0x5a});
    look_up(t, in.data(), out.data(), n);
    CHECK(std::equal(want.begin(), want.begin() + static_cast<ptrdiff_t>(n), out.begin()));
    CHECK(out[n] == 0x5a);
  }
}

TEST_CASE("16-bit functions, small and large enough for a table") {
  const auto run = [](OpKind kind, int32_t n, float in_scale, float out_scale) {
    std::vector<int16_t> q(static_cast<size_t>(n));
    for (size_t i = 0; i < q.size(); ++i)
      q[i] = static_cast<int16_t>(static_cast<int64_t>(i) * 7919 % 65536 - 32768);
    NodeRunner r{kind,
                 NoAttrs{},
                 {RawTensor::of<int16_t>({n}, q, affine_elementwise(in_scale, 0))},
                 {like_elementwise(DType::int16, affine_elementwise(out_scale, 0))}};
    std::vector<Result<std::vector<RawTensor>>> results;
    for (size_t k = 0; k <= find_spec(kind)->fast.size(); ++k)
      results.push_back(r.run(k));
    REQUIRE(results[0].ok());
    return results;
  };
  const auto declined = [](const auto& r) { return !r.ok() && r.status().code() == Code::declined; };
  const auto tanh = run(OpKind::TANH, 65536, 1.0f / 4096, 1.0f / 32768);
  const auto exact = (*tanh[0])[0].as<int16_t>();
  std::vector<int16_t> want;
  for (int i = 0; i < 65536; ++i) {
    const double x =
        static_cast<double>(static_cast<int16_t>(static_cast<int64_t>(i) * 7919 % 65536 - 32768)) / 4096;
    want.push_back(static_cast<int16_t>(std::min(std::nearbyint(std::tanh(x) * 32768), 32767.0)));
  }
  CHECK(exact == want);
  // Which run is that of an implementation.
  const auto at = [](std::string_view name) {
    const auto& fast = find_spec(OpKind::TANH)->fast;
    const auto found = std::find_if(fast.begin(), fast.end(), [&](const auto& i) { return i.name == name; });
    REQUIRE(found != fast.end());
    return static_cast<size_t>(found - fast.begin()) + 1;
  };
  const size_t table = at("int16-table"), polynomials = at("polynomials");
  REQUIRE(tanh[table].ok());
  CHECK((*tanh[table])[0].as<int16_t>() == exact);
  // Small tensors are not worth a table of all values.
  for (const int32_t n : {64, 65536}) {
    const TensorDesc t{.dtype = DType::int16, .shape = Shape{n}};
    const Attrs none = NoAttrs{};
    const NodeDesc node{.kind = OpKind::TANH, .attrs = &none, .in = {&t, 1}, .out = {&t, 1}};
    const OpSpec& spec = *find_spec(OpKind::TANH);
    const auto order = candidates(spec, node);
    const auto rank = [&](size_t k) { return std::find(order.begin(), order.end(), &spec.fast[k - 1]); };
    CHECK((rank(table) < rank(polynomials)) == (n == 65536));
  }
  // Polynomials miss by a step where the value lies in the middle between two.
  for (const auto& [kind, in_scale, out_scale] : {std::tuple{OpKind::TANH, 1.0f / 4096, 1.0f / 32768},
                                                  {OpKind::LOGISTIC, 1.0f / 2048, 1.0f / 32768},
                                                  {OpKind::LOGISTIC, 1.0f / 65536, 1.0f / 32768},
                                                  {OpKind::SIN, 1.0f / 10000, 1.0f / 32767},
                                                  {OpKind::SQUARE, 1.0f / 32768, 1.0f / 32767}}) {
    CAPTURE(name_of(kind));
    const auto results = run(kind, 65536, in_scale, out_scale);
    REQUIRE(results[polynomials].ok());
    const auto a = (*results[0])[0].as<int16_t>(), b = (*results[polynomials])[0].as<int16_t>();
    int differ = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      REQUIRE(std::abs(a[i] - b[i]) <= 1);
      differ += a[i] != b[i] ? 1 : 0;
    }
    CHECK(differ < 65536 / 200);
  }
  // A bend, a pole, a curve too narrow for the pieces.
  CHECK(declined(run(OpKind::RELU6, 64, 1.0f / 100, 1.0f / 100)[polynomials]));
  CHECK(declined(run(OpKind::LOG, 64, 1.0f / 4096, 1.0f / 4096)[polynomials]));
  CHECK(declined(run(OpKind::TANH, 64, 1.0f, 1.0f / 32768)[polynomials]));
  CHECK(declined(run(OpKind::TANH, 8, 1.0f / 4096, 1.0f / 32768)[polynomials]));
}

TEST_CASE("16-bit arithmetic") {
  NodeRunner r{OpKind::MUL,
               BinaryAttrs{},
               {RawTensor::of<int16_t>({4}, {-32768, 1000, 3, 32767}, affine_elementwise(0.5f, 0)),
                RawTensor::of<int16_t>({4}, {2, -7, 3, 32767}, affine_elementwise(1, 0))},
               {like_elementwise(DType::int16, affine_elementwise(1, 0))}};
  r.expect<int16_t>({-32768, -3500, 4, 32767});  // 4.5 to even
}

TEST_CASE("outside of the domain a quantized function saturates towards its limit") {
  const auto in = RawTensor::of<int8_t>({3}, {-10, 0, 10}, affine_elementwise(0.1f, 0));
  NodeRunner r{OpKind::LOG, NoAttrs{}, {in}, {like_elementwise(DType::int8, affine_elementwise(0.01f, 0))}};
  r.expect<int8_t>({-128, -128, 0});
  r.kind = OpKind::RSQRT;
  r.expect<int8_t>({127, 127, 100});
  r.kind = OpKind::SQRT;
  r.expect<int8_t>({0, 0, 100});
  NodeRunner f{
      OpKind::LOG, NoAttrs{}, {RawTensor::of<float>({2}, {-1, 0})}, {like_elementwise(DType::float32)}};
  auto got = f.run(0);
  REQUIRE(got.ok());
  CHECK(std::isnan((*got)[0].as<float>()[0]));
  CHECK((*got)[0].as<float>()[1] == -INFINITY);
}

TEST_CASE("the exponent of an int8 power is a float: squares of negative numbers exist") {
  const auto base = RawTensor::of<int8_t>({4}, {-4, -3, 0, 5}, affine_elementwise(0.5f, 0));
  NodeRunner r{OpKind::POW,
               NoAttrs{},
               {base, RawTensor::of<float>({1}, {2})},
               {like_elementwise(DType::int8, affine_elementwise(0.25f, -10))}};
  r.expect<int8_t>({6, -1, -10, 15});
  r.in[1] = RawTensor::of<float>({4}, {1, 3, 0, -1});
  r.expect<int8_t>({-18, -24, -6, -8});  // -3.375 / 0.25 = -13.5 and 0.4 / 0.25 = 1.6
}

TEST_CASE("special values of float functions: every implementation gives what the reference gives") {
  const std::vector<float> x{0,     -0.0f,  -1,   -100,  100,      -1e-3f,    1e-3f,
                             1e10f, -1e10f, 2.5f, -2.5f, INFINITY, -INFINITY, NAN};
  const auto n = static_cast<int32_t>(x.size());
  for (OpKind kind :
       {OpKind::RELU, OpKind::RELU6, OpKind::ELU, OpKind::HARD_SWISH, OpKind::LOGISTIC, OpKind::TANH,
        OpKind::ABS, OpKind::NEG, OpKind::EXP, OpKind::LOG, OpKind::SQRT, OpKind::RSQRT, OpKind::SQUARE,
        OpKind::FLOOR, OpKind::CEIL, OpKind::ROUND, OpKind::SIGN, OpKind::GELU}) {
    CAPTURE(name_of(kind));
    NodeRunner r{kind, NoAttrs{}, {RawTensor::of<float>({n}, x)}, {like_elementwise(DType::float32)}};
    if (kind == OpKind::GELU) r.attrs = GeluAttrs{};
    const auto reference = r.run(0);
    REQUIRE(reference.ok());
    const auto want = (*reference)[0].as<float>();
    for (size_t k = 1; k <= find_spec(kind)->fast.size(); ++k) {
      const auto fast = r.run(k);
      if (!fast.ok()) continue;
      const auto got = (*fast)[0].as<float>();
      for (size_t i = 0; i < x.size(); ++i) {
        CAPTURE(x[i]);
        if (std::isfinite(want[i]))
          CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-5));
        else
          CHECK((std::isnan(want[i]) ? std::isnan(got[i]) : got[i] == want[i]));
      }
    }
  }
}

TEST_CASE("quantized division by zero") {
  NodeRunner r{OpKind::DIV,
               BinaryAttrs{},
               {RawTensor::of<int8_t>({4}, {5, -5, 0, 8}, affine_elementwise(1, 0)),
                RawTensor::of<int8_t>({4}, {1, 1, 1, 3}, affine_elementwise(1, 1))},
               {like_elementwise(DType::int8, affine_elementwise(0.5f, 7))}};
  r.expect<int8_t>({127, -128, 7, 15});
}

TEST_CASE("integer division by zero is an error, overflow wraps around") {
  NodeRunner r{OpKind::DIV,
               BinaryAttrs{},
               {RawTensor::of<int32_t>({2}, {1, 2}), RawTensor::of<int32_t>({2}, {1, 0})},
               {like_elementwise(DType::int32)}};
  CHECK(r.run(0).status().code() == Code::invalid_argument);
  r.in[0] = RawTensor::of<int32_t>({2}, {INT32_MIN, 7});
  r.in[1] = RawTensor::of<int32_t>({2}, {-1, -1});
  r.expect<int32_t>({INT32_MIN, -7});
  r.kind = OpKind::MUL;
  r.expect<int32_t>({INT32_MIN, -7});
  NodeRunner m{OpKind::FLOOR_MOD, NoAttrs{}, {r.in[0], r.in[1]}, {like_elementwise(DType::int32)}};
  m.expect<int32_t>({0, 0});
  NodeRunner p{OpKind::POW,
               NoAttrs{},
               {RawTensor::of<int32_t>({1}, {2}), RawTensor::of<int32_t>({1}, {-1})},
               {like_elementwise(DType::int32)}};
  CHECK(!p.run(0).ok());
}

TEST_CASE("operands with different scales compare as real numbers") {
  NodeRunner r{OpKind::EQUAL,
               NoAttrs{},
               {RawTensor::of<int8_t>({4}, {2, 3, -128, 0}, affine_elementwise(0.5f, 0)),
                RawTensor::of<int8_t>({4}, {11, 12, -54, 10}, affine_elementwise(1, 10))},
               {like_elementwise(DType::boolean)}};
  r.expect<uint8_t>({1, 0, 1, 1});
  r.kind = OpKind::LESS;
  r.expect<uint8_t>({0, 1, 0, 0});
}

TEST_CASE("shapes that depend on data wait for it; wrong ones are errors") {
  NodeRunner r{OpKind::MEAN,
               ReduceAttrs{},
               {RawTensor::of<float>({2, 2}, {1, 2, 3, 4}), RawTensor::of<int32_t>({1}, {2})},
               {like_elementwise(DType::float32)}};
  CHECK(r.infer().status().code() == Code::corrupt_model);
  r.in[1].known = false;
  auto shapes = r.infer();
  REQUIRE(shapes.ok());
  CHECK(shapes->deferred);
  for (OpKind k : {OpKind::ARG_MAX, OpKind::TOPK_V2, OpKind::RFFT2D}) {
    NodeRunner d = r;
    d.kind = k;
    if (k == OpKind::TOPK_V2) d.out.push_back(like_elementwise(DType::int32));
    auto later = d.infer();
    REQUIRE(later.ok());
    CHECK(later->deferred);
    d.in[1] = RawTensor::of<int32_t>({1}, {99});
    CHECK(!d.infer().ok());
  }
  NodeRunner w{OpKind::WHERE,
               NoAttrs{},
               {RawTensor::of<uint8_t>({2}, {1, 0}, {}, DType::boolean)},
               {like_elementwise(DType::int64)}};
  w.in[0].known = false;
  REQUIRE(w.infer().ok());
  CHECK(w.infer()->deferred);
  NodeRunner a{OpKind::ADD,
               BinaryAttrs{},
               {RawTensor::of<float>({2}, {1, 2}), RawTensor::of<float>({3}, {1, 2, 3})},
               {like_elementwise(DType::float32)}};
  CHECK(!a.infer().ok());
  a.in[1] = RawTensor::of<int32_t>({2}, {1, 2});
  CHECK(!a.run(0).ok());
}

TEST_CASE("broadcasting of three operands, by blocks and by element") {
  const Shape out{3, 4, 5}, shapes[] = {{3, 1, 5}, {4, 1}, {}};
  const Broadcast plan(out, shapes);
  std::vector<int32_t> a(15), b(4), c{1000000}, got(60), want(60);
  std::iota(a.begin(), a.end(), 1);
  std::iota(b.begin(), b.end(), 1);
  for (size_t i = 0; i < 60; ++i)
    want[i] = a[i / 20 * 5 + i % 5] * 100 + b[i / 5 % 4] + c[0];
  ThreadPool pool(1);
  const void* in[] = {a.data(), b.data(), c.data()};
  const size_t bytes[] = {4, 4, 4};
  plan.run(
      pool, in, bytes, got.data(), 4,
      [](const void* const* x, void* y, size_t n, const void*) {
        for (size_t i = 0; i < n; ++i)
          static_cast<int32_t*>(y)[i] = static_cast<const int32_t*>(x[0])[i] * 100 +
                                        static_cast<const int32_t*>(x[1])[i] +
                                        static_cast<const int32_t*>(x[2])[i];
      },
      nullptr);
  CHECK(got == want);
  plan.for_each(0, 60,
                [&](size_t i, const auto& at) { CHECK(a[at[0]] * 100 + b[at[1]] + c[at[2]] == want[i]); });
}

TEST_CASE("spectrum of a real image") {
  // 3 x 6, lengths without a power of two and with padding of the rows; against the definition.
  std::vector<float> x(18);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>((i * 7) % 11) - 4;
  NodeRunner r{OpKind::RFFT2D,
               NoAttrs{},
               {RawTensor::of<float>({3, 6}, x), RawTensor::of<int32_t>({2}, {3, 10})},
               {like_elementwise(DType::complex64)}};
  auto got = r.run(0);
  REQUIRE_MESSAGE(got.ok(), got.status().message());
  const RawTensor& y = (*got)[0];
  CHECK(y.shape == Shape{3, 6});
  std::vector<float> parts(36);
  std::memcpy(parts.data(), y.bytes.data(), 36 * sizeof(float));
  for (size_t u = 0; u < 3; ++u)
    for (size_t v = 0; v < 6; ++v) {
      double re = 0, im = 0;
      for (size_t i = 0; i < 3; ++i)
        for (size_t j = 0; j < 6; ++j) {
          const double angle = -2 * M_PI * (static_cast<double>(u * i) / 3 + static_cast<double>(v * j) / 10);
          re += static_cast<double>(x[i * 6 + j]) * std::cos(angle);
          im += static_cast<double>(x[i * 6 + j]) * std::sin(angle);
        }
      CHECK(static_cast<double>(parts[(u * 6 + v) * 2]) == doctest::Approx(re).epsilon(1e-5));
      CHECK(std::fabs(static_cast<double>(parts[(u * 6 + v) * 2 + 1]) - im) < 1e-4);
    }
  NodeRunner a{OpKind::COMPLEX_ABS,
               NoAttrs{},
               {RawTensor::of<float>({2}, {3, 4, -5, 12}, {}, DType::complex64)},
               {like_elementwise(DType::float32)}};
  a.expect<float>({5, 13});
}

}  // namespace octet::test
