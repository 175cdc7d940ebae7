#include "cli/quality.hpp"

#include <fmt/format.h>

namespace octet {

Json errors_json(const std::vector<TensorError>& errors) {
  Json list = Json::array();
  for (const TensorError& e : errors)
    list.push_back({{"name", e.name},
                    {"sqnr_db", e.sqnr_db},
                    {"cosine", e.cosine},
                    {"max_abs", e.max_abs},
                    {"mean_abs", e.mean_abs},
                    {"mismatch", e.mismatch},
                    {"real", e.real}});
  return list;
}

std::string errors_table(const std::vector<TensorError>& errors, const std::string& what, size_t most) {
  Table table({what, ">SQNR dB", ">cosine", ">max error", ">mean error", ">differ"});
  for (size_t i = 0; i < errors.size() && i < most; ++i) {
    const TensorError& e = errors[i];
    const std::string differ = fmt::format("{:.2f} %", 100 * e.mismatch);
    if (e.real)
      table.add({shorten(e.name), e.sqnr_db >= kExactDb ? "equal" : fmt::format("{:.2f}", e.sqnr_db),
                 fmt::format("{:.6f}", e.cosine), fmt::format("{:.4g}", e.max_abs),
                 fmt::format("{:.4g}", e.mean_abs), differ});
    else
      table.add({shorten(e.name), "-", "-", "-", "-", differ});
  }
  return table.text();
}

}  // namespace octet
