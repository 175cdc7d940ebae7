#include "cli/data/labels.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <map>

#include "cli/data/npy.hpp"
#include "octet/convert.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr int64_t kMaxText = int64_t{1} << 28;

std::string trim(const std::string& s) {
  const size_t a = s.find_first_not_of(" \t\r"), b = s.find_last_not_of(" \t\r");
  return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(trim(text.substr(at, end - at)));
    at = end + 1;
  }
  while (!lines.empty() && lines.back().empty())
    lines.pop_back();
  return lines;
}

std::optional<int64_t> integer_of(const std::string& s) {
  int64_t v = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (s.empty() || error != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return v;
}

std::string base_name(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

Result<std::vector<int64_t>> from_npy(const std::string& path) {
  OCTET_ASSIGN(auto source, open_file(path));
  OCTET_ASSIGN(NpyArray array, NpyArray::open(std::move(source)).at(path));
  const NpyHeader& h = array.header();
  if (std::count_if(h.dims.begin(), h.dims.end(), [](int64_t d) { return d != 1; }) > 1)
    return Status::invalid(
        fmt::format("{}: labels are one class index per sample; the shape is {}", path, dims_text(h.dims)));
  if (h.elements() > kMaxText) return Status::exhausted(path + ": too many labels");
  std::vector<std::byte> raw(static_cast<size_t>(h.elements() * bytes_of(h.dtype)));
  OCTET_TRY(array.read(0, raw).at(path));
  std::vector<int64_t> labels(static_cast<size_t>(h.elements()));
  TensorView out{labels.data(), DType::int64, Shape{static_cast<int32_t>(labels.size())}, {}};
  OCTET_TRY(convert_elements(raw, h.dtype, out).at(path));
  return labels;
}

int find_column(const std::vector<std::string>& header, std::initializer_list<std::string_view> names) {
  for (std::string_view n : names)
    for (size_t i = 0; i < header.size(); ++i)
      if (header[i] == n) return static_cast<int>(i);
  return -1;
}

Result<std::vector<int64_t>> from_csv(const std::string& path, const LabelOptions& options,
                                      const std::vector<std::string>& files) {
  OCTET_ASSIGN(const std::string text, read_text(path, kMaxText));
  const std::vector<std::string> lines = lines_of(text);
  if (lines.size() < 2) return Status::invalid(path + ": no labels");
  const std::vector<std::string> header = split_csv(lines[0]);
  const int column = !options.column.empty() ? find_column(header, {options.column})
                     : header.size() == 1    ? 0
                                             : find_column(header, {"label", "class", "target", "y"});
  if (column < 0)
    return Status::invalid(fmt::format("{}: no column '{}' in '{}'; choose one with --label-column", path,
                                       options.column.empty() ? "label" : options.column, lines[0]));
  const int file_column = files.empty() ? -1 : find_column(header, {"file", "filename", "image", "path"});
  std::vector<int64_t> in_order;
  std::map<std::string, int64_t> by_name;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = split_csv(lines[i]);
    const auto label = static_cast<size_t>(column) < fields.size()
                           ? integer_of(fields[static_cast<size_t>(column)])
                           : std::nullopt;
    if (!label)
      return Status::invalid(fmt::format("{}: line {}: no class index in column '{}'", path, i + 1,
                                         header[static_cast<size_t>(column)]));
    in_order.push_back(*label);
    if (file_column >= 0 && static_cast<size_t>(file_column) < fields.size())
      by_name[base_name(fields[static_cast<size_t>(file_column)])] = *label;
  }
  if (file_column < 0) return in_order;
  std::vector<int64_t> labels;
  for (const std::string& f : files) {
    const auto found = by_name.find(base_name(f));
    if (found == by_name.end())
      return Status::invalid(fmt::format("{}: no label for {}", path, base_name(f)));
    labels.push_back(found->second);
  }
  return labels;
}

Result<std::vector<int64_t>> from_text(const std::string& path) {
  OCTET_ASSIGN(const std::string text, read_text(path, kMaxText));
  std::vector<int64_t> labels;
  for (const std::string& line : lines_of(text)) {
    const auto v = integer_of(line);
    if (!v)
      return Status::invalid(
          fmt::format("{}: line {}: '{}' is no class index", path, labels.size() + 1, line));
    labels.push_back(*v);
  }
  return labels;
}

}  // namespace

std::vector<std::string> split_csv(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      fields.back() += line[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else
      fields.back() += c;
  }
  for (std::string& f : fields)
    f = trim(f);
  return fields;
}

Result<std::vector<int64_t>> read_labels(const std::string& path, const LabelOptions& options,
                                         const std::vector<std::string>& files) {
  const std::string ext = extension_of(path);
  OCTET_ASSIGN(std::vector<int64_t> labels, ext == ".npy"   ? from_npy(path)
                                            : ext == ".csv" ? from_csv(path, options, files)
                                                            : from_text(path));
  for (int64_t& l : labels)
    l += options.offset;
  return labels;
}

Result<std::vector<std::string>> read_class_names(const std::string& path) {
  OCTET_ASSIGN(const std::string text, read_text(path, kMaxText));
  std::vector<std::string> names = lines_of(text);
  if (names.empty()) return Status::invalid(path + ": no class names");
  return names;
}

}  // namespace octet
