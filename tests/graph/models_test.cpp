// Real graphs of fusions, batch norms unfolded: the form after fusion, and the golden outputs.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>

#include "quant/passes/equalize.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/graph/rule_case.hpp"
#include "tests/support/interpreter.hpp"

namespace octet::test {
namespace {

namespace fs = std::filesystem;

// Operators after fusion. What other tools fold wrongly (a batch norm before a padded convolution) stays.
const std::map<std::string, std::string> kForms = {
    {"fuse-add-clamp", "ADD"},
    {"fuse-add-relu", "ADD"},
    {"fuse-add-relu6", "ADD"},
    {"fuse-bn2d-clamp", "MUL ADD"},
    {"fuse-bn2d-conv2d", "MUL ADD CONV_2D"},
    {"fuse-bn2d-conv2d-nopad", "CONV_2D"},
    {"fuse-bn2d-conv2d-relu", "CONV_2D"},
    {"fuse-bn2d-relu", "MUL ADD"},
    {"fuse-bn2d-relu6", "MUL ADD"},
    {"fuse-bn3d-relu", "MUL ADD"},
    {"fuse-bn3d-relu6", "MUL ADD"},
    {"fuse-conv1d-bn", "RESHAPE TRANSPOSE CONV_2D TRANSPOSE RESHAPE"},
    {"fuse-conv1d-bn-relu", "RESHAPE TRANSPOSE CONV_2D TRANSPOSE RESHAPE"},
    {"fuse-conv1d-bn-relu6", "RESHAPE TRANSPOSE CONV_2D TRANSPOSE RESHAPE"},
    {"fuse-conv1d-relu", "RESHAPE TRANSPOSE CONV_2D TRANSPOSE RESHAPE"},
    {"fuse-conv1d-relu6", "RESHAPE TRANSPOSE CONV_2D TRANSPOSE RESHAPE"},
    {"fuse-conv2d-bn", "CONV_2D"},
    {"fuse-conv2d-bn-clamp", "CONV_2D"},
    {"fuse-conv2d-bn-relu", "CONV_2D"},
    {"fuse-conv2d-bn-relu6", "CONV_2D"},
    {"fuse-conv2d-clamp", "CONV_2D"},
    {"fuse-conv2d-clamp-general", "CONV_2D"},
    {"fuse-conv2d-relu", "CONV_2D"},
    {"fuse-conv2d-relu6", "CONV_2D"},
    {"fuse-conv3d-bn", "TRANSPOSE CONV_3D TRANSPOSE"},
    {"fuse-conv3d-bn-relu", "TRANSPOSE CONV_3D TRANSPOSE"},
    {"fuse-conv3d-bn-relu6", "TRANSPOSE CONV_3D TRANSPOSE"},
    {"fuse-conv3d-relu", "TRANSPOSE CONV_3D TRANSPOSE"},
    {"fuse-conv3d-relu6", "TRANSPOSE CONV_3D TRANSPOSE"},
    {"fuse-convt1d-bn", "RESHAPE TRANSPOSE TRANSPOSE_CONV TRANSPOSE RESHAPE"},
    {"fuse-convt2d-bn", "TRANSPOSE_CONV"},
    {"fuse-convt2d-bn-clamp", "TRANSPOSE_CONV"},
    {"fuse-convt2d-bn-relu", "TRANSPOSE_CONV"},
    {"fuse-convt2d-bn-relu6", "TRANSPOSE_CONV"},
    {"fuse-convt2d-clamp", "TRANSPOSE_CONV"},
    {"fuse-convt2d-relu", "TRANSPOSE_CONV"},
    {"fuse-convt2d-relu6", "TRANSPOSE_CONV"},
    {"fuse-convt3d-bn", "TRANSPOSE CONV_3D_TRANSPOSE TRANSPOSE"},
    {"fuse-linear-bn1d", "FULLY_CONNECTED"},
    {"fuse-linear-bn1d-clamp", "FULLY_CONNECTED"},
    {"fuse-linear-bn1d-relu", "FULLY_CONNECTED"},
    {"fuse-linear-bn1d-relu6", "FULLY_CONNECTED"},
    {"fuse-linear-clamp", "FULLY_CONNECTED"},
    {"fuse-linear-relu", "FULLY_CONNECTED"},
    {"fuse-linear-relu6", "FULLY_CONNECTED"},
    {"fuse-x-conv-bn-bn", "CONV_2D"},
    {"fuse-x-conv-bn-deadchan", "CONV_2D"},
    {"fuse-x-conv-bn-elu", "CONV_2D ELU"},
    {"fuse-x-conv-bn-gelu", "CONV_2D GELU"},
    {"fuse-x-conv-bn-gelu-tanh", "CONV_2D GELU"},
    {"fuse-x-conv-bn-hswish", "CONV_2D HARD_SWISH"},
    {"fuse-x-conv-bn-imbalanced", "CONV_2D DEPTHWISE_CONV_2D CONV_2D"},
    {"fuse-x-conv-bn-leaky", "CONV_2D LEAKY_RELU"},
    {"fuse-x-conv-bn-silu", "CONV_2D LOGISTIC MUL"},
    {"fuse-x-conv-nobias-bn", "CONV_2D"},
    {"fuse-x-convt-dw-bn",
     "SPLIT TRANSPOSE_CONV TRANSPOSE_CONV TRANSPOSE_CONV TRANSPOSE_CONV TRANSPOSE_CONV TRANSPOSE_CONV "
     "TRANSPOSE_CONV TRANSPOSE_CONV CONCATENATION"},
    {"fuse-x-dwconv-bn-relu6", "DEPTHWISE_CONV_2D"},
    {"fuse-x-nofold-preact", "MUL ADD CONV_2D"},
    {"fuse-x-nofold-relu-bn", "CONV_2D MUL ADD"},
    {"fuse-x-nofold-two-uses", "CONV_2D MUL ADD ADD"},
};

// The data of a .npy file of version 1.0, without looking at its header: the caller knows type and shape.
std::vector<std::byte> npy(const fs::path& path) {
  std::ifstream f(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(f)), std::istreambuf_iterator<char>());
  REQUIRE(all.size() > 10);
  const size_t header = 10 + static_cast<unsigned char>(all[8]) + 256 * static_cast<unsigned char>(all[9]);
  std::vector<std::byte> data(all.size() - header);
  std::memcpy(data.data(), all.data() + header, data.size());
  return data;
}

// The greatest error of the golden samples, relative to the greatest output.
double golden_error(const Graph& g, const fs::path& folder, size_t most_samples) {
  std::vector<std::vector<std::byte>> in, out;
  for (size_t i = 0; i < g.inputs.size(); ++i)
    in.push_back(npy(folder / fmt::format("input_{}.npy", i)));
  for (size_t i = 0; i < g.outputs.size(); ++i)
    out.push_back(npy(folder / fmt::format("output_{}.npy", i)));
  const auto size = static_cast<size_t>(g.value(g.inputs[0]).view().bytes());
  double worst = 0, peak = 1e-6;
  for (size_t k = 0; k < std::min(most_samples, in[0].size() / size); ++k) {
    std::vector<Constant> sample;
    for (size_t i = 0; i < in.size(); ++i) {
      const auto bytes = static_cast<size_t>(g.value(g.inputs[i]).view().bytes());
      sample.push_back(Constant::copy_of(std::span<const std::byte>(in[i]).subspan(k * bytes, bytes)));
    }
    const auto values = interpret(g, sample);
    REQUIRE_MESSAGE(values.ok(), values.status().message());
    for (size_t i = 0; i < out.size(); ++i) {
      const auto got = (*values)[static_cast<size_t>(g.outputs[i])].constant.as<float>();
      REQUIRE((k + 1) * got.size_bytes() <= out[i].size());
      for (size_t e = 0; e < got.size(); ++e) {
        float want = 0;
        std::memcpy(&want, out[i].data() + k * got.size_bytes() + e * sizeof(float), sizeof(float));
        const double d = std::abs(static_cast<double>(got[e]) - static_cast<double>(want));
        worst = std::max(worst, std::isnan(d) ? HUGE_VAL : d);
        peak = std::max(peak, std::abs(static_cast<double>(want)));
      }
    }
  }
  return worst / peak;
}

const char* models() {
  return std::getenv("OCTET_MODELS");
}

}  // namespace

