// From a float model and data to a quantized one and what it costs, as users do it.
#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <random>

#include "tests/cli/cli_support.hpp"

namespace octet {
namespace {

using test::check_error;
using test::octet;
using test::Outcome;
using test::TempFolder;
using test::write_bytes;
using test::write_floats;

TEST_CASE("calibrate, merge, resume, quantize, compare, evaluate: the main job") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  std::vector<float> values;
  for (int i = 0; i < 40 * 4; ++i)
    values.push_back(static_cast<float>((i * 37) % 101) / 25 - 2);
  write_floats(folder / "d.npy", {40, 1, 4}, values);

  const std::vector<std::string> calibrate{"calibrate",  model,    "--data", folder / "d.npy",
                                           "--observer", "minmax", "--json"};
  const auto with = [](std::vector<std::string> args, const std::vector<std::string>& more) {
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  const Outcome all = octet(with(calibrate, {"-o", folder / "all.json"}));
  REQUIRE_MESSAGE(all.code == 0, all.err);
  CHECK(all.json()["samples"] == 30);
  CHECK(all.json()["held_out"] == 10);
  CHECK(all.json()["partial"] == false);
  CHECK(all.json()["values"][0].contains("name"));
  CHECK(all.json()["values"][0].contains("min"));
  CHECK(all.json()["values"][0].contains("max"));
  REQUIRE(octet(with(calibrate, {"-o", folder / "a.json", "--shard", "1/3"})).code == 0);
  REQUIRE(octet(with(calibrate, {"-o", folder / "b.json", "--shard", "2/3"})).code == 0);
  REQUIRE(octet(with(calibrate, {"-o", folder / "c.json", "--shard", "3/3"})).code == 0);
  const Outcome merged = octet({"calibrate", "--merge", folder / "a.json", folder / "b.json",
                                folder / "c.json", "-o", folder / "m.json", "--json"});
  REQUIRE_MESSAGE(merged.code == 0, merged.err);
  CHECK(merged.json()["samples"] == 30);
  CHECK(merged.json()["values"] == all.json()["values"]);
  CHECK(test::read_bytes(folder / "m.json") == test::read_bytes(folder / "all.json"));
  // Everything is there already: nothing is added.
  CHECK(octet(with(calibrate, {"-o", folder / "all.json", "--resume"})).json()["samples"] == 30);

  const Outcome q = octet({"quantize", model, "-o", folder / "q.tflite", "--data", folder / "d.npy", "--json",
                           "--report", folder / "r.html"});
  REQUIRE_MESSAGE(q.code == 0, q.err);
  CHECK(q.json()["ops_int8"] == 1);
  CHECK(q.json()["ops_float"] == 0);
  CHECK(q.json()["fallback"].empty());
  CHECK(q.json()["sqnr_db"].get<double>() > 25);
  CHECK(q.json().contains("input_bytes"));
  CHECK(q.json().contains("output_bytes"));
  CHECK(q.json().contains("fusions"));
  CHECK(test::read_bytes(folder / "r.html").find("<svg") != std::string::npos);
  // The same bytes from statistics, whatever they were gathered for and in how many parts, and from the
  // document.
  const Outcome s = octet({"quantize", model, "-o", folder / "s.tflite", "--stats", folder / "m.json",
                           "--explain", "--save-assignment", folder / "a.json"});
  REQUIRE_MESSAGE(s.code == 0, s.err);
  CHECK(test::read_bytes(folder / "s.tflite") == test::read_bytes(folder / "q.tflite"));
  const Outcome replay = octet({"quantize", model, "-o", folder / "p.tflite", "--assignment",
                                folder / "a.json", "--held-out", folder / "d.npy", "--json"});
  REQUIRE_MESSAGE(replay.code == 0, replay.err);
  CHECK(test::read_bytes(folder / "p.tflite") == test::read_bytes(folder / "q.tflite"));
  CHECK(replay.json()["measured_on"]["samples"] == 40);
  CHECK(q.json()["measured_on"]["samples"] == 10);
  CHECK(q.json()["measured_on"]["held_out"] == true);
  CHECK(q.json()["data_passes"] == 1);
  CHECK(s.out.find("ops in int8") != std::string::npos);
  const Outcome kept = octet({"quantize", model, "-o", folder / "f.tflite", "--data", folder / "d.npy",
                              "--keep-float", "FULLY_*", "--json"});
  REQUIRE_MESSAGE(kept.code == 0, kept.err);
  CHECK(kept.json()["ops_float"] == 1);
  CHECK(kept.json()["fallback"][0].contains("op"));
  CHECK(kept.json()["fallback"][0].contains("reason"));

  const Outcome c =
      octet({"compare", model, folder / "q.tflite", "--data", folder / "d.npy", "--layers", "--json"});
  REQUIRE_MESSAGE(c.code == 0, c.err);
  for (const char* key : {"name", "sqnr_db", "cosine", "max_abs", "mean_abs"})
    CHECK(c.json()["outputs"][0].contains(key));
  CHECK(c.json()["layers"].is_array());

  std::string labels;
  for (int i = 0; i < 40; ++i)
    labels += "1\n";
  write_bytes(folder / "l.txt", labels);
  const Outcome e = octet({"evaluate", folder / "q.tflite", "--data", folder / "d.npy", "--labels",
                           folder / "l.txt", "--against", model, "--json"});
  REQUIRE_MESSAGE(e.code == 0, e.err);
  CHECK(e.json()["samples"] == 40);
  CHECK(e.json()["top5"] == 1.0);
  CHECK(e.json()["agreement"].get<double>() > 0.9);
  check_error(octet({"evaluate", model, "--data", folder / "d.npy"}), 2, {"--labels"});
  write_bytes(folder / "l.txt", "1\n2\n");
  check_error(octet({"evaluate", model, "--data", folder / "d.npy", "--labels", folder / "l.txt"}), 1,
              {"2 labels for 40 samples"});
  check_error(
      octet({"quantize", folder / "q.tflite", "-o", folder / "qq.tflite", "--data", folder / "d.npy"}), 1,
      {"q.tflite"});
}

TEST_CASE("quantize: no more is lost than --max-drop and --min-sqnr allow") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  // The first two classes are so close that 8 bits of the input don't always tell them apart.
  std::mt19937 random(3);
  std::vector<float> values;
  for (int i = 0; i < 300; ++i) {
    const float x = static_cast<float>(random() % 1400) / 1000.0f;
    values.insert(values.end(), {x, x + 0.5f + (static_cast<float>(i % 6) - 2.5f) / 400.0f, 2, -2});
  }
  write_floats(folder / "d.npy", {300, 1, 4}, values);
  const auto quantize = [&](std::vector<std::string> options) {
    options.insert(options.begin(),
                   {"quantize", model, "-o", folder / "q.tflite", "--data", folder / "d.npy", "--json"});
    const Outcome o = octet(options);
    CHECK_MESSAGE(o.code == 0, o.err);
    return o.json();
  };
  const auto agreement = [&] {
    const Outcome o =
        octet({"evaluate", folder / "q.tflite", "--against", model, "--data", folder / "d.npy", "--json"});
    CHECK_MESSAGE(o.code == 0, o.err);
    return o.json().at("agreement").get<double>();
  };
  const auto plain = quantize({});
  CHECK(agreement() < 1);
  const auto raised = quantize({"--max-drop", "0"});
  CHECK(agreement() == 1);
  CHECK(raised.at("ops_int16") == 1);
  CHECK(raised.at("ops_float") == 0);
  REQUIRE(raised.at("fallback").size() == 1);
  CHECK(raised.at("fallback")[0].at("type") == "int16");
  CHECK(raised.at("fallback")[0].at("reason") == "promoted to int16 to lose at most 0 points");
  CHECK(quantize({"--max-drop", "0", "--raise-to", "float"}).at("ops_float") == 1);
  CHECK(agreement() == 1);

