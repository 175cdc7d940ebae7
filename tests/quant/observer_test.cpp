#include "quant/statistics/observer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "quant/statistics/histogram.hpp"

using namespace octet;

namespace {

// Normal values in double arithmetic of our own, so that every platform draws the same.
std::vector<float> normal_values(size_t n, uint32_t seed, double sigma = 1) {
  std::mt19937 engine(seed);
  std::vector<float> v(n);
  for (float& x : v) {
    double sum = 0;
    for (int i = 0; i < 12; ++i)
      sum += static_cast<double>(engine()) / 4294967296.0;
    x = static_cast<float>((sum - 6) * sigma);
  }
  return v;
}

const Observer& observer(std::string_view name) {
  const auto o = find_observer(name);
  REQUIRE(o.ok());
  return **o;
}

TensorStatistics seen(std::span<const float> values) {
  TensorStatistics s;
  s.observe(values);
  return s;
}

double quantization_error(const std::vector<float>& values, Range r) {
  const double lo = std::min(static_cast<double>(r.min), 0.0), hi = std::max(static_cast<double>(r.max), 0.0);
  const double scale = (hi - lo) / 255;
  double sum = 0;
  for (float v : values) {
    const double x = std::clamp(static_cast<double>(v), lo, hi);
    const double q = lo + scale * std::nearbyint((x - lo) / scale);
    sum += (q - static_cast<double>(v)) * (q - static_cast<double>(v));
  }
  return sum;
}

}  // namespace

TEST_CASE("every observer has a name, and an unknown name lists them") {
  for (std::string_view name : observer_names())
    CHECK(observer(name).name == name);
  const auto unknown = find_observer("minimax");
  REQUIRE(!unknown.ok());
  CHECK(unknown.status().message() ==
        "no observer 'minimax'; there are minmax, moving-average, percentile, mse, entropy");
}

TEST_CASE("a histogram counts every value in the bin that holds it") {
  const std::vector<float> values = {0.0f, -0.0f, 1.0f, -1.0f, 0.999f, -1.001f, 1e-30f, -1e-30f, 100.0f};
  Histogram h;
  h.add(values, -1.001f, 100.0f);
  CHECK(h.total() == 9);
  CHECK(h.zeros() == 2);
  for (float v : values) {
    // Widths are powers of two: these divisions are exact.
    const double at = std::floor(static_cast<double>(v) / h.width()) - h.left(0) / h.width();
    const auto bin = static_cast<size_t>(at);
    REQUIRE(bin < h.counts().size());
    CHECK(h.counts()[bin] > 0);
    CHECK(h.left(bin) <= static_cast<double>(v));
  }
  CHECK(h.counts().size() <= Histogram::kBins);
}

TEST_CASE("a histogram does not depend on order or on how the values were split") {
  std::vector<float> values = normal_values(5000, 7);
  for (size_t i = 0; i < values.size(); i += 97)
    values[i] *= 1000.0f;
  auto add = [](Histogram& h, std::span<const float> part) {
    h.add(part, *std::min_element(part.begin(), part.end()), *std::max_element(part.begin(), part.end()));
  };
  Histogram whole, parts, backwards, a, b;
  add(whole, values);
  for (size_t i = 0; i < values.size(); i += 50)
    add(parts, std::span(values).subspan(i, 50));
  for (size_t i = values.size(); i > 0; i -= 50)
    add(backwards, std::span(values).subspan(i - 50, 50));
  add(a, std::span(values).first(1234));
  add(b, std::span(values).subspan(1234));
  a.merge(b);
  CHECK(whole.save() == parts.save());
  CHECK(whole.save() == backwards.save());
  CHECK(whole.save() == a.save());
}

