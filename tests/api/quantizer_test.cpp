// Quantizer of the public interface: samples one by one and from sources, statistics, targets, documents.
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "octet/executor.hpp"
#include "octet/quantize.hpp"
#include "octet/try.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;

namespace {

Model small_network() {
  test::GraphBuilder b(5);
  const ValueId x = b.input("x", {1, 8, 8, 3});
  const ValueId y = b.conv_2d(x, {.out = 8, .filter = 3, .act = Activation::Kind::relu});
  b.output(b.conv_2d(y, {.out = 4, .filter = 1}), "y");
  return std::make_shared<const ModelData>(test::model_of(b.build()));
}

std::vector<std::byte> bytes_of(const Model& m) {
  const auto bytes = m.serialize();
  REQUIRE_MESSAGE(bytes.ok(), bytes.status().message());
  return *bytes;
}

QuantizeResult finished(Quantizer& q, HeldOutSamples held_out = {}) {
  auto result = q.finish(held_out);
  REQUIRE_MESSAGE(result.ok(), result.status().message());
  return *std::move(result);
}

QuantizeResult quantized(const Model& m, int64_t count, const Recipe& recipe = {}) {
  test::RandomSamples samples(*m.data(), count);
  Quantizer q(m, recipe);
  REQUIRE(q.calibrate(samples).ok());
  return finished(q);
}

struct StatisticsFolder {
  std::string path = (std::filesystem::temp_directory_path() / "octet-q-XXXXXX").string();
  StatisticsFolder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~StatisticsFolder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("quantizer: samples one by one, and what is said of the result") {
  const Model m = small_network();
  Quantizer q(m);
  test::RandomSamples samples(*m.data(), 40);
  std::vector<ConstTensorView> sample;
  while (*samples.next(sample))
    REQUIRE(q.calibrate(sample).ok());
  CHECK(q.statistics().samples() + q.statistics().held_out() == 40);
  CHECK(q.statistics().held_out() > 0);
  const QuantizeResult result = finished(q);
  CHECK(result.report.ops_int8 == 2);
  CHECK(result.report.ops_float == 0);
  CHECK(result.report.measured_on.held_out);
  CHECK(result.report.measured_on.samples == q.statistics().held_out());
  REQUIRE(result.report.error);
  CHECK(result.report.error->sqnr_db > 20);
  CHECK(bytes_of(finished(q).model) == bytes_of(result.model));
  CHECK(Executor::create(result.model).ok());
}

TEST_CASE("quantizer: statistics that were saved give the same bytes as the data, and shards as the whole") {
  const Model m = small_network();
  const QuantizeResult whole = quantized(m, 30);
  const StatisticsFolder folder;
  Statistics all;
  for (int64_t i = 0; i < 3; ++i) {
    std::vector<std::vector<std::vector<float>>> memory;
    std::vector<std::vector<ConstTensorView>> shard;
    test::RandomSamples every(*m.data(), 30);
    std::vector<ConstTensorView> sample;
    for (int64_t k = 0; *every.next(sample); ++k) {
      if (k % 3 != i) continue;
      const auto* x = sample[0].as<float>();
      memory.push_back({std::vector<float>(x, x + sample[0].elements())});
      shard.push_back(sample);
    }
    for (size_t k = 0; k < shard.size(); ++k)
      shard[k][0].data = memory[k][0].data();
    MemorySamples samples(shard);
    Quantizer q(m);
    REQUIRE(q.calibrate(samples, {.index = i, .count = 3, .total = 30}).ok());
    const auto more = all.merged(q.statistics());
    REQUIRE(more.ok());
    all = *more;
  }
  CHECK_FALSE(all.partial());
  REQUIRE(all.save(folder.path + "/s").ok());
  const auto loaded = Statistics::load(folder.path + "/s");
  REQUIRE(loaded.ok());
  CHECK(loaded->samples() == all.samples());
  CHECK(loaded->held_out_positions().size() == static_cast<size_t>(loaded->held_out()));
  Quantizer q(m);
  REQUIRE(q.resume(*loaded).ok());
  CHECK(bytes_of(finished(q).model) == bytes_of(whole.model));

  const auto ranges = all.ranges("minmax");
  REQUIRE(ranges.ok());
  CHECK(ranges->size() >= 3);
  for (const TensorRange& r : *ranges)
    CHECK(r.min <= r.max);
  CHECK(all.ranges("nonsense").status().message().find("nonsense") != std::string::npos);
}

TEST_CASE("quantizer: samples of other roles may be given apart") {
  const Model m = small_network();
  test::RandomSamples calibration(*m.data(), 24), correction(*m.data(), 9), measured(*m.data(), 7);
  Quantizer q(m, {}, {.hold_out = false});
  REQUIRE(q.calibrate(calibration).ok());
  CHECK(q.statistics().held_out() == 0);
  const auto plain = bytes_of(finished(q).model);
  REQUIRE(q.correct({&correction}).ok());
  const QuantizeResult result = finished(q, {&measured});
  CHECK(result.report.measured_on.samples == 7);
  CHECK(result.report.measured_on.held_out);
  CHECK(result.report.calibration_samples == 24);
  // Nothing else depends on what the result is measured on.
  CHECK(bytes_of(finished(q).model) == bytes_of(result.model));
  CHECK(plain != bytes_of(result.model));
  CHECK_FALSE(q.correct({}).ok());
}

TEST_CASE("quantizer: operators are promoted until the program's own figure is met") {
  const Model m = small_network();
  test::RandomSamples samples(*m.data(), 40);
  Quantizer q(m);
  REQUIRE(q.calibrate(samples).ok());
  int asked = 0;
  q.set_target({[&](const Model& candidate) -> Result<double> {
                  ++asked;
                  test::RandomSamples some(*m.data(), 4);
                  OCTET_ASSIGN(const Comparison c, compare(m, candidate, some));
                  return -c.sqnr_db;
                },
                -55, "to reach 55 dB"});
  const QuantizeResult result = finished(q);
  CHECK(asked > 1);
  CHECK(result.report.target_met);
  CHECK(result.report.ops_int16 + result.report.ops_float > 0);
  REQUIRE(result.report.loss);
  CHECK(*result.report.loss <= -55);
  q.set_target(
      {[](const Model&) -> Result<double> { return Status::unsupported("the scale is broken"); }, 0, ""});
  CHECK(q.finish().status().message().find("the scale is broken") != std::string::npos);
}

TEST_CASE("quantizer: an assignment is a document that gives the same bytes again") {
  const Model m = small_network();
  Recipe recipe;
  recipe.min_sqnr_db = 60;
  const QuantizeResult result = quantized(m, 30, recipe);
  const auto read = Assignment::from_json(result.assignment.to_json());
  REQUIRE_MESSAGE(read.ok(), read.status().message());
  const auto again = apply(m, *read);
  REQUIRE_MESSAGE(again.ok(), again.status().message());
  CHECK(bytes_of(*again) == bytes_of(result.model));
  CHECK(read->recipe().min_sqnr_db == 60);
  test::RandomSamples measured(*m.data(), 5);
  const auto told = result_of(m, *read, {&measured});
  REQUIRE(told.ok());
  CHECK(told->report.ops_int16 == result.report.ops_int16);
  CHECK(told->report.measured_on.samples == 5);
  CHECK_FALSE(Assignment::from_json("{}").ok());
}

TEST_CASE("quantizer: parameters go out of a result and into the float model") {
  const Model m = small_network();
  for (const Io io : {Io::keep, Io::int8, Io::uint8, Io::int16})
    for (const Scheme scheme : {Scheme::int8, Scheme::int16x8}) {
      CAPTURE(name_of(io));
      CAPTURE(name_of(scheme));
      Recipe recipe = Recipe::of(scheme);
      recipe.io = io;
      const QuantizeResult result = quantized(m, 30, recipe);
      const auto reread = Model::from_memory(bytes_of(result.model));
      REQUIRE(reread.ok());
      const auto done = implant(m, *parameters_of(*reread));
      REQUIRE_MESSAGE(done.ok(), done.status().message());
      CHECK(bytes_of(done->model) == bytes_of(result.model));
      CHECK(done->biases == 0);
      const auto itself = implant(*reread, *parameters_of(*reread));
      REQUIRE_MESSAGE(itself.ok(), itself.status().message());
      CHECK(bytes_of(itself->model) == bytes_of(result.model));
    }
}

TEST_CASE("quantizer: what is wrong is said") {
  const Model m = small_network();
  Quantizer nothing(m);
  CHECK_FALSE(nothing.finish().ok());
  Recipe wrong;
  wrong.weight_bits = 3;
  Quantizer q(m, wrong);
  test::RandomSamples samples(*m.data(), 4);
  CHECK_FALSE(q.calibrate(samples).ok());
  // A sample of another shape.
  Quantizer other(m);
  const std::vector<float> x(12);
  const std::vector<ConstTensorView> bad{{x.data(), DType::float32, {1, 2, 3, 2}, {}}};
  CHECK_FALSE(other.calibrate(bad).ok());
  CHECK_FALSE(other.calibrate(std::span<const ConstTensorView>()).ok());
  // Statistics of another model.
  Quantizer foreign(m);
  test::GraphBuilder b;
  b.output(b.op(OpKind::TANH, {b.input("x", {1, 4})}), "z");
  const Model tanh = std::make_shared<const ModelData>(test::model_of(b.build()));
  Quantizer of_tanh(tanh);
  test::RandomSamples few(*tanh.data(), 4);
  REQUIRE(of_tanh.calibrate(few).ok());
  REQUIRE(foreign.resume(of_tanh.statistics()).ok());
  CHECK(foreign.finish().status().message().find("statistics") != std::string::npos);
}
