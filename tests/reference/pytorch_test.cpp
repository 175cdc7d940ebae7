// docs/PYTORCH.md: what becomes of every single-operator example and small network that PyTorch's own
// quantization was measured on. OCTET_WRITE_TABLE=1 writes the page's tables anew, OCTET_PRINT_TABLE=1 prints
// them.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "cli/data/npy.hpp"
#include "quant/reals.hpp"
#include "tests/cli/cli_support.hpp"
#include "tests/reference/pytorch_data.hpp"

using namespace octet;
namespace fs = std::filesystem;

namespace {

constexpr double kFloatLimit = 1e-5;  // of float outputs, relative to the largest magnitude
constexpr double kExact = 99;         // dB; stands for equality
constexpr double kSlack = 0.05;       // dB

// PyTorch's figures by name and variant: SQNR in dB, the share of integers and booleans that differ, and on
// how many samples.
struct Reference {
  std::map<std::string, double> sqnr, mismatch;
  std::map<std::string, int> samples;
};
constexpr int kOperatorSamples = 1000;  // where the figures do not say

Reference read_reference(const std::string& path) {
  Reference r;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells;
    std::stringstream row(line);
    for (std::string cell; cells.size() < 5 && std::getline(row, cell, ',');)
      cells.push_back(cell);
    const std::string key = "mismatch_rate=";
    if (const size_t at = line.find(key); at != std::string::npos)
      r.mismatch[cells[0]] = std::strtod(line.c_str() + at + key.size(), nullptr);
    if (const size_t at = line.find(", n="); at != std::string::npos)
      r.samples[cells[0]] = std::atoi(line.c_str() + at + 4);
    if (cells.size() < 5 || cells[4].empty()) continue;
    char* end = nullptr;
    const double v = std::strtod(cells[4].c_str(), &end);
    if (*end == '\0' && std::isfinite(v)) r.sqnr[cells[0]] = v;
  }
  return r;
}

std::optional<double> find(const std::map<std::string, double>& figures, const std::string& name) {
  const auto it = figures.find(name);
  return it == figures.end() ? std::nullopt : std::optional(it->second);
}

// FOLDER/KIND_0.npy and so on, in order.
std::vector<std::string> numbered(const std::string& folder, const std::string& kind) {
  std::vector<std::string> files;
  for (int i = 0;; ++i) {
    std::string path = fmt::format("{}/{}_{}.npy", folder, kind, i);
    if (!fs::exists(path)) return files;
    files.push_back(std::move(path));
  }
}

struct Array {
  bool is_float = false;
  std::vector<int64_t> dims;
  std::vector<float> values;
};

Array read_array(const std::string& path) {
  auto file = open_file(path);
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  auto npy = NpyArray::open(*std::move(file));
  REQUIRE_MESSAGE(npy.ok(), npy.status().message());
  const NpyHeader h = npy->header();
  const Shape shape{static_cast<int32_t>(h.elements())};
  std::vector<std::byte> bytes(static_cast<size_t>(byte_size(h.dtype, shape)));
  REQUIRE(npy->read(0, bytes).ok());
  Array a{h.dtype == DType::float32 || h.dtype == DType::float64, h.dims, {}};
  a.values.resize(static_cast<size_t>(h.elements()));
  to_reals({bytes.data(), h.dtype, shape, {}}, a.values);
  return a;
}

// The outputs of `octet run`, in graph order.
std::vector<Array> run(const std::string& model, const std::vector<std::string>& inputs,
                       const std::vector<std::string>& more, std::string& error) {
  test::TempFolder folder;
  std::vector<std::string> args = {"run", model, "--output", folder / "out"};
  for (const std::string& x : inputs)
    args.insert(args.end(), {"--input", x});
  args.insert(args.end(), more.begin(), more.end());
  const test::Outcome outcome = test::octet(args);
  if (outcome.code != 0) {
    error = outcome.err;
    return {};
  }
  std::map<int, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder / "out"))
    if (entry.path().extension() == ".npy") files[std::atoi(entry.path().filename().c_str())] = entry.path();
  std::vector<Array> outputs;
  for (const auto& [i, path] : files)
    outputs.push_back(read_array(path));
  return outputs;
}

struct Row {
  std::string name, error;
  double float_error = 0;
  int ops_float = 0;
  std::optional<double> sqnr, mismatch;
  std::optional<double> bar, most_mismatch;  // what is aimed at
  std::string pytorch, bits8, sim8;

