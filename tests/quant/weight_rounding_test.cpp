#include "quant/weights/weight_rounding.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <random>

#include "quant/measure/lockstep.hpp"
#include "quant/quantize.hpp"
#include "quant/statistics/runner.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

// A convolution over 6x6 pixels with everything that shapes a window: padding, stride, dilation, groups.
linear::Geometry windows(int64_t in_channels, int64_t out_channels, int64_t groups) {
  linear::Geometry g;
  g.in = {1, 6, 6};
  g.kernel = {1, 3, 2};
  g.stride = {1, 2, 1};
  g.dilation = {1, 1, 2};
  g.pad_before = {0, 1, 1};
  g.pad_after = {0, 1, 1};
  g.out = {1, 3, 6};
  g.in_channels = in_channels;
  g.out_channels = out_channels;
  g.groups = groups;
  g.w_in = 1;
  g.w_tap = g.group_in();
  g.w_out = g.taps() * g.group_in();
  return g;
}

std::vector<float> random(size_t n, unsigned seed, float spread = 1) {
  std::mt19937 engine(seed);
  std::vector<float> v(n);
  for (float& x : v)
    x = spread * (static_cast<float>(engine() >> 8) / 8388608.0f - 1.0f);
  return v;
}

// Output `o` of window (oh, ow) by plain loops.
double output(const linear::Geometry& g, const std::vector<float>& x, const std::vector<double>& w, int64_t o,
              int64_t oh, int64_t ow) {
  double sum = 0;
  for (int64_t kh = 0; kh < g.kernel[1]; ++kh)
    for (int64_t kw = 0; kw < g.kernel[2]; ++kw) {
      const auto ih = g.source(1, oh, kh), iw = g.source(2, ow, kw);
      if (!ih || !iw) continue;
      for (int64_t c = 0; c < g.group_in(); ++c) {
        const int64_t channel = o / g.group_out() * g.group_in() + c;
        sum += static_cast<double>(x[static_cast<size_t>((*ih * g.in[2] + *iw) * g.in_channels + channel)]) *
               w[static_cast<size_t>(o * g.w_out + (kh * g.kernel[2] + kw) * g.w_tap + c)];
      }
    }
  return sum;
}

// Mean square of the outputs' difference about its mean, over all windows of all samples.
double error(const linear::Geometry& g, const std::vector<std::vector<float>>& samples,
             const std::vector<double>& a, const std::vector<double>& b) {
  double squares = 0;
  for (int64_t o = 0; o < g.out_channels; ++o) {
    double sum = 0, square = 0, count = 0;
    for (const auto& x : samples)
      for (int64_t oh = 0; oh < g.out[1]; ++oh)
        for (int64_t ow = 0; ow < g.out[2]; ++ow, ++count) {
          const double d = output(g, x, a, o, oh, ow) - output(g, x, b, o, oh, ow);
          sum += d;
          square += d * d;
        }
    squares += square / count - sum / count * (sum / count);
  }
  return squares;
}

std::vector<double> doubles(const std::vector<float>& v) {
  return {v.begin(), v.end()};
}

}  // namespace

TEST_CASE("rounding that compensates beats the nearest integers on data whose channels go together") {
  for (const int64_t groups : {1, 2, 4}) {
    const linear::Geometry g = windows(4, 8, groups);
    CAPTURE(groups);
    // Every channel is a mixture of the same two signals.
    std::vector<std::vector<float>> samples;
    for (unsigned s = 0; s < 40; ++s) {
      const auto a = random(36, 100 + s), b = random(36, 200 + s);
      std::vector<float> x;
      for (size_t p = 0; p < 36; ++p)
        for (float mix : {1.0f, 0.6f, -0.4f, 0.9f})
          x.push_back(mix * a[p] + (1 - mix) * 0.3f * b[p] + 0.2f);
      samples.push_back(std::move(x));
    }
    const auto w = random(static_cast<size_t>(g.out_channels * g.w_out), 7);
    // Coarse: rounding is most of the error.
    const WeightSteps steps{Quantization::per_tensor({0.1f, 0}), Shape{}};
    ThreadPool pool(2);
    MomentsTap tap(1, {{0, g, std::nullopt}}, 40, pool);
    for (const auto& x : samples)
      tap.on_value(0, {x.data(), DType::float32, Shape{1, 6, 6, 4}, {}});
    REQUIRE(tap[0].real.windows == 40 * 18);
    const auto q = compensated_rounding(w, steps, tap[0], true, pool);
    std::vector<double> near, better;
    for (size_t i = 0; i < w.size(); ++i) {
      near.push_back(0.1 * std::nearbyint(static_cast<double>(w[i]) / 0.1));
      better.push_back(0.1 * q[i]);
    }
    const double plain = error(g, samples, doubles(w), near), now = error(g, samples, doubles(w), better);
    // A group of one channel sees one signal, whose neighbours have nothing in common.
    CHECK(now < (groups == 4 ? 1.0 : 0.5) * plain);
    // The same integers whatever the number of threads.
    ThreadPool one(1);
    CHECK(compensated_rounding(w, steps, tap[0], true, one) == q);
  }
}

