#include "cli/report.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "cli/quality.hpp"

namespace octet {
namespace {

constexpr size_t kWorstShown = 5;

// One row per operator of the result: what it computes in, and how its output is quantized.
Table explain_table(const QuantizeSummary& s) {
  std::map<std::string, std::string> reasons;
  for (const Fallback& f : s.report.fallback)
    reasons[f.op] = f.reason;
  Table table({">#", "kind", "name", "type", "output quantization", "why"});
  const GraphInfo g = s.result->graph();
  for (size_t i = 0; i < g.operators.size(); ++i) {
    const OperatorInfo& op = g.operators[i];
    std::string type, quant;
    if (!op.outputs.empty() && op.outputs[0] >= 0) {
      const TensorInfo& v = g.tensors[static_cast<size_t>(op.outputs[0])];
      type = name_of(v.dtype);
      if (v.quant && !v.quant.is_per_channel())
        quant = fmt::format("{:.6g} ({}{})", v.quant.scale(), v.quant.zero_point() < 0 ? "" : "+",
                            v.quant.zero_point());
    }
    const auto why = reasons.find(op.name);
    table.add(
        {std::to_string(i), op.kind, shorten(op.name), type, quant, why == reasons.end() ? "" : why->second});
  }
  return table;
}

std::string measured_on(const QuantizeReport& r) {
  return fmt::format("{} {}samples", r.measured_on.samples,
                     r.measured_on.held_out ? "held-out " : "calibration ");
}

// How the data was used.
std::string data_text(const QuantizeSummary& s) {
  const Statistics& d = s.statistics;
  if (d.samples() + d.held_out() == 0) return {};
  return fmt::format(
      "data: {} samples{}: {} to work with ({} corrected rounding, {} chose), {} held out to measure on\n",
      d.samples() + d.held_out(),
      s.passes > 0 ? fmt::format(", read {} time{}", s.passes, s.passes == 1 ? "" : "s") : "", d.samples(),
      d.correction_samples(), d.selection_samples(), d.held_out());
}

}  // namespace

Json summary_json(const QuantizeSummary& s, bool explain) {
  const QuantizeReport& r = s.report;
  Json fallback = Json::array(), findings = Json::array(), fusions = Json::object(), entries = Json::array();
  for (const QuantizedEntry& e : s.entries)
    entries.push_back({{"signature", e.signature},
                       {"ops_int8", e.ops_int8},
                       {"ops_int16", e.ops_int16},
                       {"ops_float", e.ops_float},
                       {"sqnr_db", e.sqnr_db ? Json(*e.sqnr_db) : Json(nullptr)}});
  for (const Fallback& f : r.fallback)
    fallback.push_back({{"op", f.op}, {"kind", f.kind}, {"type", name_of(f.type)}, {"reason", f.reason}});
  for (const Finding& f : r.findings)
    findings.push_back({{"where", f.where}, {"what", f.what}});
  for (const auto& [rule, n] : r.fusions)
    fusions[rule] = n;
  Json doc = {{"input", s.input},
              {"output", s.output},
              {"scheme", std::string(name_of(s.recipe.scheme))},
              {"observer", s.recipe.observer},
              {"input_bytes", s.input_bytes},
              {"output_bytes", s.output_bytes},
              {"ops_int8", r.ops_int8},
              {"ops_int16", r.ops_int16},
              {"ops_float", r.ops_float},
              {"ops_other", r.ops_other},
              {"ops_float_in_file", r.ops_float_in_file},
              {"reader", std::string(name_of(s.recipe.reader))},
              {"fallback", fallback},
              {"sqnr_db", r.error ? Json(r.error->sqnr_db) : Json(nullptr)},
              {"worst", r.error ? worst_json(*r.error) : Json(nullptr)},
              {"graphs", entries},
              {"fusions", fusions},
              {"calibration_samples", r.calibration_samples},
              {"data_passes", s.passes},
              {"measured_on",
               {{"samples", r.measured_on.samples},
                {"held_out", r.measured_on.held_out},
                {"sqnr_db", r.error ? Json(r.measured_on.sqnr_db) : Json(nullptr)}}},
              {"target_met", r.target_met},
              {"outputs", r.error ? errors_json(r.error->outputs) : Json::array()},
              {"layers", r.error ? errors_json(r.error->layers) : Json::array()},
              {"findings", findings},
              {"keep_float", s.recipe.keep_float},
              {"seconds", s.seconds}};
  if (s.scores)
    doc["accuracy"] = {{"samples", s.scores->samples},
                       {"top1", s.scores->top1 ? Json(*s.scores->top1) : Json(nullptr)},
                       {"float_top1", s.scores->against_top1 ? Json(*s.scores->against_top1) : Json(nullptr)},
                       {"agreement", s.scores->agreement ? Json(*s.scores->agreement) : Json(nullptr)}};
  if (explain) doc["fusion_sites"] = r.fusion_text;
  return doc;
}

std::string summary_text(const QuantizeSummary& s, bool explain) {
  const QuantizeReport& r = s.report;
  Table table({"", ">before", ">after"});
  table.add({"size", bytes_text(s.input_bytes),
             fmt::format("{} ({:.2f} x smaller)", bytes_text(s.output_bytes),
                         static_cast<double>(s.input_bytes) /
                             static_cast<double>(std::max<int64_t>(s.output_bytes, 1)))});
  if (r.ops_int16 > 0) table.add({"ops in int16", "0", std::to_string(r.ops_int16)});
  table.add({"ops in int8", "0", std::to_string(r.ops_int8)});
  table.add(
      {"ops in float", std::to_string(r.ops_int8 + r.ops_int16 + r.ops_float), std::to_string(r.ops_float)});
  if (r.ops_float_in_file > r.ops_float)
    table.add({fmt::format("  for {}", name_of(s.recipe.reader)), "",
               fmt::format("{}, which it has no integer form of", r.ops_float_in_file)});
  if (r.error)
    table.add({"error", "",
               r.error->sqnr_db >= kExactDb ? "none" : fmt::format("{:.2f} dB SQNR", r.error->sqnr_db)});
  if (r.error && r.error->sqnr_db != r.measured_on.sqnr_db)
    table.add({"", "", fmt::format("expected on unseen samples; measured {:.2f} dB", r.measured_on.sqnr_db)});
  std::string text = fmt::format("{} -> {} ({}, {:.1f} s)\n{}\n", s.input, s.output, name_of(s.recipe.scheme),
                                 s.seconds, table.text());
  text += data_text(s);
  if (s.entries.size() > 1)
    for (const QuantizedEntry& e : s.entries)
      text += fmt::format("signature {}: {} ops in int8, {} in int16, {} in float{}\n",
                          e.signature.empty() ? "(main)" : e.signature, e.ops_int8, e.ops_int16, e.ops_float,
                          e.sqnr_db ? fmt::format(", {:.2f} dB", *e.sqnr_db) : "");
  if (s.scores && s.scores->top1)
    text += fmt::format("top-1 {:.2f} % -> {:.2f} % on {} samples\n", 100 * *s.scores->against_top1,
                        100 * *s.scores->top1, s.scores->samples);
  if (s.scores && s.scores->agreement)
    text += fmt::format("same answer as float in {:.2f} % of {} samples\n", 100 * *s.scores->agreement,
                        s.scores->samples);
  if (!r.fusions.empty()) {
    text += "fused:";
    for (const auto& [rule, n] : r.fusions)
      text += fmt::format(" {} x {};", n, rule);
    text.back() = '\n';
  }
  for (const Fallback& f : r.fallback)
    text += fmt::format("in {}: {} {}: {}\n", f.type == DType::float32 ? "float" : name_of(f.type), f.kind,
                        f.op, f.reason);
  for (const Finding& f : r.findings)
    text += fmt::format("note: {}: {}\n", f.where, f.what);
  if (r.error)
    text += fmt::format("\nmeasured on {}\n{}\n", measured_on(r),
                        errors_table(r.error->outputs, "output", SIZE_MAX));
  if (r.error && !r.error->layers.empty())
    text +=
        fmt::format("\n{}\n", errors_table(r.error->layers, explain ? "layer, worst first" : "worst layers",
                                           explain ? SIZE_MAX : kWorstShown));
  if (explain) {
    text += fmt::format("\n{}\n", explain_table(s).text());
    if (!r.fusion_text.empty()) text += fmt::format("\nfusions\n{}\n", r.fusion_text);
  }
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

}  // namespace octet
