// The accuracy of a real classifier survives quantization.
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>

#include "tests/cli/cli_support.hpp"

using namespace octet;

TEST_CASE("real models: a keyword spotter is as accurate in int8 as in float") {
  const char* folder = std::getenv("OCTET_MODELS");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  if (std::getenv("OCTET_EMULATED") != nullptr) {
    MESSAGE("SKIPPED: too slow under emulation");
    return;
  }
  const std::string models = folder, data = models + "/data/kws01";
  const std::string real = models + "/derived/kws_dscnn_float32_dequantized.tflite";
  // Features are stored as int8; real = (q - 83) * 0.58470315 (MANIFEST.md of the models).
  constexpr int64_t kSamples = 1000, kFeatures = 490, kEvery = 5;
  const std::string bytes = test::read_bytes(data + "/kws01_mfcc_int8_1000x49x10.bin");
  REQUIRE(bytes.size() == kSamples * kFeatures);
  std::vector<float> all, some;
  for (int64_t i = 0; i < kSamples * kFeatures; ++i) {
    const float x = static_cast<float>(static_cast<int8_t>(bytes[static_cast<size_t>(i)]) - 83) * 0.58470315f;
    all.push_back(x);
    if (i / kFeatures % kEvery == 0) some.push_back(x);
  }
  const test::TempFolder made;
  test::write_floats(made / "all.npy", {kSamples, 1, 49, 10, 1}, all);
  test::write_floats(made / "some.npy", {kSamples / kEvery, 1, 49, 10, 1}, some);

  const auto quantized =
      test::octet({"quantize", real, "--data", made / "some.npy", "-o", made / "q.tflite"});
  REQUIRE_MESSAGE(quantized.code == 0, quantized.err);
  const auto accuracy = [&](const std::string& model) {
    const auto outcome =
        test::octet({"evaluate", model, "--data", made / "all.npy", "--labels", data + "/labels.csv",
                     "--label-column", "label", "--against", real, "--json"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return outcome.json();
  };
  const auto before = accuracy(real), after = accuracy(made / "q.tflite");
  INFO(before.dump(), after.dump());
  CHECK(before["top1"].get<double>() > 0.85);
  // int4 weights: what rounding on data is worth.
  std::vector<double> four;
  for (const bool on_data : {false, true}) {
    std::vector<std::string> args{"quantize",      real, "--scheme", "weight-only",
                                  "--weight-bits", "4",  "-o",       made / "4.tflite"};
    if (on_data) args.insert(args.end(), {"--data", made / "some.npy"});
    const auto outcome = test::octet(args);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    four.push_back(accuracy(made / "4.tflite")["top1"].get<double>());
  }
  MESSAGE("top-1: float " << before["top1"].get<double>() << ", int4 weights " << four[0] << ", on data "
                          << four[1]);
  CHECK(four[1] >= four[0]);
  CHECK(four[1] >= before["top1"].get<double>() - 0.02);
  CHECK(after["top1"].get<double>() >= before["top1"].get<double>() - 0.005);
  CHECK(after["agreement"].get<double>() >= 0.985);
}
