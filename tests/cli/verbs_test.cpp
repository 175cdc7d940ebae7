// The program as its users see it: exit codes, one-line errors, JSON keys, files.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cli/cli_support.hpp"

namespace octet {
namespace {

using test::check_error;
using test::octet;
using test::Outcome;
using test::TempFolder;
using test::write_bytes;
using test::write_floats;

TEST_CASE("help, version and misuse") {
  CHECK(octet({"help"}).code == 0);
  CHECK(octet({"--help"}).out == octet({"help"}).out);
  const Outcome version = octet({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.find("XNNPACK 20241108") != std::string::npos);
  CHECK(octet({"--version", "--json"}).json().contains("features"));
  for (const char* verb : {"inspect", "run", "calibrate", "quantize", "evaluate", "compare", "bench",
                           "convert", "extract", "implant"}) {
    const Outcome help = octet({"help", verb});
    CHECK(help.code == 0);
    CHECK(help.out.find("usage: octet " + std::string(verb)) != std::string::npos);
    CHECK(help.out.find("--json") != std::string::npos);
    CHECK(octet({verb, "--help"}).out == help.out);
    CHECK(octet({"help", "--man", verb}).out.starts_with(".TH octet-" + std::string(verb)));
  }
  CHECK(octet({}).code == 2);
  check_error(octet({"frobnicate"}), 2, {"frobnicate"});
  check_error(octet({"help", "frobnicate"}), 2, {"frobnicate"});
  check_error(octet({"run"}), 2, {"run: ", "MODEL"});
  check_error(octet({"run", "m.tflite", "--threads", "0"}), 2, {"--threads"});
  check_error(octet({"run", "m.tflite", "--backend", "gpu"}), 2, {"--backend"});
  check_error(octet({"run", "m.tflite", "--mean", "red"}), 2, {"--mean", "red"});
  check_error(octet({"quantize", "m.tflite", "-o", "q.tflite"}), 2, {"--data", "--stats"});
  check_error(octet({"quantize", "m.tflite", "-o", "q.tflite", "--observer", "guess"}), 2, {"--observer"});
  check_error(octet({"calibrate", "m.tflite", "-o", "s.json", "-d", "x", "--shard", "3/2"}), 2, {"--shard"});
  check_error(octet({"convert", "m.tflite", "-o", "m.onnx"}), 2, {"m.onnx"});
}

TEST_CASE("completion knows every verb and option") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome o = octet({"completion", shell});
    CHECK(o.code == 0);
    for (const char* word : {"quantize", "keep-float", "percentile", "implant", "resize-input"})
      CHECK_MESSAGE(o.out.find(word) != std::string::npos, shell, " ", word);
  }
  check_error(octet({"completion", "tcsh"}), 2, {"tcsh"});
}

TEST_CASE("inspect: the keys scripts rely on") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  const Outcome o = octet({"inspect", model, "--json", "--tensors"});
  REQUIRE(o.code == 0);
  const auto j = o.json();
  CHECK(j["format"] == "tflite");
  CHECK(j["inputs"][0]["name"] == "x");
  CHECK(j["inputs"][0]["shape"] == nlohmann::json({1, 4}));
  CHECK(j["inputs"][0]["dtype"] == "float32");
  CHECK(j["outputs"][0]["name"] == "y");
  CHECK(j["ops"][0]["index"] == 0);
  CHECK(j["ops"][0]["kind"] == "FULLY_CONNECTED");
  CHECK(j["ops"][0]["name"] == "y");
  CHECK(j["ops"][0]["kernel"].is_string());
  CHECK(j["ops"][0]["dtype"] == "float32");
  CHECK(j["ops"][0]["macs"] == 12);
  CHECK(j["op_counts"]["FULLY_CONNECTED"] == 1);
  CHECK(j["parameters"] == 15);
  CHECK(j["macs"] == 12);
  CHECK(j["tensors"].size() == 4);
  CHECK(octet({"inspect", model}).out.find("FULLY_CONNECTED") != std::string::npos);
  CHECK(octet({"inspect", model, "--json", "--backend", "reference"}).json()["ops"][0]["kernel"] ==
        "reference");
}

