// The C interface, used by C (c_api_c.c).
#include <array>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>

#include "tests/api/c_api_c.h"
#include "tests/support/graph_builder.hpp"

using namespace octet;

namespace {

// What `f(path of the model, path to write to)` finds wrong.
template <class F>
std::string c_failures(F f) {
  test::GraphBuilder b;
  const ValueId x = b.input("a", {1, 4}), y = b.input("b", {1, 4});
  b.output(b.op(OpKind::MUL, {b.op(OpKind::SUB, {x, y}), x}), "y");
  b.output(b.op(OpKind::ADD, {x, y}), "z");
  ModelData m;
  m.graphs.push_back(b.build());
  m.signatures.push_back({.key = "turned",
                          .graph = 0,
                          .inputs = {{"second", 1}, {"first", 0}},
                          .outputs = {{"sum", 1}, {"y", 0}}});
  m.metadata.emplace_back("note", Constant::of(std::vector<char>{'h', 'e', 'l', 'l', 'o'}));
  std::string folder = (std::filesystem::temp_directory_path() / "octet-c-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/model.tflite", other = folder + "/other.tflite";
  REQUIRE(m.save(path).ok());
  std::array<char, 8192> text{};
  f(path.c_str(), other.c_str(), text.data(), text.size());
  std::filesystem::remove_all(folder);
  return text.data();
}

}  // namespace

TEST_CASE("C: models are loaded, looked into and saved") {
  CHECK(c_failures(c_api_models) == "");
}
TEST_CASE("C: executors run, with new shapes, signatures and buffers of the program") {
  CHECK(c_failures([](const char* path, const char*, char* text, size_t size) {
          c_api_runs(path, text, size);
        }) == "");
}
TEST_CASE("C: plans and pools are shared") {
  CHECK(c_failures([](const char* path, const char*, char* text, size_t size) {
          c_api_sharing(path, text, size);
        }) == "");
}
TEST_CASE("C: a model is quantized with samples from callbacks, saved, and made again from its assignment") {
  CHECK(c_failures(c_api_quantizes) == "");
}
TEST_CASE("C: NULL is an error") {
  CHECK(c_failures([](const char* path, const char*, char* text, size_t size) {
          c_api_null(path, text, size);
        }) == "");
}
TEST_CASE("C: structs of older programs are taken and filled as far as they go") {
  CHECK(c_failures([](const char* path, const char*, char* text, size_t size) {
          c_api_older_programs(path, text, size);
        }) == "");
}
