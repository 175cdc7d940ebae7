// Bytes in, a Status out: the reader on anything. replay_test.cpp calls it with the corpus and with
// mutations. To fuzz, with a build of schema/ by clang:
//   clang++ -std=c++20 -fsanitize=fuzzer,address,undefined -DOCTET_LIBFUZZER -I. tests/fuzz/model_fuzz.cpp
//     build/schema/libschema.a -o model_fuzz && ./model_fuzz tests/fuzz/corpus/model
#include <cstdint>
#include <cstdlib>

#include "schema/flatbuffer/format.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace octet;

int octet::test::fuzz_model(const uint8_t* data, size_t size) {
  // The copy ends where the bytes end, so that a sanitizer sees a step beyond them.
  const auto owner = std::make_shared<const std::vector<std::byte>>(
      reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + size);
  const auto model = read_model(owner, *owner, "fuzz");
  if (!model.ok()) {
    // One line, and one that says something.
    if (model.status().message().find('\n') != std::string::npos || model.status().message().size() < 8)
      std::abort();
    return 0;
  }
  uint64_t sum = 0;
  for (const Graph& g : (*model)->graphs)
    for (const Value& v : g.values)
      for (const std::byte b : v.constant.bytes())
        sum += static_cast<uint64_t>(b);
  for (const auto& [name, content] : (*model)->metadata)
    for (const std::byte b : content.bytes())
      sum += static_cast<uint64_t>(b);
  volatile uint64_t keep = sum;
  (void)keep;
  // What can be read can be written and read again, unless it holds an operator without a row in ops.def.
  const auto bytes = serialize(**model);
  if (!bytes.ok()) {
    if (bytes.status().code() != Code::unsupported) std::abort();
    return 0;
  }
  const auto again = std::make_shared<const std::vector<std::byte>>(*bytes);
  if (!read_model(again, *again, "fuzz again").ok()) std::abort();
  return 0;
}

#ifdef OCTET_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return test::fuzz_model(data, size);
}
#endif
