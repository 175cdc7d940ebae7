// Integer LSTM and SVDF against the float kernels on the same (dequantized) numbers, and state between runs.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <random>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/recurrent/matvec.hpp"
#include "schema/core/int_range.hpp"

namespace octet {
namespace {

// A node in two forms: stored integers with their parameters, and the floats they stand for.
class TwoForms {
 public:
  TwoForms(OpKind kind, Attrs attrs) : kind_(kind), attrs_(std::move(attrs)), rng_(7) {}

  void add(Shape s, DType t, Affine a, double lo, double hi, bool variable = false) {
    Tensor x{.shape = s, .type = t, .quant = a, .variable = variable};
    const IntRange r = range_of(t);
    for (int64_t i = 0; i < s.elements(); ++i) {
      const double real = lo + (hi - lo) * (static_cast<double>(rng_()) / 4294967296.0);
      const int64_t q = quantize<int64_t>(real, a, static_cast<double>(r.lo), static_cast<double>(r.hi));
      x.reals.push_back(static_cast<float>(dequantize(q, a)));
      const auto bytes = static_cast<size_t>(bytes_of(t));
      x.integers.resize(x.integers.size() + bytes);
      std::memcpy(x.integers.data() + x.integers.size() - bytes, &q,
                  bytes);  // little-endian, as the tests run
    }
    tensors_.push_back(std::move(x));
  }
  void absent() { tensors_.push_back({.missing = true}); }
  void intermediate(Affine a) {
    intermediates_.push_back({.name = "between", .quant = Quantization::per_tensor(a)});
  }

  std::vector<double> run(bool integers, DType out_type, Affine out, int times = 1) {
    std::vector<TensorDesc> in;
    std::vector<const void*> pointers;
    std::vector<Tensor> copy = tensors_;  // states are written
    for (Tensor& t : copy) {
      void* data = integers ? static_cast<void*>(t.integers.data()) : t.reals.data();
      TensorDesc d{.name = "in",
                   .dtype = integers ? t.type : DType::float32,
                   .shape = t.shape,
                   .quant = integers ? Quantization::per_tensor(t.quant) : Quantization(),
                   .data = t.variable ? nullptr : data,
                   .absent = t.missing,
                   .is_variable = t.variable};
      in.push_back(d);
      pointers.push_back(t.missing ? nullptr : data);
    }
    in[0].data = nullptr;
    std::vector<TensorDesc> outs(1);
    outs[0] = {.name = "out",
               .dtype = integers ? out_type : DType::float32,
               .quant = integers ? Quantization::per_tensor(out) : Quantization()};
    const NodeDesc n{kind_, &attrs_, in, outs, intermediates_};
    auto shapes = infer_shapes(*find_spec(kind_), n);
    REQUIRE_MESSAGE(shapes.ok(), shapes.status().message());
    outs[0].shape = shapes->shapes[0];
    ThreadPool pool(1);
    auto kernel = find_spec(kind_)->reference.create(n, pool);
    REQUIRE_MESSAGE(kernel.ok(), kernel.status().message());
    std::vector<std::byte> y(static_cast<size_t>(outs[0].bytes()));
    void* y_data = y.data();
    for (int i = 0; i < times; ++i)
      REQUIRE((*kernel)->run({.in = pointers, .out = {&y_data, 1}, .pool = pool}).ok());
    std::vector<double> real;
    for (int64_t i = 0; i < outs[0].elements(); ++i) {
      if (!integers)
        real.push_back(static_cast<double>(reinterpret_cast<const float*>(y.data())[i]));
      else if (out_type == DType::int8)
        real.push_back(dequantize(reinterpret_cast<const int8_t*>(y.data())[i], out));
      else
        real.push_back(dequantize(reinterpret_cast<const int16_t*>(y.data())[i], out));
    }
    return real;
  }