TEST_CASE("models of fusions take the expected form and keep their outputs") {
  if (models() == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  const fs::path nets = fs::path(models()) / "pytorch" / "nets";
  for (const auto& [name, form] : kForms) {
    INFO(name);
    const auto model = read_model((nets / name / "model.tflite").string());
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    Graph g = (*model)->main();
    const auto report = fuse(g);
    REQUIRE_MESSAGE(report.ok(), report.status().message());
    CHECK(kinds_of(g) == form);
    CHECK(golden_error(g, nets / name, 4) <= 1e-5);
    FusionReport equalized;
    REQUIRE(equalize(g, equalized).ok());
    CHECK(golden_error(g, nets / name, 4) <= 1e-5);
  }
}

TEST_CASE("whole networks keep their outputs through fusion, equalization and lowering") {
  if (models() == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  const fs::path nets = fs::path(models()) / "pytorch" / "nets";
  for (const char* name : {"net-conv1d-kws", "net-conv3d-video", "net-dscnn-kws", "net-mbv3-se-hswish",
                           "net-pixelshuffle-sr", "net-resnet-tiny", "net-unet-tiny"}) {
    INFO(name);
    const auto model = read_model((nets / name / "model.tflite").string());
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    Graph g = (*model)->main();
    FusionReport report;
    for (int step = 0; step < 3; ++step) {
      if (step == 0) REQUIRE(fuse(g).ok());
      if (step == 1) REQUIRE(equalize(g, report).ok());
      if (step == 2) REQUIRE(lower(g).ok());
      INFO(step);
      CHECK(golden_error(g, nets / name, 1) <= 1e-5);
    }
  }
}

}  // namespace octet::test
