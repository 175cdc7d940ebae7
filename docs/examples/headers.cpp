// The programs around the lines that the public headers start with: run on net.tflite of the current folder,
// which takes 32x32 grey pictures.
#include <cstdint>
#include <iostream>
#include <span>
#include <vector>

#include "octet/octet.hpp"

namespace {

// A few pictures, each with another stripe.
const std::vector<std::vector<octet::ConstTensorView>>& pictures() {
  static std::vector<std::vector<float>> memory(24, std::vector<float>(32 * 32));
  static std::vector<std::vector<octet::ConstTensorView>> views;
  for (size_t i = 0; views.size() < memory.size(); ++i) {
    for (size_t k = 0; k < 32; ++k)
      memory[i][(i + 4) * 32 + k] = 1;
    views.push_back({{memory[i].data(), octet::DType::float32, {1, 32, 32, 1}, {}}});
  }
  return views;
}

// clang-format off
int show_status() {
const auto use = [](const octet::Model& m) { std::cout << m.parameters() << '\n'; };
// octet/status.hpp
auto model = octet::Model::load("net.tflite");
if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
use(*model);
// end
return 0;
}
int show_tensor() {
// octet/tensor.hpp
std::vector<float> pixels(1 * 224 * 224 * 3);
octet::ConstTensorView image{pixels.data(), octet::DType::float32, {1, 224, 224, 3}, {}};
// end
std::cout << image.shape.to_string() << '\n';
return 0;
}
int show_model() {
// octet/model.hpp
auto model = octet::Model::load("net.tflite");
if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
for (const octet::TensorInfo& t : model->inputs())
  std::cout << t.name << ": " << octet::name_of(t.dtype) << ' ' << t.shape.to_string() << '\n';
// end
return 0;
}
int show_executor() {
auto model = octet::Model::load("net.tflite");
if (!model.ok()) return 1;
const float* pixels = pictures()[0][0].as<float>();
// octet/executor.hpp
auto exec = octet::Executor::create(*model, {.threads = 4});
if (!exec.ok()) { std::cerr << exec.status().message() << '\n'; return 1; }
std::vector<octet::ConstTensorView> in = {{pixels, octet::DType::float32, {1, 32, 32, 1}, {}}};
if (octet::Status s = exec->run(in); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
const float* scores = exec->output(0).as<float>();
// end
std::cout << scores[0] << '\n';
return 0;
}
int show_octet() {
const float* pixels = pictures()[0][0].as<float>();
// octet/octet.hpp
auto model = octet::Model::load("net.tflite");
if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
auto exec = octet::Executor::create(*model, {.threads = 4});
if (!exec.ok()) { std::cerr << exec.status().message() << '\n'; return 1; }
std::vector<octet::ConstTensorView> in = {{pixels, octet::DType::float32, {1, 32, 32, 1}, {}}};
if (octet::Status s = exec->run(in); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
octet::ConstTensorView scores = exec->output(0);
// end
std::cout << scores.shape.to_string() << '\n';
return 0;
}
int show_convert() {
auto model = octet::Model::load("net.tflite");
if (!model.ok()) return 1;
auto exec = octet::Executor::create(*model);
if (!exec.ok() || !exec->run(pictures()[0]).ok()) return 1;
int8_t memory[4];
const std::vector<float> reals = {-1, 0, 0.5F, 1};
// octet/convert.hpp
std::vector<float> scores = octet::real_values(exec->output(0));
octet::TensorView in{memory, octet::DType::int8, {4}, octet::Quantization::per_tensor({0.1F, 0})};
octet::Status s = octet::convert_elements(std::as_bytes(std::span(reals)), octet::DType::float32, in);
// end
if (!s.ok() || memory[3] != 10) return 1;
std::cout << scores.size() << '\n';
return 0;
}
int show_recipe() {
// octet/recipe.hpp
octet::Recipe recipe = octet::Recipe::int8();
recipe.min_sqnr_db = 30;
recipe.keep_float = {"SOFTMAX"};
// end
if (!recipe.check().ok()) return 1;
return 0;
}
int show_samples() {
const float* pixels = pictures()[0][0].as<float>();
// octet/samples.hpp
std::vector<octet::ConstTensorView> one = {{pixels, octet::DType::float32, {1, 32, 32, 1}, {}}};
octet::MemorySamples samples({one, one});
// end
if (samples.size() != 2) return 1;
return 0;
}
int show_compare() {
auto model = octet::Model::load("net.tflite");
if (!model.ok()) return 1;
const auto& other = model;
octet::MemorySamples held_out(pictures());
// octet/compare.hpp
auto quality = octet::compare(*model, *other, held_out, {.layers = true});
if (!quality.ok()) { std::cerr << quality.status().message() << '\n'; return 1; }
std::cout << quality->sqnr_db << " dB\n";
// end
return 0;
}
int show_quantize() {
auto model = octet::Model::load("net.tflite");
if (!model.ok()) return 1;
const auto recorded = pictures();
// octet/quantize.hpp
octet::Quantizer q(*model, octet::Recipe::int8());
for (const auto& sample : recorded)
  if (octet::Status s = q.calibrate(sample); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
auto result = q.finish();
if (!result.ok()) { std::cerr << result.status().message() << '\n'; return 1; }
std::cout << result->report.error->sqnr_db << " dB on samples that were not given\n";
if (!result->model.save("small.tflite").ok()) return 1;
if (!result->assignment.save("small.json").ok()) return 1;  // apply() makes the same model of it
// end
return 0;
}
// clang-format on

}  // namespace

int main() {
  for (const auto show : {show_status, show_tensor, show_model, show_executor, show_octet, show_convert,
                          show_recipe, show_samples, show_compare, show_quantize})
    if (show() != 0) return 1;
  return 0;
}