 private:
  struct Tensor {
    Shape shape;
    DType type = DType::float32;
    Affine quant;
    bool variable = false, missing = false;
    std::vector<std::byte> integers;
    std::vector<float> reals;
  };
  OpKind kind_;
  Attrs attrs_;
  std::mt19937 rng_;
  std::vector<Tensor> tensors_;
  std::vector<TensorDesc> intermediates_;
};

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double w = 0;
  for (size_t i = 0; i < a.size(); ++i)
    w = std::max(w, std::fabs(a[i] - b[i]));
  return w;
}

struct Options {
  bool input_gate = true, peephole = false, projection = false, norm = false;
  DType activations = DType::int8;
};

TwoForms lstm(const Options& o, Affine x, Affine h, Affine hidden) {
  const int32_t n = 6, m = 8, k = o.projection ? 4 : 8;
  const DType t = o.activations;
  TwoForms f(OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM, SequenceLstmAttrs{.act = Activation::Kind::tanh});
  const Affine w{0.006f, 0}, r{0.005f, 0}, p{1.5e-5f, 0}, l{4e-5f, 0}, cell{1.0f / 2048, 0};
  auto gates = [&](auto each) {
    for (int g = 0; g < 4; ++g)
      if (g == 0 && !o.input_gate)
        f.absent();
      else
        each(g);
  };
  f.add({2, 5, n}, t, x, -2, 2);
  gates([&](int) { f.add({m, n}, DType::int8, w, -0.7, 0.7); });
  gates([&](int) { f.add({m, k}, DType::int8, r, -0.6, 0.6); });
  for (int g = 0; g < 3; ++g)
    if (o.peephole && (g > 0 || o.input_gate))
      f.add({m}, DType::int16, p, -0.4, 0.4);
    else
      f.absent();
  const float bias = o.norm ? l.scale / 1024 : x.scale * w.scale;
  gates([&](int) { f.add({m}, DType::int32, {bias, 0}, -0.5, 0.5); });
  if (o.projection) {
    f.add({k, m}, DType::int8, {0.006f, 0}, -0.7, 0.7);
    f.add({k}, DType::int32, {0.006f * hidden.scale, 0}, -0.2, 0.2);
  } else {
    f.absent();
    f.absent();
  }
  f.add({2, k}, t, h, -0.5, 0.5, true);
  f.add({2, m}, DType::int16, cell, -1, 1, true);
  for (int g = 0; g < 4; ++g)
    if (o.norm && (g > 0 || o.input_gate))
      f.add({m}, DType::int16, l, 0.5, 1.2);
    else
      f.absent();
  for (int g = 0; g < 4; ++g)
    f.intermediate({o.norm ? 0.0005f : 1.0f, 0});
  f.intermediate(hidden);
  return f;
}

}  // namespace

TEST_CASE("the integer LSTM follows the float one") {
  const Affine x{2.0f / 127, 3}, h{1.0f / 120, -5}, hidden{1.0f / 110, 2};
  const Affine x16{2.0f / 32767, 0}, h16{1.0f / 32767, 0};
  struct Row {
    const char* name;
    Options options;
    double steps;  // of the output
  };
  // Rounding of the gates adds to that of the output; with 16-bit activations it is all there is.
  const Row rows[] = {{"plain", {}, 1},
                      {"no input gate", {.input_gate = false}, 1},
                      {"peepholes", {.peephole = true}, 1},
                      {"projection", {.projection = true}, 1.5},
                      {"layer norm", {.norm = true}, 1.5},
                      {"all of it", {.peephole = true, .projection = true, .norm = true}, 2},
                      {"int16 activations", {.activations = DType::int16}, 30}};
  for (const Row& row : rows) {
    INFO(std::string(row.name));
    const bool wide = row.options.activations == DType::int16;
    const Affine out = wide ? h16 : h;
    TwoForms f = lstm(row.options, wide ? x16 : x, out, row.options.projection ? hidden : out);
    const double error = worst(f.run(true, row.options.activations, out), f.run(false, DType::float32, {}));
    CHECK(error <= row.steps * static_cast<double>(out.scale));
  }
}

TEST_CASE("state is kept from run to run") {
  const Affine x{2.0f / 127, 3}, h{1.0f / 120, -5};
  TwoForms f = lstm({}, x, h, h);
  const auto once = f.run(false, DType::float32, {}), twice = f.run(false, DType::float32, {}, 2);
  CHECK(worst(once, twice) > 1e-3);
  CHECK(worst(f.run(true, DType::int8, h, 2), twice) <= 4 * static_cast<double>(h.scale));
}

