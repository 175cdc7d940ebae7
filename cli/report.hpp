// What quantize tells about its result: for people, for scripts, and as a page with plots.
#pragma once

#include <optional>
#include <string>

#include "cli/classify.hpp"
#include "cli/command.hpp"
#include "octet/quantize.hpp"

namespace octet {

// A graph of the result that has an entry of its own.
struct QuantizedEntry {
  std::string signature;  // empty: the main graph, and none names it
  int ops_int8 = 0, ops_int16 = 0, ops_float = 0;
  std::optional<double> sqnr_db;
};

struct QuantizeSummary {
  std::string input, output;  // paths
  int64_t input_bytes = 0, output_bytes = 0;
  Recipe recipe;
  Statistics statistics;
  QuantizeReport report;  // of all entries together; its figures are those of the first, `worst` is of all
  std::vector<QuantizedEntry> entries;
  std::optional<Scores> scores;  // with --max-drop, on the held-out samples
  int64_t passes = 0;            // over the data; 0: there was none
  std::optional<Model> result;
  double seconds = 0;
};

Json summary_json(const QuantizeSummary& s, bool explain);
std::string summary_text(const QuantizeSummary& s, bool explain);
// One self-contained HTML file.
std::string html_report(const QuantizeSummary& s);

}  // namespace octet
