#include "tests/reference/pytorch_data.hpp"

#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numbers>

#include "tests/cli/cli_support.hpp"

namespace octet::test {
namespace {

uint64_t fnv1a(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325;
  for (char c : text)
    h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return h;
}

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double normal() {
    const double u0 = uniform(), u1 = uniform();
    return std::sqrt(-2 * std::log(1 - u0)) * std::cos(2 * std::numbers::pi * u1);
  }

 private:
  uint64_t state_;
};

// JSON as Python writes it: with numbers that JSON does not have.
nlohmann::json read_python_json(const std::string& path) {
  std::string text = read_bytes(path);
  for (const std::string word : {"-Infinity", "Infinity", "NaN"})
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos;)
      text.replace(at, word.size(), "null");
  return nlohmann::json::parse(text);
}

}  // namespace

std::vector<float> draw(const std::string& label, int64_t count, std::string_view distribution) {
  std::string kind(distribution);
  double a = 0, b = 1;
  if (kind.starts_with("('")) {
    const size_t quote = kind.find('\'', 2);
    REQUIRE_MESSAGE(quote != std::string::npos, kind);
    char* end = nullptr;
    a = std::strtod(kind.c_str() + quote + 2, &end);
    b = std::strtod(end + 1, nullptr);
    kind = kind.substr(2, quote - 2);
  }
  SplitMix64 random(fnv1a(label));
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    double v = 0;
    if (kind == "n") {
      v = a + b * random.normal();
    } else if (kind == "u") {
      v = a + (b - a) * random.uniform();
    } else if (kind == "su") {
      v = a + (b - a) * random.uniform();
      if (random.uniform() < 0.5) v = -v;
    } else {
      REQUIRE_MESSAGE(kind == "b", distribution);
      v = static_cast<double>(random.bits() >> 63);
    }
    values.push_back(static_cast<float>(v));
  }
  return values;
}

std::vector<SampleStack> evaluation_samples(const std::string& folder, int64_t count) {
  const auto meta = read_python_json(folder + "/meta.json");
  if (meta.at("kind") == "net") return {};
  std::vector<SampleStack> stacks;
  const auto& inputs = meta.at("inputs");
  for (size_t i = 0; i < inputs.size(); ++i) {
    SampleStack s;
    const auto shape = inputs[i].at("shape").get<std::vector<int64_t>>();
    const bool channels_last = inputs[i].at("layout").get<std::string>().starts_with("NHWC");
    s.is_bool = inputs[i].at("dtype") == "BOOL";
    s.dims = {count};
    s.dims.insert(s.dims.end(), shape.begin(), shape.end());
    int64_t size = 1;
    for (int64_t d : shape)
      size *= d;
    const auto& dists = meta.at("input_dists");
    const std::string dist = dists.is_array() ? dists[i].at("dist").get<std::string>() : "n";
    const std::string name = meta.at("name");
    for (int64_t k = 0; k < count; ++k) {
      // Drawn with the channels in front.
      const std::vector<float> drawn = draw(fmt::format("{}/eval/{}/{}", name, k, i), size, dist);
      if (!channels_last) {
        s.values.insert(s.values.end(), drawn.begin(), drawn.end());
        continue;
      }
      REQUIRE(shape.size() == 4);
      const int64_t pixels = shape[1] * shape[2], channels = shape[3];
      for (int64_t n = 0; n < shape[0]; ++n)
        for (int64_t p = 0; p < pixels; ++p)
          for (int64_t c = 0; c < channels; ++c)
            s.values.push_back(drawn[static_cast<size_t>((n * channels + c) * pixels + p)]);
    }
    stacks.push_back(std::move(s));
  }
  return stacks;
}

}  // namespace octet::test
