// quant/ knows operators only by their rules: adding one must not mean a change here.
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <regex>

TEST_CASE("nothing in quant/ decides by the kind of an operator") {
  const char* root = std::getenv("OCTET_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  const std::regex decides(R"(switch\s*\(.*kind\b.*OpKind|case\s+OpKind::|switch\s*\((n|op|node)\.kind\))");
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(root) + "/quant")) {
    if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp") continue;
    ++files;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      CAPTURE(entry.path().string());
      CAPTURE(line);
      CHECK(!std::regex_search(line, decides));
    }
  }
  CHECK(files > 20);
}
