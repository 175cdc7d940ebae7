// The program around README.md's lines: runs net.int8.tflite of the current folder on zeros.
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
  // clang-format on
  std::cout << scores.shape.to_string() << '\n';
  return scores.data == nullptr ? 1 : 0;
}