TEST_CASE("the integer SVDF follows the float one, with either state") {
  for (DType state : {DType::int16, DType::int8}) {
    TwoForms f(OpKind::SVDF, SvdfAttrs{.rank = 2, .act = Activation::Kind::relu});
    const Affine x{0.02f, 4}, w{0.007f, 0}, out{0.05f, -128};
    const Affine s{state == DType::int16 ? 2e-4f : 0.03f, 0}, t{state == DType::int16 ? 3e-5f : 0.007f, 0};
    f.add({2, 10}, DType::int8, x, -2, 2);
    f.add({8, 10}, DType::int8, w, -0.8, 0.8);
    f.add({8, 6}, state, t, -0.8, 0.8);
    f.add({4}, DType::int32, {s.scale * t.scale, 0}, -0.5, 0.5);
    f.add({2, 48}, state, s, -2, 2, true);
    const double steps = worst(f.run(true, DType::int8, out, 3), f.run(false, DType::float32, {}, 3)) /
                         static_cast<double>(out.scale);
    CHECK(steps <= (state == DType::int16 ? 0.51 : 2.0));
  }
}

TEST_CASE("int8 weights in a float LSTM are those numbers") {
  // Two nodes that differ in the storage of the weights only: hybrid against float.
  const int8_t w8[] = {10, -20, 30, 40, -50, 60}, r8[] = {5, -6, 7, 8};
  float w[6], r[4];
  for (int i = 0; i < 6; ++i)
    w[i] = 0.01f * w8[i];
  for (int i = 0; i < 4; ++i)
    r[i] = 0.02f * r8[i];
  const float x[] = {1, -2, 3}, bias[] = {0.1f, -0.1f};
  auto result = [&](bool hybrid) {
    float h[] = {0.3f, -0.4f}, y[2];
    const auto q = [](float s) { return Quantization::per_tensor({s, 0}); };
    std::vector<TensorDesc> in = {{.name = "x", .shape = {1, 3}},
                                  {.name = "w",
                                   .dtype = hybrid ? DType::int8 : DType::float32,
                                   .shape = {2, 3},
                                   .quant = hybrid ? q(0.01f) : Quantization()},
                                  {.name = "r",
                                   .dtype = hybrid ? DType::int8 : DType::float32,
                                   .shape = {2, 2},
                                   .quant = hybrid ? q(0.02f) : Quantization()},
                                  {.name = "b", .shape = {2}},
                                  {.name = "h", .shape = {1, 2}, .is_variable = true}};
    std::vector<TensorDesc> out = {{.name = "y", .shape = {1, 2}}};
    const Attrs attrs = RnnAttrs{.act = Activation::Kind::tanh};
    ThreadPool pool(1);
    auto kernel = find_spec(OpKind::RNN)->reference.create({OpKind::RNN, &attrs, in, out}, pool);
    REQUIRE_MESSAGE(kernel.ok(), kernel.status().message());
    const void* pointers[] = {x, hybrid ? static_cast<const void*>(w8) : w,
                              hybrid ? static_cast<const void*>(r8) : r, bias, h};
    void* outputs[] = {y};
    REQUIRE((*kernel)->run({.in = pointers, .out = outputs, .pool = pool}).ok());
    CHECK(h[0] == y[0]);
    return std::vector<double>{y[0], y[1]};
  };
  CHECK(worst(result(true), result(false)) < 1e-6);
}

TEST_CASE("state that is not a variable is refused") {
  std::vector<TensorDesc> in = {{.name = "x", .shape = {1, 2}},
                                {.name = "w", .shape = {2, 2}},
                                {.name = "t", .shape = {2, 3}},
                                {.absent = true},
                                {.name = "s", .shape = {1, 6}}};
  std::vector<TensorDesc> out(1);
  const Attrs attrs = SvdfAttrs{.rank = 1};
  const NodeDesc n{OpKind::SVDF, &attrs, in, out};
  CHECK(infer_shapes(*find_spec(OpKind::SVDF), n).status().message() == "state 's' is not a variable");
  in[4].is_variable = true;
  CHECK(infer_shapes(*find_spec(OpKind::SVDF), n).ok());
  in[4].shape = {1, 5};
  CHECK(infer_shapes(*find_spec(OpKind::SVDF), n).status().message() == "state 's' is 1x5, not 6 elements");
}

TEST_CASE("sums of products of bytes are exact beyond int32") {
  const std::vector<int8_t> least(200001, -128), most(200001, 127);
  CHECK(dot_integer(least.data(), least.data(), 200001) == int64_t{200001} * 16384);
  CHECK(dot_integer(least.data(), most.data(), 200001) == int64_t{200001} * -16256);
}

}  // namespace octet
