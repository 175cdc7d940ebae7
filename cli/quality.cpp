#include "cli/quality.hpp"

#include <fmt/format.h>

namespace octet {
namespace {

std::string db_text(double db) {
  return db >= kExactDb ? "equal" : fmt::format("{:.2f}", db);
}

// The pieces of a joined output, or the one channel that is worst.
void add_parts(const TensorError& e, Table& table) {
  const bool channels = !e.parts.empty() && e.parts[0].name.starts_with("channel ");
  for (const PartError& p : e.parts)
    if (!channels || (p.sqnr_db == e.worst_db() && p.sqnr_db < e.sqnr_db))
      table.add({"  " + shorten(p.name), db_text(p.sqnr_db), "", "", "", ""});
}

}  // namespace

Json worst_json(const Comparison& c) {
  return {{"output", c.worst.output}, {"part", c.worst.part}, {"sqnr_db", c.worst.sqnr_db}};
}

Json errors_json(const std::vector<TensorError>& errors) {
  Json list = Json::array();
  for (const TensorError& e : errors) {
    Json parts = Json::array();
    for (const PartError& p : e.parts)
      parts.push_back({{"name", p.name}, {"sqnr_db", p.sqnr_db}});
    list.push_back({{"name", e.name},
                    {"sqnr_db", e.sqnr_db},
                    {"cosine", e.cosine},
                    {"max_abs", e.max_abs},
                    {"mean_abs", e.mean_abs},
                    {"mismatch", e.mismatch},
                    {"real", e.real},
                    {"parts", parts}});
  }
  return list;
}

std::string errors_table(const std::vector<TensorError>& errors, const std::string& what, size_t most) {
  Table table({what, ">SQNR dB", ">cosine", ">max error", ">mean error", ">differ"});
  for (size_t i = 0; i < errors.size() && i < most; ++i) {
    const TensorError& e = errors[i];
    const std::string differ = fmt::format("{:.2f} %", 100 * e.mismatch);
    if (e.real) {
      table.add({shorten(e.name), db_text(e.sqnr_db), fmt::format("{:.6f}", e.cosine),
                 fmt::format("{:.4g}", e.max_abs), fmt::format("{:.4g}", e.mean_abs), differ});
      add_parts(e, table);
    } else {
      table.add({shorten(e.name), "-", "-", "-", "-", differ});
    }
  }
  return table.text();
}

}  // namespace octet
