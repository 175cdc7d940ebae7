// The store of statistics: what is gathered, how samples split, merging, files, hostile files.
#include "quant/statistics/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <filesystem>
#include <random>
#include <unistd.h>

#include "octet/try.hpp"
#include "quant/quantize.hpp"
#include "quant/statistics/keys.hpp"
#include "quant/statistics/observer.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

ModelData small_model(float bias = 0) {
  GraphBuilder b(3);
  const ValueId x = b.input("x", {1, 6, 6, 2});
  const ValueId y = b.conv_2d(x, {.out = 3, .filter = 3, .act = Activation::Kind::relu});
  b.output(b.op(OpKind::ADD, {b.op(OpKind::TANH, {y}), b.scalar(bias)}), "y");
  return model_of(b.build());
}

StatisticsStore gathered(const ModelData& m, int64_t count, const GatherScope& scope = {},
                         const Recipe& recipe = {}) {
  RandomSamples samples(m, count);
  auto s = gather_statistics(m, samples, recipe, scope, {});
  REQUIRE_MESSAGE(s.ok(), s.status().message());
  return *std::move(s);
}

// Every `step`th sample of the sequence, from `first` on: a shard.
class Shard final : public SampleSource {
 public:
  Shard(const ModelData& m, int64_t total, int64_t first, int64_t step)
      : all_(m, total), total_(total), first_(first), step_(step) {}
  Result<bool> next(std::vector<ConstTensorView>& sample) override {
    for (const int64_t wanted = first_ + step_ * taken_; at_ <= wanted; ++at_) {
      OCTET_ASSIGN(const bool more, all_.next(sample));
      if (!more) return false;
    }
    ++taken_;
    return true;
  }
  Status rewind() override {
    at_ = taken_ = 0;
    return all_.rewind();
  }
  int64_t size() const override { return (total_ - first_ + step_ - 1) / step_; }

 private:
  RandomSamples all_;
  int64_t total_, first_, step_, at_ = 0, taken_ = 0;
};

}  // namespace

TEST_CASE("every sample has one role, and the roles are spread over the data") {
  for (const int64_t total : {1, 2, 5, 20, 64, 200, 500, 3000}) {
    CAPTURE(total);
    const SamplePlan plan = SamplePlan::of(total, 1000);
    std::vector<int64_t> count(4), half(4);
    for (int64_t i = 0; i < total; ++i) {
      const auto role = static_cast<size_t>(plan.role(i));
      ++count[role];
      half[role] += i < total / 2;
    }
    const int64_t held_out = count[static_cast<size_t>(SampleRole::held_out)];
    const int64_t select = count[static_cast<size_t>(SampleRole::select)];
    CHECK(held_out == (total == 1 ? 0 : std::clamp<int64_t>(total / 4, 1, SamplePlan::kMaxHeldOut)));
    CHECK(select == (total - held_out < 96 ? 0 : SamplePlan::kMaxSelect));
    CHECK(count[static_cast<size_t>(SampleRole::correct)] > 0);
    if (total >= 200)
      for (size_t role = 1; role < 4; ++role)
        CHECK(std::abs(2 * half[role] - count[role]) <= 2);
    const SamplePlan all = SamplePlan::of(total, 1000, false);
    for (int64_t i = 0; i < total; ++i)
      CHECK(all.role(i) != SampleRole::held_out);
  }
  // A stream does not tell how long it is.
  const SamplePlan stream = SamplePlan::of(-1, 1000);
  std::vector<int64_t> count(4);
  for (int64_t i = 0; i < 5000; ++i)
    ++count[static_cast<size_t>(stream.role(i))];
  CHECK(count == std::vector<int64_t>{5000 - 256 - 32 - 128, 256, 32, 128});
  // Large samples: fewer are kept.
  const SamplePlan large = SamplePlan::of(1000, int64_t{16} << 20);
  int64_t kept = 0;
  for (int64_t i = 0; i < 1000; ++i)
    kept += large.role(i) != SampleRole::range;
  CHECK(kept == 8);
}

TEST_CASE("statistics see every float value of every sample that is not held out, once") {
  const ModelData m = small_model();
  const StatisticsStore s = gathered(m, 8);
  CHECK(s.samples() == 6);
  CHECK(s.position() == 8);
  CHECK(s.kept(SampleRole::held_out).size() == 2);
  const auto prepared = prepare(m, {});
  REQUIRE(prepared.ok());
  const GraphStatistics of_graph(s.values(), *prepared->model);
  CHECK(of_graph.missing().empty());
  const Graph& g = prepared->graph();
  for (size_t v = 0; v < g.values.size(); ++v) {
    if (g.values[v].is_constant()) continue;
    const TensorStatistics* t = of_graph.of(static_cast<ValueId>(v));
    REQUIRE(t != nullptr);
    CHECK(t->count() == 6 * g.values[v].shape.elements());
  }
}

