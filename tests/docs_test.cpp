// The programs that docs/ shows are the ones that are compiled and run (docs/examples).
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "octet/model.hpp"

namespace {

std::string read(const std::string& path) {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  std::ifstream in(std::string(root) + "/" + path);
  REQUIRE_MESSAGE(in.good(), path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The first block of code in `language` that is a whole program.
std::string program(const std::string& page, const std::string& language) {
  const std::string fence = "```" + language + "\n";
  for (size_t at = page.find(fence); at != std::string::npos; at = page.find(fence, at + 1)) {
    const size_t begin = at + fence.size(), end = page.find("```", begin);
    if (const std::string code = page.substr(begin, end - begin); code.find("int main(") != std::string::npos)
      return code;
  }
  return {};
}

// What stands between "// PAGE" and "// end" in a source, with the page.
std::vector<std::pair<std::string, std::string>> sections(const std::string& source) {
  std::vector<std::pair<std::string, std::string>> found;
  std::istringstream in(source);
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "// end") {
      inside = false;
    } else if (inside) {
      found.back().second += line + "\n";
    } else if (line == "// README.md" || line.starts_with("// octet/")) {
      found.emplace_back(line.substr(3), "");
      inside = true;
    }
  }
  return found;
}

}  // namespace

TEST_CASE("the programs of docs/CUSTOM_OPS.md are docs/examples") {
  const std::string page = read("docs/CUSTOM_OPS.md");
  CHECK(program(page, "cpp") == read("docs/examples/custom_op.cpp"));
  CHECK(program(page, "c") == read("docs/examples/custom_op.c"));
}

TEST_CASE("the C++ lines of README.md are those of docs/examples/readme.cpp") {
  const auto shown = sections(read("docs/examples/readme.cpp"));
  CHECK(shown.size() == 2);
  for (const auto& [page, lines] : shown)
    CHECK_MESSAGE(read(page).find("```cpp\n" + lines + "```\n") != std::string::npos, lines);
}

TEST_CASE("the lines that public headers start with are those of docs/examples/headers.cpp") {
  const auto shown = sections(read("docs/examples/headers.cpp"));
  CHECK(shown.size() >= 10);
  for (const auto& [header, lines] : shown) {
    std::istringstream in(lines);
    std::string comment;
    for (std::string line; std::getline(in, line);)
      comment += "//   " + line + "\n";
    CHECK_MESSAGE(read("include/" + header).find(comment) != std::string::npos, header << "\n" << comment);
  }
}

TEST_CASE("the model of docs/examples is one operator that Octet does not know") {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  const auto model = octet::Model::load(std::string(root) + "/docs/examples/sinh.tflite");
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  const octet::GraphInfo graph = model->graph();
  REQUIRE(graph.operators.size() == 1);
  CHECK(graph.operators[0].kind == "CUSTOM:Sinh");
}
