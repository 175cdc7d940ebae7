#include "quant/statistics/calibration.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <filesystem>
#include <random>
#include <unistd.h>

#include "quant/json_util.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

ModelData small_model() {
  GraphBuilder b(3);
  const ValueId x = b.input("x", {1, 6, 6, 2});
  const ValueId y = b.conv_2d(x, {.out = 3, .filter = 3, .act = Activation::Kind::relu});
  b.output(b.op(OpKind::TANH, {y}), "y");
  return model_of(b.build());
}

Calibration calibrated(const ModelData& m, SampleSource& s, const std::string& observer = "mse") {
  CalibrateOptions options;
  options.observer = observer;
  auto c = calibrate(m, s, options);
  REQUIRE_MESSAGE(c.ok(), c.status().message());
  return *std::move(c);
}

}  // namespace

TEST_CASE("calibration sees every float value of every sample once") {
  const ModelData m = small_model();
  RandomSamples samples(m, 5);
  const Calibration c = calibrated(m, samples, "minmax");
  CHECK(c.samples() == 5);
  const auto keys = value_keys(m.main());
  int moving = 0;
  for (size_t v = 0; v < keys.size(); ++v) {
    const Value& value = m.main().values[v];
    if (value.is_constant()) continue;
    ++moving;
    REQUIRE(c.find(keys[v]) != nullptr);
    CHECK(c.find(keys[v])->count() == 5 * value.shape.elements());
  }
  CHECK(c.values().size() == static_cast<size_t>(moving));
  CHECK(c.find("y")->range().max <= 1.0f);
}

TEST_CASE("statistics of parts add up to those of the whole, and runs can be continued") {
  const ModelData m = small_model();
  RandomSamples all(m, 8), first(m, 3), rest(m, 5, 3);
  const Calibration whole = calibrated(m, all);
  Calibration merged = calibrated(m, first);
  REQUIRE(merged.merge(calibrated(m, rest)).ok());
  CHECK(merged.to_json() == whole.to_json());
  REQUIRE(first.rewind().ok());
  REQUIRE(rest.rewind().ok());
  auto continued = calibrate(m, rest, {}, calibrated(m, first));
  REQUIRE(continued.ok());
  CHECK(continued->to_json() == whole.to_json());
}

TEST_CASE("statistics of other models or observers are refused") {
  const ModelData m = small_model();
  GraphBuilder b;
  b.output(b.op(OpKind::TANH, {b.input("x", {1, 6, 6, 2})}), "y");
  const ModelData other = model_of(b.build());
  RandomSamples sm(m, 2), so(other, 2);
  Calibration c = calibrated(m, sm);
  CHECK(c.merge(calibrated(other, so)).message() == "the statistics were taken from different models");
  REQUIRE(sm.rewind().ok());
  CHECK(c.merge(calibrated(m, sm, "minmax")).message() ==
        "the statistics are of different observers, 'mse' and 'minmax'");
  REQUIRE(so.rewind().ok());
  CHECK(!calibrate(other, so, {}, std::move(c)).ok());
  RandomSamples none(m, 0);
  CHECK(calibrate(m, none, {}).status().message() == "no calibration data");
}

TEST_CASE("calibration files: round trip, atomic, hostile") {
  const ModelData m = small_model();
  RandomSamples samples(m, 3);
  const Calibration c = calibrated(m, samples);
  const auto folder =
      std::filesystem::temp_directory_path() / ("octet-calibration-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = folder / "stats.json";
  REQUIRE(c.save(path).ok());
  REQUIRE(c.save(path).ok());  // over the old one
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);
  auto again = Calibration::load(path);
  REQUIRE(again.ok());
  CHECK(again->to_json() == c.to_json());
  CHECK(!c.save((folder / "no" / "such" / "folder.json").string()).ok());
  std::filesystem::remove_all(folder);

  // Truncated anywhere, or with any byte changed: an error or another calibration, never a crash.
  const std::string text = c.to_json();
  for (size_t n = 0; n < text.size(); n += 7)
    CHECK(!Calibration::from_json(std::string_view(text).substr(0, n)).ok());
  std::mt19937 engine(1);
  for (int i = 0; i < 2000; ++i) {
    std::string mutated = text;
    mutated[engine() % mutated.size()] = static_cast<char>(engine() % 256);
    mutated[engine() % mutated.size()] = "0123456789-.eE[]{}\","[engine() % 20];
    if (auto r = Calibration::from_json(mutated); r.ok()) {
      for (const auto& [key, observer] : r->values())
        CHECK(std::isfinite(observer->range().max));
    }
  }
  CHECK(!Calibration::from_json("{\"octet_calibration\":2}").ok());
}

TEST_CASE("values without a name of their own have keys of their own") {
  Graph g;
  for (const char* name : {"a", "", "a", "b", "", "a#0"})
    g.add_value({.name = name});
  const auto keys = value_keys(g);
  CHECK(keys == std::vector<std::string>{"a#0", "#1", "a#2", "b", "#4", "a#0'"});
}
