// What the verbs of the command line have in common: how they are declared, what they share, how they report.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "cli/options.hpp"
#include "octet/status.hpp"

namespace octet {

using Json = nlohmann::ordered_json;

// One call of the program.
class Context {
 public:
  bool json = false;  // --json

  // The error of a command line that can't be carried out as written: the exit code becomes 2.
  Status misuse(std::string message) {
    misused_ = true;
    return Status::invalid(std::move(message));
  }
  bool misused() const { return misused_; }

 private:
  bool misused_ = false;
};

using Action = std::function<Status(Context&)>;

// A verb: `add` declares its options and returns what carries it out.
struct Verb {
  std::string_view name, summary;
  Action (*add)(Options& options);
};

Action add_inspect(Options& options);
Action add_run(Options& options);
Action add_calibrate(Options& options);
Action add_quantize(Options& options);
Action add_evaluate(Options& options);
Action add_compare(Options& options);
Action add_bench(Options& options);
Action add_convert(Options& options);
Action add_extract(Options& options);
Action add_implant(Options& options);

// The whole program; what main() returns: 0 done, 1 failed, 2 misuse.
int run_octet(int argc, const char* const* argv);

// --- Output ---

// A line (or document) on stdout; a failure to write is remembered and reported at the end.
void print(std::string_view text);
void print_json(const Json& document);

// A table on stdout. Columns are as wide as their widest cell; a header that starts with '>' aligns its
// column to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  std::string text() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// The end of a name that is too long for a table, where names differ most.
std::string shorten(const std::string& name, size_t most = 48);
// "3.2 MB", "12.5 kB"; powers of ten.
std::string bytes_text(int64_t bytes);
// "1,234,567"
std::string count_text(int64_t n);

// A bar on stderr while something takes long; silent unless stderr is a terminal.
class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void update(int64_t done, int64_t total);  // total -1: unknown

 private:
  std::string what_;
  bool visible_, drawn_ = false;
  int64_t last_ms_ = -1000, start_ms_;
};

}  // namespace octet