TEST_CASE("inspect: a model that loads but can't run is shown, with the reason") {
  const TempFolder folder;
  ModelData m = test::sum_model();
  m.main().value(m.main().inputs[1]).shape = Shape{1, 3};  // 1x4 + 1x3
  const std::string model = test::save(m, folder / "m.tflite");
  const Outcome o = octet({"inspect", model, "--json"});
  REQUIRE(o.code == 0);
  CHECK(o.json()["ops"][0]["kernel"].is_null());
  CHECK(o.json()["error"].get<std::string>().find("z") != std::string::npos);
  CHECK(octet({"run", model}).code != 0);
}

TEST_CASE("wrong files") {
  const TempFolder folder;
  check_error(octet({"inspect", folder / "none.tflite"}), 1, {"none.tflite", "No such file"});
  check_error(octet({"inspect", folder.path()}), 1, {folder.path(), "folder"});
  write_bytes(folder / "text.tflite", "this is no model, although it is long enough to be one");
  check_error(octet({"inspect", folder / "text.tflite"}), 1, {"text.tflite"});
  write_bytes(folder / "empty.tflite", "");
  check_error(octet({"inspect", folder / "empty.tflite"}), 1, {"empty.tflite"});
  write_bytes(folder / "line\nfeed.tflite", "x");
  check_error(octet({"inspect", folder / "line\nfeed.tflite"}), 1, {"feed.tflite"});
}

TEST_CASE("run: one sample, a stack, and names of inputs") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  write_floats(folder / "one.npy", {1, 4}, {1, 2, 3, 4});
  const Outcome one =
      octet({"run", model, "--input", folder / "one.npy", "--output", folder / "o", "--json"});
  REQUIRE_MESSAGE(one.code == 0, one.err);
  CHECK(one.json()["outputs"][0]["name"] == "y");
  CHECK(one.json()["outputs"][0]["shape"] == nlohmann::json({1, 3}));
  CHECK(one.json()["outputs"][0]["dtype"] == "float32");
  CHECK(one.json()["outputs"][0]["file"] == folder / "o/0_y.npy");
  std::vector<int64_t> dims;
  CHECK(test::read_floats(folder / "o/0_y.npy", &dims) == std::vector<float>{1.5f, 2, 0.75f});
  CHECK(dims == std::vector<int64_t>{1, 3});

  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{2, 1, 4}, {2, 4}}) {
    write_floats(folder / "two.npy", shape, {1, 2, 3, 4, 0, -1, 0, 0});
    REQUIRE(octet({"run", model, "--input", folder / "two.npy", "--output", folder / "o"}).code == 0);
    CHECK(test::read_floats(folder / "o/0_y.npy", &dims) == std::vector<float>{1.5f, 2, 0.75f, 0.5f, 0, 0});
    CHECK(dims == std::vector<int64_t>{2, 1, 3});
  }
  // A stack of one is a stack.
  write_floats(folder / "stack.npy", {1, 1, 4}, {1, 2, 3, 4});
  REQUIRE(octet({"run", model, "--input", folder / "stack.npy", "--output", folder / "o"}).code == 0);
  test::read_floats(folder / "o/0_y.npy", &dims);
  CHECK(dims == std::vector<int64_t>{1, 1, 3});

  write_bytes(folder / "names.txt", "ant\nbee\ncat\n");
  const Outcome top =
      octet({"run", model, "--input", folder / "one.npy", "--labels", folder / "names.txt", "--json"});
  CHECK(top.json()["outputs"][0]["top5"][0]["name"] == "bee");

  const std::string sum = test::save(test::sum_model(), folder / "sum.tflite");
  const Outcome named = octet({"run", sum, "--input", "b=" + (folder / "one.npy"), "--input",
                               folder / "one.npy", "--output", folder / "s"});
  REQUIRE_MESSAGE(named.code == 0, named.err);
  CHECK(test::read_floats(folder / "s/0_z.npy") == std::vector<float>{2, 4, 6, 8});
}