  bool reached() const {
    return error.empty() && (!sqnr || !bar || *sqnr >= *bar - kSlack) &&
           (!mismatch || !most_mismatch || *mismatch <= *most_mismatch);
  }
};

// Largest difference, relative to the largest magnitude; golden samples may be the first of ours.
double relative_error(const std::vector<Array>& ours, const std::vector<std::string>& golden) {
  double worst = 0;
  for (size_t k = 0; k < std::min(ours.size(), golden.size()); ++k) {
    const Array g = read_array(golden[k]);
    if (g.values.size() > ours[k].values.size()) return INFINITY;
    double most = 1e-6, difference = 0;
    for (size_t i = 0; i < g.values.size(); ++i) {
      most = std::max(most, static_cast<double>(std::fabs(g.values[i])));
      difference = std::max(
          difference, std::fabs(static_cast<double>(g.values[i]) - static_cast<double>(ours[k].values[i])));
    }
    worst = std::max(worst, difference / most);
  }
  return worst;
}

void measure(const std::vector<Array>& real, const std::vector<Array>& quantized, Row& row) {
  double signal = 0, noise = 0, wrong = 0, compared = 0;
  bool any_real = false;
  for (size_t k = 0; k < real.size(); ++k) {
    const Array& g = real[k];
    if (k >= quantized.size() || g.values.size() != quantized[k].values.size()) {
      row.error = "an output of another size";
      return;
    }
    any_real = any_real || g.is_float;
    for (size_t i = 0; i < g.values.size(); ++i) {
      const double a = static_cast<double>(g.values[i]), b = static_cast<double>(quantized[k].values[i]);
      if (g.is_float) {
        signal += a * a;
        noise += (a - b) * (a - b);
      } else {
        wrong += a != b;
        compared += 1;
      }
    }
  }
  if (any_real) row.sqnr = noise == 0 ? kExact : 10 * std::log10(std::max(signal, 1e-30) / noise);
  if (compared > 0) row.mismatch = wrong / compared;
}

// Rounded to 8 bits within the range of `seen`, widened to contain 0.
void round_to_8_bits(std::vector<float>& values, const std::vector<float>& seen) {
  const auto [least, most] = std::minmax_element(seen.begin(), seen.end());
  const double lo = std::min(static_cast<double>(*least), 0.0),
               hi = std::max(static_cast<double>(*most), 0.0);
  if (lo == hi) return;
  const double scale = (hi - lo) / 255, zero = std::nearbyint(-lo / scale);
  for (float& v : values) {
    const double q = std::clamp(std::nearbyint(static_cast<double>(v) / scale) + zero, 0.0, 255.0);
    v = static_cast<float>((q - zero) * scale);
  }
}

// What sim8 is, where the models bring no figure: inputs and outputs rounded to 8 bits, the model in float.
void simulate(const std::string& model, const std::vector<std::string>& calibration,
              const std::vector<std::string>& samples, const std::vector<Array>& real, Row& row) {
  test::TempFolder made;
  std::vector<std::string> rounded;
  for (size_t i = 0; i < samples.size(); ++i) {
    Array x = read_array(samples[i]);
    rounded.push_back(samples[i]);
    if (!x.is_float) continue;
    round_to_8_bits(x.values, read_array(calibration.at(i)).values);
    rounded.back() = made / fmt::format("rounded_{}.npy", i);
    test::write_floats(rounded.back(), x.dims, x.values);
  }
  const auto seen = run(model, calibration, {}, row.error);
  auto outputs = run(model, rounded, {}, row.error);
  if (!row.error.empty()) return;
  for (size_t k = 0; k < outputs.size(); ++k)
    if (outputs[k].is_float) round_to_8_bits(outputs[k].values, seen.at(k).values);
  measure(real, outputs, row);
}

