// Custom operators through the C interface, by a file that is compiled as C.
#include "tests/api/custom_ops_c.h"

#include <array>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>

#include "schema/flatbuffer/format.hpp"
#include "tests/support/tiny_models.hpp"

using namespace octet;

namespace {

template <class F>
std::string failures(const ModelData& m, F f) {
  std::string name = (std::filesystem::temp_directory_path() / "octet-c-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  const std::string path = name + "/model.tflite";
  REQUIRE(m.save(path).ok());
  std::array<char, 4096> text{};
  f(path.c_str(), text.data(), text.size());
  std::filesystem::remove_all(name);
  return text.data();
}

}  // namespace

TEST_CASE("a custom operator of a C program") {
  ModelData m;
  Graph& g = m.graphs.emplace_back();
  const ValueId x = test::add_value(g, "x", DType::float32, {3}),
                y = test::add_value(g, "y", DType::float32, {3});
  const ValueId c = test::add_value(g, "c", DType::float32, {1}, Constant::of(std::vector<float>{2.5f}));
  g.inputs = {x};
  g.outputs = {y};
  g.nodes.push_back({OpKind::CUSTOM, CustomAttrs{"Affine", {'h', 'i'}}, {x, c}, {y}, {}, 1, {}});
  CHECK(failures(m, custom_ops_from_c) == "");
}

TEST_CASE("a custom operator of a C program on integers, with a shape that depends on data") {
  ModelData m;
  Graph& g = m.graphs.emplace_back();
  const ValueId x = test::add_value(g, "x", DType::int8, {3}), y = test::add_value(g, "y", DType::int8, {3});
  g.value(x).quant = Quantization::per_tensor({0.5f, 0});
  g.value(y).quant = Quantization::per_tensor({1.0f, -1});
  g.inputs = {x};
  g.outputs = {y};
  g.nodes.push_back({OpKind::CUSTOM, CustomAttrs{"First", {}}, {x}, {y}, {}, 1, {}});
  CHECK(failures(m, custom_int8_from_c) == "");
}