TEST_CASE("run: wrong data says which file, what was expected and what came") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  write_floats(folder / "wide.npy", {1, 5}, std::vector<float>(5));
  check_error(octet({"run", model, "--input", folder / "wide.npy"}), 1, {"wide.npy", "1x4", "1x5", "'x'"});
  check_error(octet({"run", model, "--input", folder / "none.npy"}), 1, {"none.npy", "No such file"});
  check_error(octet({"run", model}), 2, {"m.tflite", "--input", "x"});
  write_floats(folder / "two.npy", {2, 1, 4}, std::vector<float>(8));
  write_floats(folder / "three.npy", {3, 1, 4}, std::vector<float>(12));
  const std::string sum = test::save(test::sum_model(), folder / "sum.tflite");
  check_error(octet({"run", sum, "-i", folder / "two.npy", "-i", folder / "three.npy"}), 1,
              {"two.npy", "three.npy", "2", "3"});
}

TEST_CASE("outputs appear whole or not at all") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  write_floats(folder / "one.npy", {1, 4}, {1, 2, 3, 4});
  // A file where the folder should be.
  write_bytes(folder / "o", "");
  check_error(octet({"run", model, "-i", folder / "one.npy", "--output", folder / "o"}), 1, {folder / "o"});
  check_error(octet({"convert", model, "-o", folder / "no/such/folder/m.circle"}), 1, {"m.circle"});
  if (::access("/dev/full", W_OK) == 0) {
    check_error(octet({"quantize", model, "-d", folder / "one.npy", "-o", "/dev/full"}), 1,
                {"/dev/full", "No space"});
    const Outcome full = octet({"inspect", model}, "/dev/full");
    CHECK(full.code == 1);
    CHECK(full.err.find("standard output") != std::string::npos);
  }
  if (::geteuid() != 0) {  // root may write anywhere
    ::mkdir((folder / "locked").c_str(), 0500);
    check_error(octet({"convert", model, "-o", folder / "locked/m.circle"}), 1,
                {"locked/m.circle", "denied"});
  }
  // An error half-way (the second sample does not fit) leaves nothing behind.
  ::mkdir((folder / "in").c_str(), 0700);
  write_floats(folder / "in/1.npy", {1, 4}, {1, 2, 3, 4});
  write_bytes(folder / "in/2.npy", test::read_bytes(folder / "in/1.npy").substr(0, 140));
  CHECK(octet({"run", model, "-i", folder / "in", "--output", folder / "out"}).code == 1);
  CHECK(::access((folder / "out/0_y.npy").c_str(), F_OK) != 0);
  for (const std::string& name : folder.names())
    CHECK_MESSAGE((name.find(".tflite.") == std::string::npos && name.find(".npy.") == std::string::npos),
                  name);
}

TEST_CASE("convert: there and back") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  REQUIRE(octet({"convert", model, "-o", folder / "m.circle", "--json"}).json()["format"] == "circle");
  CHECK(octet({"inspect", folder / "m.circle", "--json"}).json()["format"] == "circle");
  REQUIRE(octet({"convert", folder / "m.circle", "-o", folder / "back.tflite"}).code == 0);
  CHECK(test::read_bytes(folder / "back.tflite") == test::read_bytes(model));
}

TEST_CASE("bench: the keys scripts rely on") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  const Outcome o =
      octet({"bench", model, "--runs", "20", "--warmup", "2", "--threads", "1", "--profile", "--json"});
  REQUIRE_MESSAGE(o.code == 0, o.err);
  const auto j = o.json();
  for (const char* key :
       {"model", "load_us", "first_us", "latency_us", "arena_bytes", "peak_rss_bytes", "ops"})
    CHECK_MESSAGE(j.contains(key), key);
  for (const char* key : {"min", "median", "mean", "p90", "p99"})
    CHECK(j["latency_us"][key].get<double>() > 0);
  CHECK(j["runs"] == 20);
  CHECK(j["ops"].size() == 1);
  const Outcome vs = octet({"bench", model, model, "--vs", "--runs", "20", "--warmup", "2", "--json"});
  REQUIRE(vs.code == 0);
  CHECK(vs.json()["models"].size() == 2);
  CHECK(vs.json()["ratios"][0]["ci95"].size() == 2);
  check_error(octet({"bench", model, "--vs"}), 2, {"--vs"});
}