TEST_CASE("a changed constant invalidates what is computed from it and nothing else") {
  const ModelData m = small_model(), other = small_model(0.5f);
  const auto a = origins_of(m), b = origins_of(other);
  const Graph& g = m.main();
  const auto last = static_cast<size_t>(g.outputs[0]);
  for (size_t v = 0; v < a.size(); ++v) {
    if (g.values[v].is_constant()) continue;
    CAPTURE(g.values[v].name);
    CHECK((a[v] == b[v]) == (v != last));
  }
}

TEST_CASE("shards add up to the whole, byte for byte, and gathering can be resumed") {
  const ModelData m = small_model();
  const StatisticsStore whole = gathered(m, 30);
  std::vector<StatisticsStore> shards;
  for (int64_t i = 0; i < 3; ++i) {
    Shard samples(m, 30, i, 3);
    auto s = gather_statistics(m, samples, {}, {.shard = i, .shards = 3, .total = 30}, {});
    REQUIRE_MESSAGE(s.ok(), s.status().message());
    shards.push_back(*std::move(s));
  }
  StatisticsStore forward = shards[0], backward = shards[2];
  REQUIRE(forward.merge(shards[1]).ok());
  CHECK(forward.partial());
  REQUIRE(forward.merge(shards[2]).ok());
  CHECK(!forward.partial());
  REQUIRE(backward.merge(shards[0]).ok());
  REQUIRE(backward.merge(shards[1]).ok());
  CHECK(forward.to_bytes() == whole.to_bytes());
  CHECK(backward.to_bytes() == whole.to_bytes());

  // Stopped after eleven samples, and resumed from what was saved then.
  std::string checkpoint;
  RandomSamples samples(m, 30);
  (void)gather_statistics(m, samples, {}, {}, {}, {}, [&](const StatisticsStore& s) -> Status {
    if (s.position() == 11) checkpoint = s.to_bytes();
    return {};
  });
  auto partial = StatisticsStore::from_bytes(checkpoint);
  REQUIRE(partial.ok());
  CHECK(partial->partial());
  auto resumed = gather_statistics(m, samples, {}, {}, {}, *std::move(partial));
  REQUIRE_MESSAGE(resumed.ok(), resumed.status().message());
  CHECK(resumed->to_bytes() == whole.to_bytes());
}

TEST_CASE("statistics of another model or other data are not resumed") {
  const ModelData m = small_model();
  GraphBuilder b;
  b.output(b.op(OpKind::TANH, {b.input("x", {1, 6, 6, 2})}), "z");
  const ModelData other = model_of(b.build());
  RandomSamples so(other, 4), sm(m, 5), none(m, 0);
  CHECK(
      gather_statistics(other, so, {}, {}, {}, gathered(m, 4)).status().message().find("nothing on tensor") !=
      std::string::npos);
  CHECK(gather_statistics(m, sm, {}, {}, {}, gathered(m, 4)).status().message().find("other data") !=
        std::string::npos);
  CHECK(gather_statistics(m, none, {}, {}, {}).status().message() == "no calibration data");
}

TEST_CASE("statistics give the same bytes as the data they were made from") {
  const ModelData m = small_model();
  for (const Recipe& recipe :
       {Recipe::int8(), Recipe::of(Scheme::int16x8), Recipe::of(Scheme::weight_only)}) {
    RandomSamples samples(m, 24);
    const auto direct = quantize(m, samples, recipe);
    REQUIRE_MESSAGE(direct.ok(), direct.status().message());
    auto s = StatisticsStore::from_bytes(gathered(m, 24, {}, recipe).to_bytes());
    REQUIRE(s.ok());
    const auto later = quantize(m, *s, recipe);
    REQUIRE_MESSAGE(later.ok(), later.status().message());
    CHECK(*serialize(*direct->model) == *serialize(*later->model));
    CHECK(direct->report.error->sqnr_db == later->report.error->sqnr_db);
    CHECK(later->report.measured_on.samples == 6);
    CHECK(later->report.measured_on.held_out);
  }
}

TEST_CASE("statistics serve other observers than the one they were gathered for") {
  const ModelData m = small_model();
  const StatisticsStore s = gathered(m, 24);
  for (const std::string name : {"minmax", "percentile", "entropy"}) {
    Recipe recipe;
    recipe.observer = name;
    RandomSamples samples(m, 24);
    const auto a = quantize(m, s, recipe), b = quantize(m, samples, recipe);
    REQUIRE(a.ok());
    REQUIRE(b.ok());
    CHECK(*serialize(*a->model) == *serialize(*b->model));
  }
  Recipe recipe;
  recipe.observer = "moving-average";
  CHECK(quantize(m, s, recipe).status().message().find("no moving averages") != std::string::npos);
  CHECK(quantize(m, gathered(m, 24, {}, recipe), recipe).ok());
}