// The samples on which PyTorch's figures were taken, as files. Drawn ones begin with those that are stored.
std::vector<std::string> evaluation_files(const std::string& folder, int count, const test::TempFolder& to) {
  std::vector<std::string> stored = numbered(folder, "eval_input");
  if (stored.empty()) stored = numbered(folder, "input");
  const std::vector<test::SampleStack> stacks = test::evaluation_samples(folder, count);
  if (stacks.empty()) return stored;
  REQUIRE(stacks.size() == stored.size());
  std::vector<std::string> files;
  for (size_t i = 0; i < stacks.size(); ++i) {
    const Array known = read_array(stored[i]);
    const std::vector<float>& drawn = stacks[i].values;
    REQUIRE(known.values.size() <= drawn.size());
    for (size_t k = 0; k < known.values.size(); ++k)
      REQUIRE(drawn[k] == doctest::Approx(known.values[k]).epsilon(1e-6));
    files.push_back(to / fmt::format("input_{}.npy", i));
    auto writer =
        NpyWriter::create(files.back(), stacks[i].is_bool ? DType::boolean : DType::float32, stacks[i].dims);
    REQUIRE(writer.ok());
    if (stacks[i].is_bool) {
      const std::vector<uint8_t> bytes(drawn.begin(), drawn.end());
      REQUIRE((*writer)->append(std::as_bytes(std::span(bytes))).ok());
    } else {
      REQUIRE((*writer)->append(std::as_bytes(std::span(drawn))).ok());
    }
    REQUIRE((*writer)->commit().ok());
  }
  return files;
}

std::string text_of(std::optional<double> sqnr, std::optional<double> mismatch) {
  if (sqnr) return *sqnr >= kExact ? "exact" : fmt::format("{:.1f}", *sqnr);
  return mismatch ? fmt::format("{:.2f} % differ", 100 * *mismatch) : "";
}

Row row_of(const std::string& folder, const Reference& reference) {
  Row row;
  row.name = fs::path(folder).filename();
  const std::string model = folder + "/model.tflite";
  const auto inputs = numbered(folder, "input");
  const auto ours = run(model, inputs, {}, row.error);
  if (!row.error.empty()) return row;
  const auto golden = numbered(folder, "output");
  REQUIRE(golden.size() == ours.size());
  row.float_error = relative_error(ours, golden);
  const auto sqnr = [&](const std::string& variant) { return find(reference.sqnr, row.name + variant); };
  const auto mismatch = [&](const std::string& variant) {
    return find(reference.mismatch, row.name + variant);
  };
  // Additions and products have figures in a form of their own.
  const auto own = [&](const std::string& plain, const std::string& functional) {
    const auto f = sqnr(plain);
    return text_of(f ? f : sqnr(functional), mismatch(plain));
  };
  row.pytorch = own("", "#ff");
  row.bits8 = own("#8bit", "#ff8bit");
  row.sim8 = text_of(sqnr("#sim8"), mismatch("#sim8"));
  for (const char* variant : {"", "#8bit", "#ff8bit", "#fx8bit", "#pertensor8bit"})
    if (const auto f = sqnr(variant)) row.bar = std::max(row.bar.value_or(*f), *f);
  const bool has_figure = row.bar || !row.sim8.empty() || !row.pytorch.empty();
  if (!row.bar && sqnr("#sim8")) row.bar = *sqnr("#sim8") - 1;
  if (row.bar && row.name.starts_with("net-")) row.bar = *row.bar + 1;
  row.most_mismatch = mismatch("");
  if (!row.most_mismatch) row.most_mismatch = mismatch("#sim8");

  const auto calibration = numbered(folder, "calib");
  if (calibration.empty()) return row;
  test::TempFolder made;
  std::vector<std::string> args = {"quantize", model, "-o", made / "q.tflite", "--json"};
  for (const std::string& x : calibration)
    args.insert(args.end(), {"--data", x});
  const test::Outcome outcome = test::octet(args);
  if (outcome.code != 0) {
    row.error = outcome.err;
    return row;
  }
  row.ops_float = outcome.json().value("ops_float", -1);
  const auto count = reference.samples.find(row.name);
  const auto samples =
      evaluation_files(folder, count == reference.samples.end() ? kOperatorSamples : count->second, made);
  const auto real = run(model, samples, {}, row.error);
  const auto quantized = run(made / "q.tflite", samples, {"--dequantize"}, row.error);
  if (!row.error.empty()) return row;
  row.float_error = std::max(row.float_error, relative_error(real, numbered(folder, "eval_output")));
  measure(real, quantized, row);
  if (!has_figure) {
    Row simulated;
    simulated.name = row.name;
    simulate(model, calibration, samples, real, simulated);
    row.error = simulated.error;
    row.sim8 = fmt::format("({})", text_of(simulated.sqnr, simulated.mismatch));
    if (simulated.sqnr) row.bar = *simulated.sqnr - 1;
    row.most_mismatch = simulated.mismatch;
  }
  return row;
}

