// The program around README.md's lines: runs net.int8.tflite of the current folder, which is a float one
// here, on zeros, and quantizes it.
#include <cstddef>
#include <iostream>
#include <vector>

#include "octet/octet.hpp"

namespace {

// Zeros for every input of the network.
std::vector<std::vector<std::byte>> memory;
std::vector<octet::ConstTensorView> zeros() {
  const auto model = octet::Model::load("net.int8.tflite");
  std::vector<octet::ConstTensorView> views;
  if (!model.ok()) return views;
  for (const octet::TensorInfo& t : model->inputs()) {
    memory.emplace_back(static_cast<size_t>(octet::byte_size(t.dtype, t.stored_shape)));
    views.push_back({memory.back().data(), t.dtype, t.stored_shape, t.quant});
  }
  return views;
}

}  // namespace

int main() {
  const std::vector<octet::ConstTensorView> inputs = zeros();
  // clang-format off
// README.md
auto model = octet::Model::load("net.int8.tflite");
if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
auto exec = octet::Executor::create(*model, {.threads = 2});
if (!exec.ok()) { std::cerr << exec.status().message() << '\n'; return 1; }
if (octet::Status s = exec->run(inputs); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
octet::ConstTensorView scores = exec->output(0);   // inputs: one ConstTensorView per input
// end
  const std::vector<std::vector<octet::ConstTensorView>> recorded(8, inputs);
// README.md
octet::Quantizer quantizer(*model, octet::Recipe::int8());
for (const auto& sample : recorded)
  if (octet::Status s = quantizer.calibrate(sample); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
auto result = quantizer.finish();   // Model + QuantizeReport + Assignment
if (!result.ok()) { std::cerr << result.status().message() << '\n'; return 1; }
std::cout << result->report.error->sqnr_db << " dB on samples that were not given\n";
// end
  // clang-format on
  std::cout << scores.shape.to_string() << '\n';
  return scores.data == nullptr ? 1 : 0;
}
