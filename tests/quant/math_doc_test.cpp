// Recomputes the worked examples of quant/MATH.md with the code that ships.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <sstream>

#include "kernels/linear/linear.hpp"
#include "kernels/quant_math.hpp"
#include "quant/assign/scales.hpp"
#include "quant/measure/compare.hpp"
#include "quant/measure/expected_sqnr.hpp"
#include "quant/measure/sensitivity.hpp"
#include "quant/passes/balance.hpp"
#include "quant/weights/weight_rounding.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

using Fields = std::map<std::string, std::string>;

double number(const Fields& f, const std::string& key) {
  REQUIRE(f.contains(key));
  return std::strtod(f.at(key).c_str(), nullptr);
}

std::vector<float> list(const Fields& f, const std::string& key) {
  std::vector<float> v;
  std::stringstream s(f.at(key));
  for (std::string item; std::getline(s, item, ',');)
    v.push_back(std::strtof(item.c_str(), nullptr));
  return v;
}

Affine affine(const Fields& f) {
  return {static_cast<float>(number(f, "scale")), static_cast<int64_t>(number(f, "zero_point"))};
}

Fields q3(const Fields& f) {
  std::string note;
  const Affine a =
      activation_affine({static_cast<float>(number(f, "lo")), static_cast<float>(number(f, "hi"))}, note);
  return {{"scale", std::to_string(static_cast<double>(a.scale) * 1e9) + "e-9"},
          {"zero_point", std::to_string(a.zero_point)}};
}

Fields q5(const Fields& f) {
  const auto w = list(f, "weights");
  const Shape shape{static_cast<int32_t>(w.size())};
  const float plain = *std::max_element(w.begin(), w.end()) / 127;
  const float best = weight_scales(w, shape, -1).scale[0];
  auto error = [&](float s) {
    double sum = 0;
    for (float x : w)
      sum += std::pow(static_cast<double>(x - s * std::clamp(std::nearbyint(x / s), -127.0f, 127.0f)), 2);
    return sum;
  };
  if (f.contains("worse_than_plain")) return {{"ok", error(best) <= error(plain) ? "1" : "0"}};
  const float scale = number(f, "candidates") == 0 ? plain : best;
  return {{"scale", std::to_string(static_cast<double>(scale) * 1e9) + "e-9"}};
}

Fields q6(const Fields& f) {
  const float x = static_cast<float>(number(f, "x_scale")), w = static_cast<float>(number(f, "w_scale"));
  const double bias = number(f, "bias");
  const Affine a{x * w, 0};
  return {{"bias_scale", std::to_string(static_cast<double>(a.scale) * 1e12) + "e-12"},
          {"q", std::to_string(quantize<int32_t>(bias, a))},
          {"least_w_scale", std::to_string(bias / static_cast<double>(x) / kMostBias * 1e12) + "e-12"}};
}

Fields q8(const Fields& f) {
  const Affine x{static_cast<float>(number(f, "x_scale")), static_cast<int64_t>(number(f, "x_zero"))};
  const Affine y{static_cast<float>(number(f, "y_scale")), static_cast<int64_t>(number(f, "y_zero"))};
  return {{"q", std::to_string(quantize<int8_t>(dequantize(static_cast<int8_t>(number(f, "q")), x), y))}};
}

Fields q9(const Fields& f) {
  const std::map<std::string, Activation::Kind> kinds = {{"relu", Activation::Kind::relu},
                                                         {"relu6", Activation::Kind::relu6},
                                                         {"relu_n1_to_1", Activation::Kind::relu_n1_to_1}};
  const QuantBounds b = bounds_of(kinds.at(f.at("activation")), DType::int8, affine(f));
  return {{"lo", std::to_string(b.lo)}, {"hi", std::to_string(b.hi)}};
}

Fields q10(const Fields& f) {
  const auto a = list(f, "a"), b = list(f, "b");
  double aa = 0, dd = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    dd += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  }
  return {{"db", std::to_string(dd == 0 ? kExactDb : 10 * std::log10(aa / dd))}};
}

// One window of as many terms as there are weights, for one output.
linear::Geometry dot_product(size_t terms) {
  linear::Geometry g;
  g.in_channels = static_cast<int64_t>(terms);
  g.w_in = 1;
  return g;
}

Fields q17(const Fields& f) {
  const auto w = list(f, "weights");
  const auto block = static_cast<int32_t>(number(f, "block"));
  const Quantization q =
      block > 0 ? int4_blocks(w, block) : int4_quantization(w, Shape{static_cast<int32_t>(w.size())}, -1);
  return {{"scale", std::to_string(static_cast<double>(q.scale()) * 1e9) + "e-9"}};
}

Fields q13(const Fields& f) {
  const auto w = list(f, "weights"), h = list(f, "moments");
  const auto n = static_cast<int64_t>(w.size());
  WindowMoments m(dot_product(w.size()), std::nullopt, n);
  m.sampled = 1;
  for (size_t i = 0; i < h.size(); ++i)
    m.products[i] = static_cast<double>(h[i]);
  ThreadPool pool(1);
  const auto scale = static_cast<float>(number(f, "scale"));
  double sum = 0;
  for (int8_t q : compensated_rounding(w, {Quantization::per_tensor({scale, 0}), Shape{}}, m, false, pool))
    sum += q;
  return {{"sum", std::to_string(sum)}};
}