std::string text_of(const Row& r, const std::string& cause) {
  if (!r.error.empty()) return fmt::format("| {} | {} | | | | | | |", r.name, r.error);
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |", r.name,
                     r.float_error <= kFloatLimit ? "≤ 1e-5" : fmt::format("{:.1e}", r.float_error),
                     text_of(r.sqnr, r.mismatch), r.pytorch, r.bits8, r.sim8, r.ops_float,
                     r.reached()     ? ""
                     : cause.empty() ? "?"
                                     : cause);
}

struct Written {
  std::optional<double> sqnr;
  std::string ops_float, cause;
};

bool is_rule(const std::string& line) {
  return line.starts_with("|---");
}

// The page's lines, and by name what its rows say.
std::vector<std::string> read_page(const std::string& path, std::map<std::string, Written>& rows) {
  std::ifstream in(path);
  REQUIRE_MESSAGE(in.good(), path);
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (is_rule(line)) {
      inside = true;
      continue;
    }
    if (inside && line.empty()) inside = false;
    if (!inside) continue;
    std::vector<std::string> cells;
    for (size_t at = 1; at < line.size();) {
      const size_t end = std::min(line.find('|', at), line.size());
      std::string cell = line.substr(at, end - at);
      cell.erase(0, cell.find_first_not_of(' '));
      cell.erase(cell.find_last_not_of(' ') + 1);
      cells.push_back(cell);
      at = end + 1;
    }
    REQUIRE_MESSAGE(cells.size() == 8, line);
    Written w{std::nullopt, cells[6], cells[7] == "?" ? "" : cells[7]};
    char* rest = nullptr;
    const double v = std::strtod(cells[2].c_str(), &rest);
    if (rest != cells[2].c_str() && *rest == '\0') w.sqnr = v;
    rows[cells[0]] = w;
  }
  return lines;
}

}  // namespace

TEST_CASE("real models: docs/PYTORCH.md says how int8 compares with PyTorch's") {
  const char *models = std::getenv("OCTET_MODELS"), *root = std::getenv("OCTET_SOURCE_ROOT");
  if (models == nullptr) {
    MESSAGE("SKIPPED: OCTET_MODELS is not set");
    return;
  }
  if (std::getenv("OCTET_EMULATED") != nullptr) {
    MESSAGE("SKIPPED: too slow under emulation");
    return;
  }
  const std::string page = std::string(root != nullptr ? root : ".") + "/docs/PYTORCH.md";
  const bool write = std::getenv("OCTET_WRITE_TABLE") != nullptr;
  const bool print = std::getenv("OCTET_PRINT_TABLE") != nullptr;
  std::map<std::string, Written> written;
  const auto lines = read_page(page, written);

  const std::string base = std::string(models) + "/pytorch";
  const Reference reference = read_reference(base + "/reference.csv");
  REQUIRE(reference.sqnr.size() > 100);
  std::vector<std::vector<std::string>> tables;
  for (const std::string kind : {"ops", "nets"}) {
    std::vector<std::string> folders;
    for (const auto& entry : fs::directory_iterator(base + "/" + kind))
      if (fs::exists(entry.path() / "input_0.npy")) folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    std::vector<std::string>& table = tables.emplace_back();
    for (const std::string& folder : folders) {
      const Row r = row_of(folder, reference);
      const Written& w = written[r.name];
      table.push_back(text_of(r, w.cause));
      if (print) fmt::print("{}\n", table.back());
      if (write || print) continue;
      CAPTURE(r.name);
      CHECK(r.error == "");
      CHECK(r.float_error <= kFloatLimit);
      CHECK(std::to_string(r.ops_float) == w.ops_float);
      // Float kernels of other CPUs round otherwise, and quantized data with them.
      if (r.sqnr && *r.sqnr < kExact) {
        REQUIRE(w.sqnr);
        CHECK(*r.sqnr >= *w.sqnr - 0.5);
      }
      CHECK((!r.sqnr || r.bar));
      CHECK((!r.mismatch || r.most_mismatch));
      if (w.cause.empty())
        CHECK_MESSAGE((r.reached() || (r.sqnr && *r.sqnr >= *r.bar - 0.5)),
                      r.sqnr.value_or(0) << " < " << r.bar.value_or(0));
    }
  }
  if (!write) return;
  std::ofstream out(page);
  size_t next = 0;
  bool inside = false;
  for (const std::string& line : lines) {
    if (inside && line.empty()) inside = false;
    if (inside) continue;
    out << line << '\n';
    if (!is_rule(line)) continue;
    for (const std::string& row : tables.at(next++))
      out << row << '\n';
    inside = true;
  }
}
