// docs/ODD_MODELS.md says what Octet does with every file of OCTET_MODELS/edge_cases and circle. This test
// works the table out anew and compares; with OCTET_WRITE_TABLE=1 it writes it (descriptions are kept).
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>

#include "octet/try.hpp"
#include "runtime/executor.hpp"
#include "schema/flatbuffer/format.hpp"

using namespace octet;
namespace fs = std::filesystem;

namespace {

// Sanitizers and emulation make the largest arenas a matter of minutes and of gigabytes: planned, not run.
int64_t largest_arena() {
#ifdef __SANITIZE_ADDRESS__
  return int64_t{128} << 20;
#else
  return std::getenv("OCTET_EMULATED") != nullptr ? int64_t{16} << 20 : INT64_MAX;
#endif
}

// Ones: on zeros the loop of nested_while.bin, which adds its input until a sum is reached, never ends.
std::vector<std::byte> ones(const ConstTensorView& v) {
  std::vector<std::byte> bytes(static_cast<size_t>(v.bytes()) + 64);
  auto fill = [&](auto one) {
    for (int64_t i = 0; i < v.elements(); ++i)
      std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof one, &one, sizeof one);
  };
  switch (v.dtype) {
    case DType::float32: fill(1.0f); break;
    case DType::int32: fill(int32_t{1}); break;
    case DType::int64: fill(int64_t{1}); break;
    default: std::fill(bytes.begin(), bytes.end(), std::byte{1}); break;
  }
  return bytes;
}

// One run on ones. Every output must have its bytes.
Status run_once(const ModelData& m) {
  OCTET_ASSIGN(const auto e, GraphExecutor::create(m));
  if (e->plan().arena_bytes > largest_arena()) return {};
  std::vector<std::vector<std::byte>> data;
  std::vector<ConstTensorView> inputs;
  for (size_t i = 0; i < e->input_count(); ++i) {
    inputs.push_back(e->input_info(i));
    inputs.back().data = data.emplace_back(ones(inputs.back())).data();
  }
  OCTET_TRY(e->run(inputs));
  for (size_t i = 0; i < e->output_count(); ++i)
    if (e->output(i).bytes() > 0 && e->output(i).data == nullptr)
      return Status::internal(fmt::format("output {} has no data", i));
  return {};
}

std::string operators_of(const ModelData& m) {
  std::map<std::string, int> counts;
  for (const Graph& g : m.graphs)
    for (const Node& n : g.nodes)
      ++counts[kind_name(n)];
  std::string text;
  for (const auto& [kind, n] : counts)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", kind, n == 1 ? "" : fmt::format(" x{}", n));
  return text.empty() ? "none" : text;
}

struct Row {
  std::string what, operators, outcome, message;
};

// The message without the path in front of it.
std::string reason(const Status& s, const std::string& path) {
  const std::string& m = s.message();
  return m.starts_with(path + ": ") ? m.substr(path.size() + 2) : m;
}

Row row_of(const std::string& path) {
  const auto model = read_model(path);
  if (!model.ok()) return {"", "", "not read", reason(model.status(), path)};
  Row r{"", operators_of(**model), "runs", ""};
  if (const Status s = run_once(**model); !s.ok()) return {"", r.operators, "not run", reason(s, path)};
  auto remark = [&](const std::string& text) { r.message += (r.message.empty() ? "" : "; ") + text; };
  for (const std::string& note : (*model)->notes)
    remark(note);
  for (const ValueId v : (*model)->main().outputs)
    if (const Value& out = (*model)->main().value(v); out.dtype == DType::string)
      remark(fmt::format("the text of output '{}' is not kept", out.name));
  return r;
}

std::string text_of(const std::string& file, const Row& r) {
  return fmt::format("| {} | {} | {} | {} | {} |", file, r.what, r.operators, r.outcome, r.message);
}

// The page as lines; `what` gets the descriptions of the rows by file.
std::vector<std::string> read_page(const std::string& path, std::map<std::string, std::string>& what) {
  std::ifstream in(path);
  REQUIRE_MESSAGE(in.good(), path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (!line.starts_with("| edge_cases/") && !line.starts_with("| circle/")) continue;
    const size_t first = line.find(" | "), second = line.find(" | ", first + 3);
    REQUIRE(second != std::string::npos);
    what[line.substr(2, first - 2)] = line.substr(first + 3, second - first - 3);
  }
  return lines;
}

bool is_row(const std::string& line) {
  return line.starts_with("| edge_cases/") || line.starts_with("| circle/");
}

}  // namespace

TEST_CASE("real models: docs/ODD_MODELS.md says what becomes of each odd one") {
  const char *folder = std::getenv("OCTET_MODELS"), *root = std::getenv("OCTET_SOURCE_ROOT");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  REQUIRE(root != nullptr);
  const std::string page = std::string(root) + "/docs/ODD_MODELS.md";
  std::map<std::string, std::string> what;
  const std::vector<std::string> lines = read_page(page, what);

  std::vector<std::string> rows;
  for (const std::string kind : {"circle", "edge_cases"}) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(std::string(folder) + "/" + kind))
      files.push_back(kind + "/" + entry.path().filename().string());
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      Row r = row_of(std::string(folder) + "/" + file);
      r.what = what.contains(file) ? what[file] : "?";
      CHECK_MESSAGE(r.what != "?", file << " is not described");
      rows.push_back(text_of(file, r));
    }
  }

  std::vector<std::string> written;
  for (const std::string& line : lines)
    if (is_row(line)) written.push_back(line);
  if (std::getenv("OCTET_WRITE_TABLE") != nullptr) {
    std::ofstream out(page);
    for (const std::string& line : lines) {
      if (is_row(line)) continue;
      out << line << '\n';
      if (!line.starts_with("|---")) continue;
      for (const std::string& row : rows)
        out << row << '\n';
    }
    return;
  }
  CHECK(written.size() == rows.size());
  for (size_t i = 0; i < std::min(rows.size(), written.size()); ++i)
    CHECK_EQ(rows[i], written[i]);
}

TEST_CASE("real models: sums of integers that LiteRT's own tests give the answers to") {
  const char* folder = std::getenv("OCTET_MODELS");
  if (folder == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  // c_api_test.cc: x + x + x, the input resized to two elements.
  for (const std::string name : {"add.bin", "add_quantized.bin", "add_quantized_int8.bin"}) {
    CAPTURE(name);
    const auto model = read_model(std::string(folder) + "/edge_cases/" + name);
    REQUIRE(model.ok());
    for (const Backend backend : {Backend::xnnpack, Backend::reference}) {
      const auto e = GraphExecutor::create(**model, {.backend = backend, .input_shapes = {Shape{2}}});
      REQUIRE_MESSAGE(e.ok(), e.status().message());
      ConstTensorView x = (*e)->input_info(0);
      const float real[] = {1, 3};
      const int8_t integer[] = {1, 3};
      x.data = x.dtype == DType::float32 ? static_cast<const void*>(real) : integer;
      REQUIRE((*e)->run({&x, 1}).ok());
      const ConstTensorView y = (*e)->output(0);
      CHECK(y.dtype == x.dtype);
      for (int i = 0; i < 2; ++i)
        CHECK((x.dtype == DType::float32 ? y.as<float>()[i] : static_cast<float>(y.as<int8_t>()[i])) ==
              3 * real[i]);
    }
  }
}
