// The report page of quantize: no scripts, no external files, plots as inline SVG.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "cli/report.hpp"

namespace octet {
namespace {

std::string escape(const std::string& s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

constexpr int kRow = 18, kLabel = 320, kPlot = 520;

std::string svg_open(size_t rows) {
  return fmt::format("<svg width='{}' height='{}' role='img'>\n", kLabel + kPlot + 90,
                     static_cast<int>(rows) * kRow + 4);
}

std::string svg_label(size_t row, const std::string& name) {
  constexpr size_t kMost = 46;
  const std::string shown = name.size() <= kMost ? name : "…" + name.substr(name.size() - kMost + 1);
  return fmt::format("<text x='{}' y='{}' text-anchor='end'>{}<title>{}</title></text>\n", kLabel - 6,
                     static_cast<int>(row) * kRow + 13, escape(shown), escape(name));
}

// Red below 10 dB, green from 40 dB.
std::string color_of(double db) {
  const double hue = std::clamp((db - 10) / 30, 0.0, 1.0) * 120;
  return fmt::format("hsl({:.0f},60%,50%)", hue);
}

std::string sqnr_plot(const std::vector<TensorError>& layers) {
  std::vector<const TensorError*> real;
  for (const TensorError& e : layers)
    if (e.real) real.push_back(&e);
  if (real.empty()) return "<p>Nothing to compare.</p>\n";
  constexpr double kFullScale = 60;
  std::string svg = svg_open(real.size());
  for (size_t i = 0; i < real.size(); ++i) {
    const double db = real[i]->sqnr_db;
    const double width = std::clamp(db / kFullScale, 0.004, 1.0) * kPlot;
    const int y = static_cast<int>(i) * kRow;
    svg += svg_label(i, real[i]->name);
    svg += fmt::format("<rect x='{}' y='{}' width='{:.1f}' height='{}' fill='{}'/>\n", kLabel, y + 2, width,
                       kRow - 4, color_of(db));
    svg += fmt::format("<text x='{:.1f}' y='{}'>{}</text>\n", kLabel + width + 5, y + 13,
                       db >= kExactDb ? "equal" : fmt::format("{:.1f} dB", db));
  }
  return svg + "</svg>\n";
}

// Magnitudes span decades, so that positions are on a scale that is linear around 0 and logarithmic outside.
double position(double v, double unit) {
  return std::copysign(std::log1p(std::abs(v) / unit), v);
}

std::string range_plot(const Statistics& statistics, const std::string& observer) {
  const auto ranges = statistics.ranges(observer);
  if (!ranges.ok() || ranges->empty()) return "<p>No calibration.</p>\n";
  double most = 0, least = INFINITY;
  for (const TensorRange& t : *ranges) {
    const double m = std::max(std::abs(static_cast<double>(t.min)), std::abs(static_cast<double>(t.max)));
    most = std::max(most, m);
    if (m > 0) least = std::min(least, m);
  }
  if (most == 0) return "<p>All values were 0.</p>\n";
  const double unit = std::max(least / 4, most * 1e-6), half = position(most, unit);
  const auto x = [&](double v) { return kLabel + kPlot / 2.0 * (1 + position(v, unit) / half); };
  std::string svg = svg_open(ranges->size());
  size_t row = 0;
  for (const TensorRange& t : *ranges) {
    const int y = static_cast<int>(row) * kRow;
    svg += svg_label(row, t.name);
    svg += fmt::format("<rect x='{:.1f}' y='{}' width='{:.1f}' height='{}' fill='#9bd'/>\n", x(t.range_min),
                       y + 3, std::max(x(t.range_max) - x(t.range_min), 1.0), kRow - 6);
    svg += fmt::format(
        "<path d='M{0:.1f} {2} v6 M{0:.1f} {3} H{1:.1f} M{1:.1f} {2} v6' stroke='#246' fill='none'/>\n",
        x(t.min), x(t.max), y + 6, y + 9);
    svg += fmt::format("<text x='{}' y='{}'>{:.3g} … {:.3g}</text>\n", kLabel + kPlot + 5, y + 13,
                       t.range_min, t.range_max);
    ++row;
  }
  svg += fmt::format("<path d='M{0} 0 V{1}' stroke='#888' stroke-dasharray='2 2'/>\n", kLabel + kPlot / 2,
                     static_cast<int>(row) * kRow);
  return svg + "</svg>\n";
}

std::string rows(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string text = "<table>\n";
  for (const auto& [name, value] : pairs)
    text += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escape(name), escape(value));
  return text + "</table>\n";
}

}  // namespace

std::string html_report(const QuantizeSummary& s) {
  const QuantizeReport& r = s.report;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"source", fmt::format("{} ({})", s.input, bytes_text(s.input_bytes))},
      {"result", fmt::format("{} ({})", s.output, bytes_text(s.output_bytes))},
      {"scheme", fmt::format("{}, observer {}", name_of(s.recipe.scheme), s.recipe.observer)},
      {"calibrated on", fmt::format("{} samples", r.calibration_samples)},
      {"operators", r.ops_int16 > 0 ? fmt::format("{} in int16, {} in int8, {} in float", r.ops_int16,
                                                  r.ops_int8, r.ops_float)
                                    : fmt::format("{} in int8, {} in float", r.ops_int8, r.ops_float)}};
  if (r.error)
    facts.emplace_back(
        "error", fmt::format("{:.2f} dB SQNR on {} samples", r.measured_on.sqnr_db, r.measured_on.samples));
  if (r.error && r.error->sqnr_db != r.measured_on.sqnr_db)
    facts.emplace_back("error expected on unseen samples", fmt::format("{:.2f} dB SQNR", r.error->sqnr_db));
  if (s.scores && s.scores->top1)
    facts.emplace_back("top-1", fmt::format("{:.2f} % (float {:.2f} %)", 100 * *s.scores->top1,
                                            100 * *s.scores->against_top1));
  std::vector<std::pair<std::string, std::string>> fallback, findings, fusions;
  for (const Fallback& f : r.fallback)
    fallback.emplace_back(f.op, fmt::format("{} in {}: {}", f.kind,
                                            f.type == DType::float32 ? "float" : name_of(f.type), f.reason));
  for (const Finding& f : r.findings)
    findings.emplace_back(f.where, f.what);
  for (const auto& [rule, n] : r.fusions)
    fusions.emplace_back(rule, std::to_string(n));
  std::string page =
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>Quantization "
      "report</title>\n<style>body{font:14px sans-serif;margin:2em;max-width:70em}svg text{font:11px "
      "sans-serif}table{border-collapse:collapse}th,td{text-align:left;padding:2px 12px 2px "
      "0;vertical-align:top}th{font-weight:normal;color:#555}</style></head><body>\n<h1>Quantization "
      "report</h1>\n";
  page += rows(facts);
  if (r.error)
    page +=
        "<h2>Error per layer</h2>\n<p>Signal to quantization noise ratio of each tensor that both models "
        "have, worst first.</p>\n" +
        sqnr_plot(r.error->layers);
  page +=
      "<h2>Ranges</h2>\n<p>Lines: values seen. Bars: the range that is quantized. The scale is linear around "
      "0 and logarithmic outside.</p>\n" +
      range_plot(s.statistics, s.recipe.observer);
  if (!fallback.empty()) page += "<h2>Other types than the scheme's</h2>\n" + rows(fallback);
  if (!findings.empty()) page += "<h2>Notes</h2>\n" + rows(findings);
  if (!fusions.empty()) page += "<h2>Fusions</h2>\n" + rows(fusions);
  return page + "</body></html>\n";
}

}  // namespace octet
