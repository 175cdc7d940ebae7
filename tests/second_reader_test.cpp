// What OpSpec says of other readers, asked of one: files of one operator, in every numeric form, run by
// TensorFlow Lite. OCTET_TFLITE names a program that does: PROGRAM MODEL FOLDER INPUT... reads raw inputs and
// leaves the outputs in FOLDER/o0.bin and so on.
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

#include "quant/portable.hpp"
#include "tests/support/case_model.hpp"

namespace octet::test {
namespace {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / fmt::format("octet-reader-{}", getpid())) {
    std::filesystem::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(std::string_view name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct Answer {
  std::string refusal;  // its words; empty: it ran
  std::vector<std::vector<std::byte>> outputs;
};

Answer ask(const std::string& program, const Folder& folder, const ModelData& m, const Prepared& p) {
  const std::string path = folder.file("m.tflite");
  if (const Status s = m.save(path); !s.ok()) return {s.message(), {}};
  std::string command = fmt::format("{} {} {}", program, path, folder.path());
  for (const std::span<const std::byte> bytes : inputs_of(m, p)) {
    const std::string file = folder.file(fmt::format("i{}", command.size()));
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    command += " " + file;
  }
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string words;
  std::array<char, 4096> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr)
    words += buffer.data();
  if (const int status = pclose(pipe); status != 0) return {fmt::format("{} ({})", words, status), {}};
  Answer a;
  for (size_t i = 0; i < p.out.size(); ++i) {
    std::ifstream in(folder.file(fmt::format("o{}.bin", i)), std::ios::binary);
    const std::vector<char> read{std::istreambuf_iterator<char>(in), {}};
    const auto bytes = std::as_bytes(std::span(read));
    a.outputs.emplace_back(bytes.begin(), bytes.end());
  }
  return a;
}

// How far its integers may be from ours: it rounds here and there otherwise, and looks some functions of 16
// bits up in short tables.
double tolerance(const TensorDesc& out) {
  if (!out.quant) return 0;
  return out.dtype == DType::int16 ? 200 : 2;
}

double worst_difference(const TensorDesc& t, const std::vector<std::byte>& a,
                        const std::vector<std::byte>& b) {
  const std::vector<double> x = to_raw(t, a), y = to_raw(t, b);
  if (x.size() != y.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i] != y[i] && !(std::isnan(x[i]) && std::isnan(y[i])))
      worst = std::max(worst, std::fabs(x[i] - y[i]));
  return std::isnan(worst) ? INFINITY : worst;
}

}  // namespace

TEST_CASE("TensorFlow Lite runs what is written for it") {
  const char* program = std::getenv("OCTET_TFLITE");
  if (program == nullptr) {
    MESSAGE("SKIPPED: OCTET_TFLITE names no program that runs models with TensorFlow Lite");
    return;
  }
  constexpr int kCasesEach = 2;  // of a kind in a form; every one starts a program
  const Folder folder;
  std::map<std::pair<OpKind, Form>, int> asked;
  for (const OpCase& c : all_cases()) {
    const OpSpec& spec = *find_spec(c.kind);
    if (c.bench || !c.int8 || !spec.quant.has_int8 || !spec.readers.tflite.float32) continue;
    std::optional<bool> float_runs;
    for (const Form form : {Form::int8, Form::int16}) {
      if (asked[{c.kind, form}] >= kCasesEach) continue;
      const auto p = prepare(c, form);
      if (!p.ok()) continue;
      const auto ours = run(*p, spec.reference, 1);
      if (!ours.ok()) continue;
      // Ranks and attributes that it has in no type are not what this is about.
      if (!float_runs) {
        const auto real = prepare(c, Form::float32);
        REQUIRE(real.ok());
        float_runs = ask(program, folder, model_of(c, *real, Form::float32), *real).refusal.empty();
      }
      if (!*float_runs) break;
      ++asked[{c.kind, form}];
      ModelData m = model_of(c, *p, form);
      REQUIRE(make_portable(m, Reader::tflite).ok());
      const Answer theirs = ask(program, folder, m, *p);
      INFO(c.name << " as " << name_of(p->out[0].dtype));
      CHECK_MESSAGE(theirs.refusal.empty(), theirs.refusal);
      for (size_t i = 0; i < theirs.outputs.size(); ++i)
        CHECK(worst_difference(p->out[i], theirs.outputs[i], (*ours)[i]) <= tolerance(p->out[i]));
    }
  }
  CHECK(asked.size() > 150);
}

}  // namespace octet::test