  const double target = plain.at("sqnr_db").get<double>() + 3;
  const auto wide = quantize({"--min-sqnr", std::to_string(target)});
  CHECK(wide.at("ops_int16") == 1);
  CHECK(wide.at("sqnr_db") >= target);
  const auto floating = quantize({"--min-sqnr", std::to_string(target), "--raise-to", "float"});
  CHECK(floating.at("ops_float") == 1);
  CHECK(floating.at("sqnr_db") >= target);
  check_error(
      octet({"quantize", model, "-o", folder / "q.tflite", "--scheme", "dynamic", "--min-sqnr", "40"}), 2,
      {"--min-sqnr", "int8"});
  REQUIRE(octet({"calibrate", model, "-o", folder / "s.json", "--data", folder / "d.npy"}).code == 0);
  CHECK(octet({"quantize", model, "-o", folder / "q.tflite", "--stats", folder / "s.json", "--min-sqnr",
               std::to_string(target)})
            .code == 0);
  check_error(octet({"quantize", model, "-o", folder / "q.tflite", "--stats", folder / "s.json", "--data",
                     folder / "d.npy"}),
              2, {"--stats", "--held-out"});
  check_error(
      octet({"quantize", model, "-o", folder / "q.tflite", "--data", folder / "d.npy", "--raise-to", "int4"}),
      2, {"--raise-to"});
}

TEST_CASE("int4 weights and recipes by operator, from the command line to accuracy") {
  if (std::getenv("OCTET_EMULATED") != nullptr) {
    MESSAGE("SKIPPED: an emulator takes minutes for accuracy that does not depend on the CPU");
    return;
  }
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  const std::string demo = std::string(root) + "/demo/", net = demo + "glyphs.tflite";
  TempFolder dir;
  const auto quantize = [&](const std::string& name, std::vector<std::string> options) {
    options.insert(options.begin(), {"quantize", net, "-o", dir / name, "--json"});
    const Outcome o = octet(options);
    REQUIRE_MESSAGE(o.code == 0, o.err);
    const auto json = o.json();
    CHECK(json["output_bytes"] == test::read_bytes(dir / name).size());
    return json;
  };
  const auto top1 = [&](const std::string& name) {
    const Outcome o = octet({"evaluate", dir / name, "--data", demo + "test.npy", "--labels",
                             demo + "test_labels.txt", "--json"});
    REQUIRE_MESSAGE(o.code == 0, o.err);
    return o.json()["top1"].get<double>();
  };
  const auto kernels_of = [&](const std::string& name, const std::string& kind) {
    const auto json = octet({"inspect", dir / name, "--json"}).json();
    std::string kernels;
    for (const auto& op : json["ops"])
      if (op["kind"] == kind) kernels += op["kernel"].get<std::string>() + " ";
    return kernels;
  };
  const std::vector<std::string> four{"--scheme", "weight-only", "--weight-bits", "4"};
  auto with = [](std::vector<std::string> options, const std::vector<std::string>& more) {
    options.insert(options.end(), more.begin(), more.end());
    return options;
  };
  const auto eight = quantize("8.tflite", {"--scheme", "weight-only"});
  const auto plain = quantize("4.tflite", four);
  CHECK(plain["output_bytes"].get<double>() < 0.6 * eight["output_bytes"].get<double>());
  CHECK(kernels_of("4.tflite", "FULLY_CONNECTED") == "xnnpack ");
  CHECK(kernels_of("4.tflite", "DEQUANTIZE").find("loop") == std::string::npos);  // all folded
  CHECK(top1("4.tflite") > 0.94);
  const auto blocks = quantize("b.tflite", with(four, {"--block", "32", "--data", demo + "calibration.npy"}));
  CHECK(blocks["sqnr_db"].get<double>() > 15);
  CHECK(kernels_of("b.tflite", "FULLY_CONNECTED") == "xnnpack ");
  CHECK(top1("b.tflite") > 0.95);
  const auto tensors = octet({"inspect", dir / "b.tflite", "--tensors", "--json"}).json()["tensors"];
  CHECK(std::count_if(tensors.begin(), tensors.end(), [](const auto& t) {
          return t["quantization"].is_object() && t["quantization"]["block"] == 32;
        }) == 1);

  // Out of the file and in again.
  CHECK(octet({"extract", dir / "b.tflite", "-o", dir / "parts"}).code == 0);
  CHECK(octet({"implant", dir / "b.tflite", dir / "parts", "-o", dir / "again.tflite"}).code == 0);
  CHECK(test::read_bytes(dir / "again.tflite") == test::read_bytes(dir / "b.tflite"));
  check_error(octet({"convert", dir / "b.tflite", "-o", dir / "b.circle"}), 1, {"only .tflite", "fc"});

  write_bytes(dir / "mix.json", R"({"operators": [
      {"match": "FULLY_CONNECTED", "scheme": "weight-only", "weight_bits": 4, "block": 32},
      {"match": "dw*", "scheme": "float16"}]})");
  const auto mix = quantize("mix.tflite", {"--recipe", dir / "mix.json", "--data", demo + "calibration.npy"});
  CHECK(mix["ops_float"] == 6);
  CHECK(mix["fallback"][0]["reason"] == "float16 by 'dw*'");
  CHECK(top1("mix.tflite") > 0.95);

  const auto refuses = [&](std::vector<std::string> options, const std::vector<std::string>& parts) {
    options.insert(options.begin(), {"quantize", net, "-o", dir / "no.tflite"});
    check_error(octet(options), 1, parts);
  };
  refuses({"--scheme", "weight-only", "--block", "32"}, {"'block' needs 'weight_bits' 4"});
  refuses(with(four, {"--block", "48"}), {"'block'", "multiple of 32"});
  refuses({"--weight-bits", "4", "--data", demo + "test.npy"}, {"weight-only or dynamic, not int8"});
  check_error(octet({"quantize", net, "-o", dir / "no.tflite", "--weight-bits", "5"}), 2, {"--weight-bits"});
  write_bytes(dir / "bad.json", R"({"operators": [{"match": "no_such*", "scheme": "float16"}]})");
  refuses({"--recipe", dir / "bad.json", "--data", demo + "test.npy"}, {"no operator matches 'no_such*'"});
  write_bytes(dir / "bad.json", R"({"operators": [{"match": "dw*", "bit": 4}]})");
  refuses({"--recipe", dir / "bad.json", "--data", demo + "test.npy"}, {"bad.json", "entry 0", "'bit'"});
}

TEST_CASE("NaN in calibration data is an error that names the place, and nothing is written") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  std::vector<float> values(8, 1.0f);
  values[6] = NAN;
  write_floats(folder / "d.npy", {2, 1, 4}, values);
  check_error(octet({"quantize", model, "-o", folder / "q.tflite", "--data", folder / "d.npy"}), 1,
              {"d.npy: sample 1: element 2 is NaN"});
  check_error(octet({"calibrate", model, "-o", folder / "s.json", "--data", folder / "d.npy"}), 1, {"NaN"});
  CHECK(folder.names() == std::vector<std::string>{"d.npy", "m.tflite"});
}

}  // namespace
}  // namespace octet