TEST_CASE("extract and implant: an exact round trip") {
  const TempFolder folder;
  const std::string model = test::save(test::dense_model(), folder / "m.tflite");
  std::vector<float> values(40 * 4);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 7) - 3;
  write_floats(folder / "d.npy", {40, 1, 4}, values);
  REQUIRE(octet({"quantize", model, "-o", folder / "q.tflite", "--data", folder / "d.npy"}).code == 0);
  const Outcome x = octet({"extract", folder / "q.tflite", "-o", folder / "x", "--json"});
  REQUIRE_MESSAGE(x.code == 0, x.err);
  for (const char* key : {"name", "dtype", "scale", "zero_point", "axis", "file"})
    CHECK(x.json()["tensors"][0].contains(key));
  const Outcome i = octet({"implant", folder / "q.tflite", folder / "x", "-o", folder / "i.tflite"});
  REQUIRE_MESSAGE(i.code == 0, i.err);
  CHECK(test::read_bytes(folder / "i.tflite") == test::read_bytes(folder / "q.tflite"));

  // A default result goes back into the float model that it was made of.
  const Outcome back = octet({"implant", model, folder / "x", "-o", folder / "back.tflite"});
  REQUIRE_MESSAGE(back.code == 0, back.err);
  CHECK(test::read_bytes(folder / "back.tflite") == test::read_bytes(folder / "q.tflite"));

  // Into the float model: weights and activations from the index, the bias computed.
  write_bytes(folder / "x/tensors.json",
              R"({"tensors": [{"name": "x", "dtype": "int8", "scale": 0.05, "zero_point": 0},
                              {"name": "w", "dtype": "int8", "scale": [0.01, 0.01, 0.01], "axis": 0},
                              {"name": "y", "dtype": "int8", "scale": 0.05, "zero_point": -128}]})");
  const Outcome f = octet({"implant", model, folder / "x", "-o", folder / "f.tflite", "--json"});
  REQUIRE_MESSAGE(f.code == 0, f.err);
  CHECK(f.json()["biases"] == 1);
  write_floats(folder / "one.npy", {1, 4}, {1, 2, 3, 4});
  REQUIRE(octet({"run", folder / "f.tflite", "-i", folder / "one.npy", "--dequantize", "-o", folder / "o"})
              .code == 0);
  const std::vector<float> y = test::read_floats(folder / "o/0_y.npy");
  REQUIRE(y.size() == 3);
  CHECK(y[0] == doctest::Approx(1.5).epsilon(0.05));
  CHECK(y[1] == doctest::Approx(2.0).epsilon(0.05));

  const auto refuse = [&](const std::string& tensor, const std::vector<std::string>& parts) {
    write_bytes(folder / "x/tensors.json", "{\"tensors\": [" + tensor + "]}");
    check_error(octet({"implant", model, folder / "x", "-o", folder / "bad.tflite"}), 1, parts);
  };
  refuse(R"({"name": "weights", "scale": 1})", {"'weights'", "no such tensor"});
  refuse(R"({"name": "w", "dtype": "int8", "scale": [1, 1], "axis": 0})",
         {"'w'", "2 scales along axis 0 of shape 3x4"});
  refuse(R"({"name": "w", "dtype": "int8", "scale": -1})", {"'w'", "scale"});
  refuse(R"({"name": "w", "dtype": "int8", "scale": 1, "zero_point": 300})", {"'w'", "zero point 300"});
  refuse(R"({"name": "y", "dtype": "int8", "scale": 1})", {"'x'", "has no scale"});
  refuse(R"({"name": "x", "file": "../d.npy"})", {"'x'", "no contents"});
  refuse(R"({"name": "w", "file": "absent.npy"})", {"'w'", "absent.npy"});
  refuse(R"({"name": "w"}], "operators": [{"inputs": 1}, 2)", {"operator 0", "kind"});
  refuse(R"({"name": "w"}], "channel_exponents": {"x": [300]}, "more": [1)", {"'x'", "127"});
  refuse(R"({"name": "w", "file": "../d.npy"})", {"'w'", "40x1x4", "3x4"});
  refuse("nonsense", {"tensors.json"});
}

}  // namespace
}  // namespace octet
