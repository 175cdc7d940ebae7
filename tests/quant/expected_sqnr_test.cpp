// What is expected of a classifier on samples that were not given, from few that were.
#include "quant/measure/expected_sqnr.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <random>

#include "quant/quantize.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

constexpr size_t kClasses = 4;

// Samples of a classifier that is sure of most of them, and errors of one size.
ScoreErrors draw(std::mt19937& engine, size_t count, double error = 0.2) {
  const auto uniform = [&] { return static_cast<double>(engine() >> 8) / 16777216.0; };
  ScoreErrors drawn;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float> right, other;
    for (size_t k = 0; k < kClasses; ++k) {
      right.push_back(static_cast<float>(k == i % kClasses ? 14 * uniform() : -4 * uniform()));
      other.push_back(right.back() + static_cast<float>(error * (2 * uniform() - 1)));
    }
    drawn.add(right, other);
  }
  return drawn;
}

// The plain figure: of every sample with its own errors.
double measured_db(const ScoreErrors& s) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < s.samples(); ++i) {
    double p[kClasses], q[kClasses], sum_p = 0, sum_q = 0;
    for (size_t k = 0; k < kClasses; ++k) {
      const size_t at = i * kClasses + k;
      sum_p += p[k] = std::exp(s.scores[at]);
      sum_q += q[k] = std::exp(s.scores[at] + s.errors[at]);
    }
    for (size_t k = 0; k < kClasses; ++k) {
      signal += std::pow(p[k] / sum_p, 2);
      noise += std::pow(p[k] / sum_p - q[k] / sum_q, 2);
    }
  }
  return 10 * std::log10(signal / noise);
}

ModelData classifier(bool softmax) {
  GraphBuilder b(3);
  const ValueId x = b.input("x", {1, 8});
  const ValueId f = b.op(OpKind::FULLY_CONNECTED, {x, b.random({6, 8}, -4, 4), b.random({6})});
  b.output(softmax ? b.op(OpKind::SOFTMAX, {f}, SoftmaxAttrs{}) : f, "y");
  return model_of(b.build());
}

QuantizeReport report_on(const ModelData& m, int64_t count, HeldOutSamples held_out = {}) {
  RandomSamples samples(m, count);
  QuantizeOptions options;
  options.held_out = held_out;
  auto q = quantize(m, samples, {}, options);
  REQUIRE_MESSAGE(q.ok(), q.status().message());
  return q->report;
}

}  // namespace

TEST_CASE("scores are kept with the greatest first, and errors with their scores") {
  ScoreErrors s;
  s.add({1, 3, 2}, {1.5f, 3, 1});
  s.add({0, 0, 5}, {0, 1, 5});
  CHECK(s.samples() == 2);
  CHECK(s.scores == std::vector<double>{3, 2, 1, 5, 0, 0});
  CHECK(s.errors == std::vector<double>{0, -1, 0.5, 0, 0, 1});
}

TEST_CASE("a few samples say what many will show, whether classes are close in them or not") {
  std::mt19937 engine(7);
  const double truth = measured_db(draw(engine, 20000));
  double mean = 0, over = 0, worst = 0, worst_measured = 0;
  constexpr int kDraws = 40;
  for (int i = 0; i < kDraws; ++i) {
    const ScoreEvidence e{draw(engine, 40), draw(engine, 30), draw(engine, 10), {}};
    const ExpectedSqnr expected = expected_sqnr(e);
    mean += (expected.db - truth) / kDraws;
    over = std::max(over, expected.db - truth);
    worst = std::max(worst, std::fabs(expected.db - truth));
    worst_measured = std::max(worst_measured, std::fabs(measured_db(e.held_out) - truth));
    CHECK(expected.deviation_db > 1);  // which 10 samples do not know
  }
  MESSAGE("mean " << mean << " dB, at most " << over << " dB over, measured on 10 " << worst_measured
                  << " dB");
  CHECK(mean < 0);                        // on the safe side
  constexpr double kLowered = 45.0 / 40;  // on purpose: MATH.md
  CHECK(std::fabs(mean) < 1.5 + kLowered);
  CHECK(worst < 6 + kLowered);
  CHECK(over < 3);
  CHECK(worst_measured > over + 3);
}

TEST_CASE("errors that are greater on held-out samples lower the figure, smaller ones do not raise it") {
  std::mt19937 engine(3);
  const ScoreErrors result = draw(engine, 60), working = draw(engine, 45);
  const double plain = expected_sqnr({result, working, working, {}}).db;
  const double worse = expected_sqnr({result, working, draw(engine, 15, 0.4), {}}).db;
  CHECK(worse < plain - 0.3);
  CHECK(worse > plain - 6.1);
  CHECK(expected_sqnr({result, working, draw(engine, 15, 0.1), {}}).db == doctest::Approx(plain));
}

TEST_CASE("steps of probabilities are noise as well") {
  ScoreErrors exact;
  exact.add({2, 0}, {2, 0});
  CHECK(expected_sqnr({exact, {}, {}, {}}).db == kExactDb);
  const double db = expected_sqnr({exact, {}, {}, {1.0 / 256, 255.0 / 256}}).db;
  CHECK(db > 45);
  CHECK(db < 70);
}

TEST_CASE("the report says what is expected, and what was measured") {
  const QuantizeReport few = report_on(classifier(true), 20);
  CHECK(few.measured_on.samples == 5);
  CHECK(few.measured_on.sqnr_db == few.error->outputs[0].sqnr_db);
  CHECK(few.error->sqnr_db != few.measured_on.sqnr_db);
  CHECK(std::fabs(few.error->sqnr_db - few.measured_on.sqnr_db) < 15);
}

TEST_CASE("the figure stays the measured one without SOFTMAX and on samples that were given to measure on") {
  const ModelData scores = classifier(false), m = classifier(true);
  const QuantizeReport plain = report_on(scores, 20);
  CHECK(plain.error->sqnr_db == plain.measured_on.sqnr_db);
  RandomSamples others(m, 9, 1000);
  const QuantizeReport given = report_on(m, 20, {&others});
  CHECK(given.measured_on.samples == 9);
  CHECK(given.error->sqnr_db == given.measured_on.sqnr_db);
  CHECK(report_on(m, 1).measured_on.held_out == false);
}