TEST_CASE("rounding keeps to the range and to the nearest integers where nothing is known") {
  const linear::Geometry g = windows(2, 2, 1);
  const auto w = random(static_cast<size_t>(2 * g.w_out), 3, 30);
  const WeightSteps steps{Quantization::per_tensor({0.125f, 0}), Shape{}};
  ThreadPool pool(1);
  const WindowMoments none(g, std::nullopt, g.terms());
  const auto q = compensated_rounding(w, steps, none, true, pool);
  for (size_t i = 0; i < w.size(); ++i)
    CHECK(q[i] == std::clamp(std::nearbyint(static_cast<double>(w[i]) / 0.125), -127.0, 127.0));
}

TEST_CASE("mean outputs are those of the windows") {
  for (const int64_t groups : {1, 2}) {
    const linear::Geometry g = windows(2, 4, groups);
    const auto w = random(static_cast<size_t>(4 * g.w_out), 3);
    WindowMeans m(g);
    ThreadPool pool(2);
    std::vector<double> want(4, 0.0);
    for (unsigned s = 0; s < 3; ++s) {
      const auto x = random(72, s);
      m.add(x, pool);
      for (int64_t o = 0; o < 4; ++o)
        for (int64_t p = 0; p < 18; ++p)
          want[static_cast<size_t>(o)] += output(g, x, doubles(w), o, p / 6, p % 6) / 54;
    }
    const auto have = mean_outputs(w, m);
    for (size_t o = 0; o < 4; ++o)
      CHECK(have[o] == doctest::Approx(want[o]).epsilon(1e-9));
  }
}

TEST_CASE("moments of long windows are kept in blocks") {
  linear::Geometry g;
  g.in_channels = 700;
  g.w_in = 1;
  ThreadPool pool(1);
  MomentsTap tap(1, {{0, g, Affine{0.5f, 0}}}, 4, pool);
  CHECK(tap[0].blocks() == 3);
  const auto x = random(700, 1, 10);
  tap.on_value(0, {x.data(), DType::float32, Shape{1, 700}, {}});
  // int8 with the scale 0.5 holds halves.
  CHECK(tap[0].held.mean(0, 5) == doctest::Approx(0.5 * std::nearbyint(static_cast<double>(x[5]) / 0.5)));
  CHECK(tap[0].real.mean(0, 5) == doctest::Approx(static_cast<double>(x[5])));
}

TEST_CASE("a graph in lockstep computes what the executor computes, also after a constant changed") {
  GraphBuilder b(3);
  const ValueId x = b.input("x", {1, 6, 6, 2});
  const ValueId c = b.conv_2d(x, {.out = 4, .act = Activation::Kind::relu});
  const ValueId r = b.reshape(c, {1, 144});
  b.output(b.fully_connected(r, 3), "y");
  ModelData m = model_of(b.build());
  auto lockstep = Lockstep::create(m.main(), 1);
  REQUIRE(lockstep.ok());
  RandomSamples samples(m, 5);
  std::vector<ConstTensorView> sample;
  while (*samples.next(sample))
    REQUIRE((*lockstep)->add_sample(sample).ok());
  const ValueId bias = m.main().nodes[0].inputs[2];
  const std::vector<float> other = {1, -1, 2, 0.5f};
  REQUIRE((*lockstep)
              ->run([&](NodeId n) {
                if (n == 0) (*lockstep)->set_constant(bias, Constant::of(other));
                return n == 0;
              })
              .ok());
  m.main().value(bias).constant = Constant::of(other);
  Runner runner(m, 1, true);
  REQUIRE(samples.rewind().ok());
  for (size_t k = 0; *samples.next(sample); ++k) {
    REQUIRE(runner.run(sample).ok());
    const auto want = runner.executor().output(0), have = (*lockstep)->value(m.main().outputs[0], k);
    for (size_t i = 0; i < 3; ++i)
      CHECK(static_cast<const float*>(have.data)[i] == static_cast<const float*>(want.data)[i]);
  }
}

TEST_CASE("means are right after quantization, and wrong without the correction") {
  // Inputs far from 0 through coarse per-tensor weights: rounding shifts every mean.
  GraphBuilder b(11);
  const ValueId x = b.input("x", {1, 8, 8, 6});
  ValueId v = b.conv_2d(x, {.out = 12, .act = Activation::Kind::relu6});
  for (int i = 0; i < 4; ++i)
    v = b.conv_2d(v, {.out = 12, .act = Activation::Kind::relu6});
  b.output(b.conv_2d(v, {.out = 3}), "y");
  const ModelData m = model_of(b.build());
  const auto db = [&](Rounding rounding, bool correct) {
    Recipe recipe;
    recipe.per_channel = false;
    recipe.rounding = rounding;
    recipe.bias_correction = correct;
    RandomSamples samples(m, 96, 0, 3);
    auto q = quantize(m, samples, recipe);
    REQUIRE(q.ok());
    RandomSamples fresh(m, 20, 1000, 3);
    const auto error = compare(m, *q->model, fresh);
    REQUIRE(error.ok());
    return error->sqnr_db;
  };
  const double plain = db(Rounding::nearest, false), shifted = db(Rounding::nearest, true);
  const double both = db(Rounding::compensated, true);
  CAPTURE(plain);
  CAPTURE(shifted);
  CHECK(shifted > plain + 0.5);
  CHECK(both > shifted);
}
