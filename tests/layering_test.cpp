// The layers of the tree: a file includes its own folder and folders to its left; FlatBuffers, XNNPACK and
// their kin stay behind their doors; the quantizer knows operators through their specs only.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Line {
  fs::path file;
  std::string text;
};

std::string content_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// All lines of the sources below `folder`, paths relative to the root of the tree.
std::vector<Line> lines_of(const std::string& folder) {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  std::vector<Line> lines;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(root) / folder)) {
    const auto ext = entry.path().extension();
    if (ext != ".cpp" && ext != ".hpp" && ext != ".h") continue;
    std::ifstream in(entry.path());
    for (std::string text; std::getline(in, text);)
      lines.push_back({fs::relative(entry.path(), root), text});
  }
  return lines;
}

bool starts_with_any(const std::string& s, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& p) { return s.rfind(p, 0) == 0; });
}

std::string included(const std::string& line) {
  const auto hash = line.find("#include");
  if (hash == std::string::npos) return {};
  const auto open = line.find_first_of("\"<", hash);
  const auto close = open == std::string::npos ? open : line.find_first_of("\">", open + 1);
  return close == std::string::npos ? std::string() : line.substr(open + 1, close - open - 1);
}

}  // namespace

TEST_CASE("includes point to the left") {
  const std::array<std::string, 7> layers = {"schema", "kernels", "graph", "runtime", "quant", "api", "cli"};
  for (size_t i = 0; i < layers.size(); ++i)
    for (const Line& l : lines_of(layers[i])) {
      const std::string what = included(l.text);
      for (size_t right = i + 1; right < layers.size(); ++right)
        CHECK_MESSAGE(what.rfind(layers[right] + "/", 0) != 0, l.file.string() << " includes " << what);
      CHECK_MESSAGE(!starts_with_any(what, {"tests/", "bench/"}), l.file.string() << " includes " << what);
    }
}

// An installed program sees this folder and nothing else.
TEST_CASE("public headers include the standard library and each other") {
  int files = 0;
  for (const Line& l : lines_of("include")) {
    if (l.text == "#pragma once" || l.text.starts_with("#ifndef OCTET_")) ++files;
    const std::string what = included(l.text);
    if (what.empty() || starts_with_any(what, {"octet/"})) continue;
    const bool standard = what.find('/') == std::string::npos && l.text.find('<') != std::string::npos;
    CHECK_MESSAGE(standard, l.file.string() << " includes " << what);
  }
  CHECK(files > 5);
}

TEST_CASE("the program is a client of the public headers") {
  for (const Line& l : lines_of("cli")) {
    const std::string what = included(l.text), file = l.file.string();
    CHECK_MESSAGE(!starts_with_any(what, {"schema/", "kernels/", "graph/", "runtime/", "quant/", "api/"}),
                  file << " includes " << what);
  }
}

TEST_CASE("FlatBuffers, XNNPACK, pthreadpool and cpuinfo are used in one place each") {
  for (const std::string layer : {"schema", "kernels", "graph", "runtime", "quant", "api", "cli"})
    for (const Line& l : lines_of(layer)) {
      const std::string what = included(l.text), file = l.file.string();
      if (starts_with_any(what, {"flatbuffers/"}) || what.find("_generated.h") != std::string::npos)
        CHECK_MESSAGE(file.rfind("schema/flatbuffer/", 0) == 0, file << " includes " << what);
      if (what.rfind("xnnpack", 0) == 0)
        CHECK_MESSAGE(file.rfind("kernels/xnnpack/", 0) == 0, file << " includes " << what);
      if (what.rfind("pthreadpool", 0) == 0)
        CHECK_MESSAGE(file == "kernels/thread_pool.cpp", file << " includes " << what);
      if (what.rfind("cpuinfo", 0) == 0)
        CHECK_MESSAGE(file == "kernels/cpu.cpp", file << " includes " << what);
      // What the CPU has is asked of kernels/cpu.hpp, which OCTET_ISA can lower.
      for (const char* other : {"__builtin_cpu_supports", "__builtin_cpu_is", "getauxval"})
        CHECK_MESSAGE(l.text.find(other) == std::string::npos, file << ": " << other);
    }
}

// Where a list of kinds would mean a property of operators, the property is a trait (kernels/traits.hpp): an
// operator that is new has it by its own file. Kinds that a rule is about stand in the rule's row.
TEST_CASE("rules and the quantizer keep no lists of operators") {
  const std::vector<std::string> exceptions = {
      "graph/formula.cpp",  // the language of formulas: its names are operators
      "graph/rule.hpp",     // what the rows of rules consist of
  };
  const std::regex lists(
      R"(case\s+(OpKind::)?[A-Z][A-Z0-9_]+\s*:|switch\s*\((n|op|node)\.kind\))"
      R"(|(array|vector|set|span)<(const )?OpKind|std::array\s+k\w+\s*=\s*\{\s*(OpKind::)?[A-Z][A-Z0-9_]+\b)"
      R"(|initializer_list<OpKind)");
  for (const std::string folder : {"graph", "quant"})
    for (const Line& l : lines_of(folder)) {
      const std::string file = l.file.string();
      if (std::find(exceptions.begin(), exceptions.end(), file) != exceptions.end()) continue;
      CHECK_MESSAGE(!std::regex_search(l.text, lists), file << ": " << l.text);
    }
}

// A test that is not built can't fail.
TEST_CASE("every source file is part of the build") {
  const fs::path root = std::getenv("OCTET_SOURCE_ROOT");
  std::string listed;
  for (const std::string folder :
       {".", "schema", "kernels", "graph", "runtime", "quant", "api", "cli", "tests", "bench"})
    listed += content_of(root / folder / "meson.build");
  int files = 0;
  for (const std::string folder :
       {"schema", "kernels", "graph", "runtime", "quant", "api", "cli", "tests", "bench", "demo"})
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".cpp") continue;
      ++files;
      const fs::path file = fs::relative(entry.path(), root);
      const std::string in_folder = fs::relative(file, folder).string();
      const bool found = listed.find("'" + in_folder + "'") != std::string::npos ||
                         listed.find("'" + file.string() + "'") != std::string::npos;
      CHECK_MESSAGE(found, file.string() << " is in no meson.build");
    }
  CHECK(files > 200);
}