TEST_CASE("merged statistics are what one pass would have gathered") {
  const std::vector<float> values = normal_values(6000, 3);
  TensorStatistics one, left, right;
  for (size_t i = 0; i < 60; ++i) {
    const auto part = std::span(values).subspan(i * 100, 100);
    one.observe(part);
    (i < 25 ? left : right).observe(part);
  }
  REQUIRE(left.merge(right).ok());
  CHECK(left.save(false) == one.save(false));
  for (std::string_view name : observer_names()) {
    CAPTURE(name);
    const Range a = observer(name).range(left), b = observer(name).range(one);
    CHECK(static_cast<double>(a.min) == doctest::Approx(static_cast<double>(b.min)));
    CHECK(static_cast<double>(a.max) == doctest::Approx(static_cast<double>(b.max)));
  }
}

TEST_CASE("statistics survive a round trip through JSON") {
  TensorStatistics before = seen(normal_values(3000, 11)), after;
  before.observe(std::vector<float>{std::nanf(""), 1.0f});
  REQUIRE(after.load(nlohmann::json::parse(before.save(true).dump())).ok());
  CHECK(after.save(true) == before.save(true));
  CHECK(after.non_finite().nan == 1);
  for (std::string_view name : observer_names())
    CHECK(observer(name).range(after) == observer(name).range(before));
  CHECK(!before.save(false).contains("average"));
}

TEST_CASE("memory does not grow with the number of values") {
  TensorStatistics s;
  size_t after_ten = 0;
  for (int i = 0; i < 300; ++i) {
    s.observe(normal_values(1000, static_cast<uint32_t>(i), i + 1));
    if (i == 10) after_ten = s.save(true).dump().size();
  }
  CHECK(s.save(true).dump().size() < 2 * after_ten);
  CHECK(s.count() == 300000);
}

TEST_CASE("NaN, infinities and fills are counted and left out") {
  const float inf = std::numeric_limits<float>::infinity();
  TensorStatistics s = seen(std::vector<float>{1.0f, std::nanf(""), inf, -inf, -3.4e38f, -1.0f});
  CHECK(s.count() == 2);
  CHECK(s.non_finite() == NonFiniteCounts{1, 2, 1});
  CHECK(s.extremes() == Range{-1.0f, 1.0f});
  for (std::string_view name : observer_names())
    CHECK(std::fabs(observer(name).range(s).max) < 10);
  s.observe(std::vector<float>{std::nanf("")});
  CHECK(s.count() == 2);
  for (std::string_view name : observer_names())
    CHECK(observer(name).range(seen(std::vector<float>{std::nanf("")})) == Range{0, 0});
}

TEST_CASE("minmax and moving-average are what they say") {
  TensorStatistics s;
  for (const auto& v : {std::vector<float>{-1, 3}, {-3, 1}, {-2, 2}})
    s.observe(v);
  CHECK(observer("minmax").range(s) == Range{-3, 3});
  CHECK(observer("moving-average").range(s) == Range{-2, 2});
}

TEST_CASE("percentile cuts off one value in ten thousand") {
  std::vector<float> values = normal_values(100000, 5);
  values[17] = 500.0f;
  const Range r = observer("percentile").range(seen(values));
  std::sort(values.begin(), values.end());
  const double bin = 1000.0 / 2048 * 2;
  CHECK(std::fabs(static_cast<double>(r.max - values[99990])) < bin);
  CHECK(static_cast<double>(r.max) < 10);
}

TEST_CASE("mse is close to the best range a search over the very data finds") {
  if (std::getenv("OCTET_EMULATED") != nullptr) {
    MESSAGE("SKIPPED: an emulator takes minutes for a search that does not depend on the CPU");
    return;
  }
  for (uint32_t seed : {1u, 2u, 3u}) {
    std::vector<float> values = normal_values(200000, seed);
    if (seed == 3)
      for (float& v : values)
        v = std::max(v, 0.0f);
    const TensorStatistics s = seen(values);
    const double mine = quantization_error(values, observer("mse").range(s));
    const Range ends = s.extremes();
    double best = mine;
    for (int i = 20; i <= 100; i += 2)
      for (int j = 20; j <= 100; j += 2)
        best = std::min(best, quantization_error(values, {ends.min * static_cast<float>(i) / 100,
                                                          ends.max * static_cast<float>(j) / 100}));
    CHECK(mine < 1.15 * best);
  }
}

