// A model that can be read is planned and run: whatever its attributes, shapes and constants say, kernels and
// executor must refuse it or stay inside of their memory.
#include <cstdlib>

#include "runtime/executor.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace octet;

namespace {

// Larger models than these are sound but slow; time is not what is tested.
constexpr int64_t kMaxInput = 1 << 16, kMaxArena = 4 << 20;

void run(const ModelData& model, Backend backend) {
  static const auto pool = std::make_shared<ThreadPool>(1);
  GraphExecutorOptions options;
  options.backend = backend;
  options.pool = pool;
  const auto executor = GraphExecutor::create(model, options);
  if (!executor.ok()) {
    if (executor.status().message().find('\n') != std::string::npos) std::abort();
    return;
  }
  if ((*executor)->plan().arena_bytes > kMaxArena) return;
  std::vector<std::vector<std::byte>> storage;
  std::vector<ConstTensorView> inputs;
  for (size_t i = 0; i < (*executor)->input_count(); ++i) {
    ConstTensorView view = (*executor)->input_info(i);
    if (bits_of(view.dtype) == 0 || view.bytes() > kMaxInput) return;
    storage.emplace_back(static_cast<size_t>(view.bytes()) + 64);
    view.data = storage.back().data();
    inputs.push_back(view);
  }
  for (int repeat = 0; repeat < 2; ++repeat) {
    if (!(*executor)->run(inputs).ok()) return;
    uint64_t sum = 0;
    for (size_t i = 0; i < (*executor)->output_count(); ++i) {
      const ConstTensorView out = (*executor)->output(i);
      if (bits_of(out.dtype) == 0) continue;
      for (int64_t b = 0; b < out.bytes(); ++b)
        sum += static_cast<const uint8_t*>(out.data)[b];
    }
    volatile uint64_t keep = sum;
    (void)keep;
  }
}

}  // namespace

int octet::test::fuzz_run(const uint8_t* data, size_t size) {
  const auto owner = std::make_shared<const std::vector<std::byte>>(
      reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + size);
  const auto model = read_model(owner, *owner, "fuzz");
  if (!model.ok()) return 0;
  run(**model, Backend::reference);
  run(**model, Backend::xnnpack);
  return 0;
}

#ifdef OCTET_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return test::fuzz_run(data, size);
}
#endif
