#include "cli/command.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace octet {
namespace {

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

// Columns that a text takes on a terminal, counting UTF-8 sequences as one.
size_t width_of(std::string_view s) {
  return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void print_json(const Json& document) {
  // Names in models need not be UTF-8.
  print(document.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string Table::text() const {
  std::vector<size_t> width;
  std::vector<bool> right;
  for (const std::string& h : header_) {
    right.push_back(h.starts_with('>'));
    width.push_back(width_of(h) - (right.back() ? 1 : 0));
  }
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size() && i < width.size(); ++i)
      width[i] = std::max(width[i], width_of(row[i]));
  std::string text;
  const auto line = [&](const std::vector<std::string>& row, bool is_header) {
    std::string out;
    for (size_t i = 0; i < row.size() && i < width.size(); ++i) {
      std::string_view cell = row[i];
      if (is_header && right[i]) cell.remove_prefix(1);
      const std::string pad(width[i] - width_of(cell), ' ');
      out += fmt::format("{}{}{}{}", i == 0 ? "" : "  ", right[i] ? pad : "", cell, right[i] ? "" : pad);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    text += (text.empty() ? "" : "\n") + out;
  };
  line(header_, true);
  for (const auto& row : rows_)
    line(row, false);
  return text;
}

std::string shorten(const std::string& name, size_t most) {
  return name.size() <= most ? name : "..." + name.substr(name.size() - most + 3);
}

std::string bytes_text(int64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (b >= 1e9) return fmt::format("{:.2f} GB", b / 1e9);
  if (b >= 1e6) return fmt::format("{:.2f} MB", b / 1e6);
  if (b >= 1e3) return fmt::format("{:.1f} kB", b / 1e3);
  return fmt::format("{} B", bytes);
}

std::string count_text(int64_t n) {
  std::string digits = fmt::format("{}", n);
  for (size_t i = digits.size(); i > 3 + (n < 0 ? 1u : 0u); i -= 3)
    digits.insert(i - 3, ",");
  return digits;
}

ProgressBar::ProgressBar(std::string what)
    : what_(std::move(what)), visible_(::isatty(STDERR_FILENO) == 1), start_ms_(now_ms()) {}

ProgressBar::~ProgressBar() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
}

void ProgressBar::update(int64_t done, int64_t total) {
  const int64_t now = now_ms();
  // What is over at once needs no bar.
  if (!visible_ || now - start_ms_ < 200 || now - last_ms_ < 100) return;
  last_ms_ = now;
  drawn_ = true;
  if (total <= 0) {
    fmt::print(stderr, "\r\x1b[K{} {}", what_, done);
    return;
  }
  constexpr int64_t kCells = 30;
  const int64_t full = std::clamp<int64_t>(done * kCells / total, 0, kCells);
  const double left = static_cast<double>(now - start_ms_) / 1000 * static_cast<double>(total - done) /
                      static_cast<double>(std::max<int64_t>(done, 1));
  fmt::print(stderr, "\r\x1b[K{} [{}{}] {}/{}, {:.0f} s left", what_,
             std::string(static_cast<size_t>(full), '#'),
             std::string(static_cast<size_t>(kCells - full), '.'), done, total, left);
}

}  // namespace octet