TEST_CASE("mse clips an outlier that entropy and percentile clip too") {
  std::vector<float> values = normal_values(200000, 9);
  values[5] = 30.0f;
  for (std::string_view name : {"mse", "percentile", "entropy"}) {
    CAPTURE(name);
    const Range r = observer(name).range(seen(values));
    // The least squared error is where 2e5 ((c + 5) / 255)^2 / 12 and (30 - c)^2 balance: near 23.
    CHECK(r.max < (name == "mse" ? 24.0f : 15.0f));
    CHECK(r.max > 2.0f);
  }
}

TEST_CASE("mse reaches beyond a small sample, but not beyond a hard bound") {
  const TensorStatistics s = seen(normal_values(500, 21));
  CHECK(observer("mse").range(s).max > s.extremes().max);
  std::vector<float> bounded = normal_values(500, 22);
  for (float& v : bounded)
    v = std::clamp(v, -0.5f, 0.5f);
  CHECK(observer("mse").range(seen(bounded)).max <= 0.505f);
}

TEST_CASE("degenerate data has a range all the same") {
  for (std::string_view name : observer_names())
    for (float v : {0.0f, 1.0f, -1e-40f, 3e38f}) {
      CAPTURE(name);
      CAPTURE(v);
      const Range r = observer(name).range(seen(std::vector<float>(10, v)));
      CHECK(std::isfinite(r.min));
      CHECK(std::isfinite(r.max));
      CHECK(r.min <= r.max);
      CHECK(r.max >= std::min(v, 0.0f));
    }
}

TEST_CASE("hostile statistics are errors or harmless") {
  const char* const bad[] = {
      "null",
      "[]",
      "{}",
      R"({"count":-1})",
      R"({"count":1})",
      R"({"count":1e30})",
      R"({"count":"7"})",
      R"({"count":1,"min":2,"max":1})",
      R"({"count":1,"min":0,"max":1})",
      R"({"count":1,"min":0,"max":1,"histogram":[]})",
      R"({"count":1,"min":0,"max":1,"histogram":{"exponent":0,"first":0,"zeros":0,"counts":[-1]}})",
      R"({"count":1,"min":0,"max":1,"histogram":{"exponent":9999,"first":0,"zeros":0,"counts":[1]}})",
      R"({"count":1,"min":0,"max":1,"histogram":{"exponent":0,"first":9e18,"zeros":0,"counts":[1]}})",
      R"({"count":1,"min":0,"max":1,"histogram":{"exponent":0,"first":0,"zeros":5,"counts":[1]}})",
      R"({"count":1,"min":0,"max":1,"histogram":{"exponent":0,"first":0,"zeros":0,"counts":[1.5]}})",
      R"({"count":1,"min":0,"max":1,"histogram":{"exponent":0,"first":0,"zeros":0,"counts":[]}})",
  };
  for (const char* text : bad) {
    CAPTURE(text);
    CHECK(!TensorStatistics().load(nlohmann::json::parse(text)).ok());
  }
  // Well-formed but absurd: the grid lies far away from the extremes.
  const char* const absurd[] = {
      R"({"count":5,"min":-1,"max":1,"histogram":{"exponent":120,"first":1099511627776,"zeros":0,"counts":[5]}})",
      R"({"count":5,"min":-1,"max":1,"histogram":{"exponent":-149,"first":-1099511627776,"zeros":0,"counts":[5]}})",
  };
  for (const char* text : absurd) {
    TensorStatistics s, other;
    REQUIRE(s.load(nlohmann::json::parse(text)).ok());
    const auto check_finite = [&] {
      for (std::string_view name : observer_names()) {
        CAPTURE(name);
        CHECK(std::isfinite(observer(name).range(s).max));
        CHECK(std::isfinite(observer(name).range(s).min));
      }
    };
    check_finite();
    s.observe(std::vector<float>{-5.0f, 0.0f, 7.0f});
    REQUIRE(other.load(nlohmann::json::parse(absurd[0])).ok());
    CHECK(s.merge(other).ok());
    check_finite();
  }
}
