// Every allocation of loading, planning, running and quantizing fails once: the error comes out as an error,
// nothing is broken, and what is tried again works.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "octet/octet.h"
#include "octet/octet.hpp"
#include "schema/flatbuffer/format.hpp"
#include "tests/support/tiny_models.hpp"

namespace {

// Allocations until one fails; negative: none does.
int64_t countdown = -1;
bool failed = false;

bool fails_now() {
  if (countdown < 0 || countdown-- > 0) return false;
  failed = true;
  return true;
}

void* allocate(size_t size, size_t alignment) {
  if (fails_now()) return nullptr;
  const size_t whole = (size + alignment - 1) / alignment * alignment;
  return alignment <= alignof(std::max_align_t)
             ? std::malloc(size == 0 ? 1 : size)
             : std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
}

void* allocate_or_throw(size_t size, size_t alignment = alignof(std::max_align_t)) {
  void* p = allocate(size, alignment);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

// What operator new gave comes from malloc here, but compilers that inline both sides don't believe it.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(size_t size) {
  return allocate_or_throw(size);
}
void* operator new[](size_t size) {
  return allocate_or_throw(size);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, alignof(std::max_align_t));
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, alignof(std::max_align_t));
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace {

using Bytes = std::vector<std::byte>;

// Inputs are zeros. The outputs of a run, one after the other.
int run_model(const Bytes& file, Bytes& outputs, char* error, size_t error_size) {
  octet_model* model = nullptr;
  octet_plan* plan = nullptr;
  octet_executor* exec = nullptr;
  int code = octet_model_load_memory(file.data(), file.size(), &model, error, error_size);
  if (code == OCTET_OK) code = octet_plan_create(model, nullptr, &plan, error, error_size);
  if (code == OCTET_OK) code = octet_executor_create_from_plan(plan, nullptr, &exec, error, error_size);
  if (code == OCTET_OK) code = octet_run(exec, error, error_size);
  for (size_t i = 0; code == OCTET_OK && i < octet_output_count(exec); ++i) {
    octet_tensor_info info{};
    info.struct_size = sizeof info;
    octet_output_info(exec, i, &info);
    const auto* data = static_cast<const std::byte*>(octet_output_data(exec, i));
    if (data != nullptr && countdown < 0) outputs.insert(outputs.end(), data, data + info.bytes);
  }
  octet_executor_free(exec);
  octet_plan_free(plan);
  octet_model_free(model);
  return code;
}

// Through the C++ interface, which throws std::bad_alloc. Without the document in JSON, whose library
// allocates when it destroys.
int quantize_model(const Bytes& file, Bytes& outputs, char* error, size_t error_size) {
  const int64_t from_here = countdown;
  countdown = -1;
  const auto model = octet::Model::from_memory(file);
  if (!model.ok()) return -1;
  std::vector<std::vector<float>> memory;
  std::vector<std::vector<octet::ConstTensorView>> views(6);
  for (size_t k = 0; k < views.size(); ++k)
    for (const octet::TensorInfo& t : model->inputs()) {
      std::vector<float>& x = memory.emplace_back(static_cast<size_t>(t.shape.elements()));
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<float>((i * 7 + k * 3) % 11) / 5 - 1;
      views[k].push_back({x.data(), t.dtype, t.shape, {}});
    }
  octet::MemorySamples samples(views);
  countdown = from_here;
  octet::Status status;
  try {
    octet::Quantizer quantizer(*model);
    status = quantizer.calibrate(samples);
    if (status.ok()) {
      auto result = quantizer.finish();
      if (result.ok() && countdown < 0) outputs = *result->model.serialize();
      if (!result.ok()) status = std::move(result).status();
    }
  } catch (const std::bad_alloc&) {
    return OCTET_RESOURCE_EXHAUSTED;
  }
  std::snprintf(error, error_size, "%s", status.message().c_str());
  return status.ok()                                        ? OCTET_OK
         : status.code() == octet::Code::resource_exhausted ? OCTET_RESOURCE_EXHAUSTED
                                                            : OCTET_INTERNAL;
}

using Work = int (*)(const Bytes& file, Bytes& outputs, char* error, size_t error_size);

// How many failures came out as something else than errors. `step`: every so many allocations one fails.
int failures_of(const char* what, Work work, const Bytes& file, int64_t step) {
  char error[256];
  Bytes wanted;
  if (const int code = work(file, wanted, error, sizeof error); code != OCTET_OK) {
    std::fprintf(stderr, "%s: %s\n", what, error);
    return 1;
  }
  int bad = 0;
  int64_t n = 0;
  for (;; n += step) {
    Bytes outputs;
    countdown = n;
    failed = false;
    const int code = work(file, outputs, error, sizeof error);
    countdown = -1;
    if (!failed) break;
    // Some allocations are for comfort: work goes on without.
    if (code == OCTET_OK || code == OCTET_RESOURCE_EXHAUSTED) continue;
    if (++bad < 5)
      std::fprintf(stderr, "%s, allocation %lld: %d, %s\n", what, static_cast<long long>(n), code, error);
  }
  Bytes outputs;
  if (work(file, outputs, error, sizeof error) != OCTET_OK || outputs != wanted) {
    std::fprintf(stderr, "%s: other results after failures\n", what);
    ++bad;
  }
  std::printf("%s: %lld allocations\n", what, static_cast<long long>(n));
  return bad;
}

}  // namespace

// allocation [MODEL...]: of models from files, one allocation in seven.
int main(int argc, char** argv) {
  int bad = 0;
  const auto bytes = octet::serialize(octet::test::runnable_model());
  if (!bytes.ok()) return 1;
  bad += failures_of("load, plan and run", run_model, *bytes, 1);
  bad += failures_of("quantize", quantize_model, *bytes, 13);
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto view = std::as_bytes(std::span(text));
    bad += failures_of(argv[i], run_model, Bytes(view.begin(), view.end()), 7);
  }
  return bad == 0 ? 0 : 1;
}
