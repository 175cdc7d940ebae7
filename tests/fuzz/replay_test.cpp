// Bad input, as an ordinary test: the fuzzers' entry points on their corpora, on every truncation and every
// flipped byte of a small model, and on random mutations. OCTET_MUTATIONS sets how many of those (100000).
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

#include "schema/flatbuffer/format.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/mutate.hpp"
#include "tests/support/sparse_model.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;

namespace {

void feed(const std::vector<std::byte>& bytes) {
  test::fuzz_model(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::vector<std::vector<std::byte>> seeds() {
  std::vector<std::vector<std::byte>> out;
  for (const ModelData& m : {test::rich_model(), test::rich_model(Format::circle), test::runnable_model(),
                             test::single_op_model(OpKind::WHILE)})
    out.push_back(*serialize(m));
  out.push_back(test::sparse_model());
  return out;
}

}  // namespace

TEST_CASE("bad input: the corpus of the model fuzzer") {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  if (root == nullptr) {
    MESSAGE("SKIPPED: OCTET_SOURCE_ROOT is not set");
    return;
  }
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(root) / "tests/fuzz/corpus/model")) {
    CAPTURE(entry.path().string());
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    test::fuzz_model(reinterpret_cast<const uint8_t*>(content.data()), content.size());
    ++files;
  }
  CHECK(files > 0);
}

TEST_CASE("bad input: every truncation of a model") {
  for (const auto& whole : seeds())
    for (size_t n = 0; n < whole.size(); ++n)
      feed({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)});
}

TEST_CASE("bad input: every byte of a model, changed one at a time") {
  for (const auto& whole : seeds())
    for (size_t i = 0; i < whole.size(); ++i)
      for (const unsigned change : {0x01u, 0x04u, 0x80u, 0xffu}) {
        auto bytes = whole;
        bytes[i] ^= static_cast<std::byte>(change);
        feed(bytes);
      }
}

TEST_CASE("bad input: random mutations of a model") {
  const char* wanted = std::getenv("OCTET_MUTATIONS");
  const int n = wanted != nullptr ? std::atoi(wanted) : 100000;
  const auto originals = seeds();
  std::mt19937 random(20240607);
  for (int i = 0; i < n; ++i)
    feed(test::mutated(originals[static_cast<size_t>(i) % originals.size()], random));
}

TEST_CASE("bad input: tables that share one large string do not multiply memory") {
  // 20,000 signatures that are all the same table, with a key of 100,000 characters: 180 KB of file, 2 GB of
  // keys.
  constexpr uint32_t kCount = 20000, kLength = 100000;
  constexpr uint32_t kGraph = 68 + 4 * kCount, kSignature = kGraph + 4, kKey = kSignature + 8;
  auto bytes = std::make_shared<std::vector<std::byte>>(kKey + 4 + kLength + 4);
  auto put = [&](size_t at, auto v) { std::memcpy(bytes->data() + at, &v, sizeof v); };
  auto put_slots = [&](size_t at, std::initializer_list<int> slots) {
    for (const int v : slots) {
      put(at, static_cast<uint16_t>(v));
      at += 2;
    }
  };
  put(0, uint32_t{28});
  std::memcpy(bytes->data() + 4, "CIR0", 4);
  put_slots(8, {20, 12, 0, 0, 4, 0, 0, 0, 0, 8});  // ModelData: graphs at +4, signatures at +8
  put(28, int32_t{20});
  put(32, uint32_t{56 - 32});
  put(36, uint32_t{64 - 36});
  put_slots(40, {4, 4});            // SubGraph: nothing
  put_slots(44, {10, 8, 0, 0, 4});  // SignatureDef: key at +4
  put(56, uint32_t{1});
  put(60, kGraph - 60);
  put(64, kCount);
  for (uint32_t i = 0; i < kCount; ++i)
    put(68 + 4 * i, kSignature - (68 + 4 * i));
  put(kGraph, static_cast<int32_t>(kGraph - 40));
  put(kSignature, static_cast<int32_t>(kSignature - 44));
  put(kSignature + 4, uint32_t{4});
  put(kKey, kLength);
  std::fill_n(bytes->begin() + kKey + 4, kLength, std::byte{'k'});

  CHECK_EQ(read_model(bytes, *bytes, "m").status().message(),
           "m: signature #7: is damaged: its tables share data that belongs to one of them");
  // The same with few enough of them is a model.
  put(64, uint32_t{3});
  const auto few = read_model(bytes, *bytes, "m");
  REQUIRE_MESSAGE(few.ok(), few.status().message());
  CHECK((*few)->signatures.size() == 3);
}