TEST_CASE("what is printed does not come from samples that the result was made with") {
  // The held-out samples are another kind of data: only a figure measured on them alone shows it.
  const ModelData m = small_model();
  class Changing final : public SampleSource {
   public:
    explicit Changing(const ModelData& m) : small_(m, 64), large_(m, 64, 0, 50) {}
    Result<bool> next(std::vector<ConstTensorView>& sample) override {
      const bool held_out = plan_.role(at_++) == SampleRole::held_out;
      std::vector<ConstTensorView> unused;
      OCTET_ASSIGN(const bool more, small_.next(held_out ? unused : sample));
      OCTET_ASSIGN(const bool more_large, large_.next(held_out ? sample : unused));
      return more && more_large;
    }
    Status rewind() override {
      at_ = 0;
      OCTET_TRY(small_.rewind());
      return large_.rewind();
    }
    int64_t size() const override { return 64; }

   private:
    SamplePlan plan_ = SamplePlan::of(64, 288);
    RandomSamples small_, large_;
    int64_t at_ = 0;
  } changing(m);
  RandomSamples plain(m, 64);
  const auto odd = quantize(m, changing, {}), usual = quantize(m, plain, {});
  REQUIRE(odd.ok());
  REQUIRE(usual.ok());
  CHECK(odd->report.measured_on.samples == 16);
  CHECK(*serialize(*odd->measured) == *serialize(*usual->measured));
  CHECK(odd->report.error->sqnr_db < usual->report.error->sqnr_db - 10);
}

TEST_CASE("kept samples: a picture's few values take a byte each, and come back as they were") {
  std::vector<float> picture(48 * 48), noise(48 * 48);
  std::mt19937 engine(2);
  for (size_t i = 0; i < picture.size(); ++i) {
    picture[i] = (static_cast<float>(engine() % 256) - 127.5f) / 127.5f;
    noise[i] = static_cast<float>(engine()) * 1e-5f;
  }
  for (const auto* values : {&picture, &noise}) {
    const KeptTensor t = KeptTensor::of({values->data(), DType::float32, {1, 48, 48}, {}});
    CHECK(t.check().ok());
    CHECK(t.data.size() == (values == &picture ? picture.size() : 4 * noise.size()));
    std::vector<std::byte> buffer;
    const ConstTensorView v = t.unpack(buffer);
    CHECK(std::equal(values->begin(), values->end(), v.as<float>()));
  }
}

TEST_CASE("statistics files: round trip, atomic, hostile") {
  const StatisticsStore s = gathered(small_model(), 5);
  const auto folder =
      std::filesystem::temp_directory_path() / ("octet-statistics-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = folder / "stats";
  REQUIRE(s.save(path).ok());
  REQUIRE(s.save(path).ok());  // over the old one
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);
  auto again = StatisticsStore::load(path);
  REQUIRE(again.ok());
  CHECK(again->to_bytes() == s.to_bytes());
  CHECK(!s.save((folder / "no" / "such" / "folder").string()).ok());
  std::filesystem::remove_all(folder);

  // Truncated anywhere, or with any byte changed: an error or other statistics, never a crash.
  const std::string bytes = s.to_bytes();
  for (size_t n = 0; n < bytes.size(); n += 61)
    CHECK(!StatisticsStore::from_bytes(std::string_view(bytes).substr(0, n)).ok());
  std::mt19937 engine(1);
  for (int i = 0; i < 600; ++i) {
    std::string mutated = bytes;
    mutated[engine() % mutated.size()] = static_cast<char>(engine() % 256);
    mutated[engine() % mutated.size()] = "0123456789-.eE[]{}\","[engine() % 19];
    if (const auto r = StatisticsStore::from_bytes(mutated); r.ok())
      for (const auto& [key, t] : r->values())
        for (std::string_view name : observer_names())
          CHECK(std::isfinite((*find_observer(name))->range(t).max));
  }
  CHECK(!StatisticsStore::from_bytes("octet statistics 2\n99999999999999999999\n{}\n").ok());
  CHECK(!StatisticsStore::from_bytes("{\"octet_calibration\":1}").ok());
}

TEST_CASE("values without a name of their own have keys of their own") {
  Graph g;
  for (const char* name : {"a", "", "a", "b", "", "a#0"})
    g.add_value({.name = name});
  const auto keys = value_keys(g);
  CHECK(keys == std::vector<std::string>{"a#0", "#1", "a#2", "b", "#4", "a#0'"});
}
