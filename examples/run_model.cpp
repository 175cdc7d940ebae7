// run_model MODEL: runs a model once on zeros and prints what comes out. Two executors share one plan and its
// packed weights; the second one reads and writes the program's own buffers without a copy.
#include <cstdio>
#include <vector>

#include "octet/octet.hpp"
#include "octet/try.hpp"

namespace {

void print(const octet::TensorInfo& t, const octet::ConstTensorView& view) {
  std::printf("%s: %s", t.name.c_str(), view.shape.to_string().c_str());
  if (view.elements() > 0 && view.dtype == octet::DType::float32)
    std::printf(", the first is %g", static_cast<double>(view.as<float>()[0]));
  if (view.elements() > 0 && view.dtype == octet::DType::int8 && view.quant)
    std::printf(", the first is %g",
                static_cast<double>(view.quant.scale()) * (view.as<int8_t>()[0] - view.quant.zero_point()));
  std::printf("\n");
}

// Memory for a tensor, with the 64 bytes behind it that kernels may read.
std::vector<std::byte> memory_for(const octet::TensorInfo& t) {
  return std::vector<std::byte>(static_cast<size_t>(octet::byte_size(t.dtype, t.shape)) + 64);
}

octet::Status run(const char* path) {
  OCTET_ASSIGN(const octet::Model model, octet::Model::load(path));
  OCTET_ASSIGN(const octet::Plan plan, octet::Plan::create(model, {.threads = 2}));

  // Views of memory that run() copies.
  OCTET_ASSIGN(octet::Executor copying, octet::Executor::create(plan));
  std::vector<std::vector<std::byte>> memory;
  std::vector<octet::ConstTensorView> inputs;
  for (const octet::TensorInfo& t : plan.inputs()) {
    memory.push_back(memory_for(t));
    inputs.push_back({memory.back().data(), t.dtype, t.shape, t.quant});
  }
  OCTET_TRY(copying.run(inputs));
  for (size_t i = 0; i < plan.outputs().size(); ++i)
    print(plan.outputs()[i], copying.output(i));

  // The same buffers, bound.
  OCTET_ASSIGN(octet::Executor bound, octet::Executor::create(plan));
  for (size_t i = 0; i < inputs.size(); ++i)
    OCTET_TRY(bound.bind_input(i, inputs[i], memory[i].size()).status());
  return bound.run();
}

}  // namespace

int main(int argc, char** argv) {
  const octet::Status status = argc == 2 ? run(argv[1]) : octet::Status::invalid("usage: run_model MODEL");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