Fields q14(const Fields& f) {
  const auto w = list(f, "weights");
  const auto means = [&](const std::string& key) {
    WindowMeans m(dot_product(w.size()));
    ThreadPool pool(1);
    m.add(list(f, key), pool);
    return m;
  };
  std::vector<int8_t> q;
  for (float v : list(f, "integers"))
    q.push_back(static_cast<int8_t>(v));
  const double scale = number(f, "scale");
  return {{"lack", std::to_string(mean_outputs(w, means("means"))[0] -
                                  mean_outputs(q, {&scale, 1}, means("held"))[0])}};
}

Fields scale_of(const TensorRule& rule, const Fields& f) {
  std::string note;
  const Affine a = int16_affine(rule, {0, static_cast<float>(number(f, "reach"))}, note);
  return {{"scale", std::to_string(static_cast<double>(a.scale) * 1e12) + "e-12"}};
}

Fields q18(const Fields& f) {
  const double scale = number(f, "x_scale") * number(f, "weight_scale") / number(f, "y_scale");
  int16_t q = 0;
  linear::Int16Finish{nullptr, nullptr, &scale, 0, {INT16_MIN, INT16_MAX}, &q}(
      0, 0, 0, static_cast<int64_t>(number(f, "acc")));
  return {{"q", std::to_string(q)}};
}

// Two channels between two 1x1 convolutions, each with values all over [0, range]; the second one's exponent.
Fields q19(const Fields& f) {
  GraphBuilder b;
  const ValueId y =
      b.conv_2d(b.input("x", {1, 4, 4, 2}), {.out = 2, .filter = 1, .act = Activation::Kind::relu});
  b.output(b.conv_2d(y, {.out = 1, .filter = 1}));
  Graph g = b.build();
  g.value(g.nodes[1].inputs[1]).constant = Constant::of(list(f, "weights"));
  std::vector<ChannelStats> stats;
  for (float range : list(f, "ranges")) {
    stats.emplace_back();
    for (int i = 0; i <= 100; ++i)
      stats.back().add(range * static_cast<float>(i) / 100);
  }
  FusionReport report;
  const ChannelExponents e = balance_channels(g, {{y, stats}}, report);
  return {{"exponent", std::to_string(e.empty() ? 0 : e.begin()->second[1])}};
}

// Activations of equal work; the noise of those that are taken.
Fields q20(const Fields& f) {
  std::vector<NoisyActivation> ranked;
  for (float noise : list(f, "noise"))
    ranked.push_back({"", static_cast<double>(noise), 1, {}});
  double sum = 0;
  for (const NoisyActivation& n : take(ranked, number(f, "now"), number(f, "target")))
    sum += n.noise;
  return {{"taken", std::to_string(sum)}};
}

// Samples of two classes.
Fields q21(const Fields& f) {
  const std::vector<float> scores = list(f, "scores"), errors = list(f, "errors");
  ScoreEvidence e;
  e.result.classes = 2;
  e.result.scores.assign(scores.begin(), scores.end());
  e.result.errors.assign(errors.begin(), errors.end());
  return {{"db", std::to_string(expected_sqnr(e).db)}};
}

const std::map<std::string, std::function<Fields(const Fields&)>> kEquations = {
    {"Q1",
     [](const Fields& f) {
       return Fields{{"real", std::to_string(dequantize(static_cast<int8_t>(number(f, "q")), affine(f)))}};
     }},
    {"Q2",
     [](const Fields& f) {
       return Fields{{"q", std::to_string(quantize<int8_t>(number(f, "real"), affine(f)))}};
     }},
    {"Q3", q3},
    {"Q5", q5},
    {"Q6", q6},
    {"Q7",
     [](const Fields& f) {
       return Fields{
           {"q", std::to_string(requantize(
                     static_cast<int32_t>(number(f, "acc")), static_cast<float>(number(f, "multiplier")),
                     static_cast<int32_t>(number(f, "zero_point")), static_cast<int32_t>(number(f, "lo")),
                     static_cast<int32_t>(number(f, "hi"))))}};
     }},
    {"Q8", q8},
    {"Q9", q9},
    {"Q10", q10},
    {"Q11",
     [](const Fields& f) {
       TensorRule rule = symmetric16();
       rule.levels = static_cast<int>(number(f, "levels"));
       return scale_of(rule, f);
     }},
    {"Q12", [](const Fields& f) { return scale_of(power_of_two16(), f); }},
    {"Q13", q13},
    {"Q17", q17},
    {"Q14", q14},
    {"Q18", q18},
    {"Q19", q19},
    {"Q20", q20},
    {"Q21", q21},
};

Fields parse(const std::string& text) {
  Fields f;
  std::stringstream s(text);
  for (std::string item; s >> item;) {
    const size_t eq = item.find('=');
    REQUIRE(eq != std::string::npos);
    f[item.substr(0, eq)] = item.substr(eq + 1);
  }
  return f;
}

}  // namespace

TEST_CASE("the worked examples of MATH.md are what the code computes") {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  std::ifstream file(std::string(root) + "/quant/MATH.md");
  REQUIRE(file.good());
  const std::regex example("^(Q[0-9]+): (.*) -> (.*)$");
  std::map<std::string, int> checked;
  for (std::string line; std::getline(file, line);) {
    std::smatch m;
    if (!std::regex_match(line, m, example)) continue;
    CAPTURE(line);
    REQUIRE(kEquations.contains(m[1]));
    const Fields in = parse(m[2]), want = parse(m[3]);
    const Fields have = kEquations.at(m[1])(in);
    for (const auto& [key, value] : want) {
      CAPTURE(key);
      CHECK(number(have, key) == doctest::Approx(number(want, key)).epsilon(2e-6));
    }
    ++checked[m[1]];
  }
  for (const auto& [name, compute] : kEquations) {
    CAPTURE(name);
    CHECK(checked[name] > 0);
  }
}
