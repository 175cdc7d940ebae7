#include "cli/bench_report.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace octet {
namespace {

Json latency_json(const Latency& l) {
  return {{"min", l.min},
          {"median", l.median},
          {"mean", l.mean},
          {"p90", l.p90},
          {"p99", l.p99},
          {"stddev", l.stddev},
          {"ci95", Json::array({l.low, l.high})}};
}

double gmacs_of(const Subject& s) {
  const double median = latency_of(s.us).median;
  return median > 0 ? static_cast<double>(s.macs) / median / 1000 : 0;
}

Json subject_json(const Subject& s, const BenchArgs& args, double peak) {
  const Latency l = latency_of(s.us);
  double sum = 0;
  for (const StepTime& t : s.steps)
    sum += latency_of(t.us).median;
  Json ops = Json::array();
  for (size_t i = 0; i < s.steps.size(); ++i) {
    const StepTime& t = s.steps[i];
    const double us = latency_of(t.us).median;
    ops.push_back({{"index", i},
                   {"kind", t.kind},
                   {"name", t.name},
                   {"kernel", t.kernel},
                   {"us", us},
                   {"share", sum > 0 ? us / sum : 0},
                   {"macs", t.macs},
                   {"gmacs_per_s", us > 0 ? static_cast<double>(t.macs) / us / 1000 : 0}});
  }
  const Plan& plan = s.exec->plan();
  return {{"model", s.path},
          {"threads", args.exec.threads},
          {"backend", args.exec.backend},
          {"load_us", s.load_us},
          {"first_us", s.first_us},
          {"runs", s.us.size()},
          {"latency_us", latency_json(l)},
          {"macs", s.macs},
          {"gmacs_per_s", gmacs_of(s)},
          {"peak_gmacs_per_s", peak > 0 ? Json(peak) : Json(nullptr)},
          {"share_of_peak", peak > 0 ? Json(gmacs_of(s) / peak) : Json(nullptr)},
          {"arena_bytes", plan.arena_bytes()},
          {"arena_lower_bound", plan.arena_lower_bound()},
          {"model_bytes", s.model->file_bytes()},
          {"peak_rss_bytes", s.peak_rss},
          {"outside_kernels", s.steps.empty() ? Json(nullptr) : Json(s.outside_share)},
          {"ops", ops}};
}

// How much longer B takes than A: the median of the rounds' ratios, with its interval.
Latency ratio_of(const Subject& a, const Subject& b) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(a.us.size(), b.us.size()); ++i)
    ratios.push_back(b.us[i] / a.us[i]);
  return latency_of(ratios);
}

std::string machine_text(const MachineState& before, const MachineState& after, const BenchArgs& args) {
  std::string text =
      fmt::format("{} thread{}, {}", args.exec.threads, args.exec.threads == 1 ? "" : "s", args.exec.backend);
  if (!before.governor.empty()) text += ", governor " + before.governor;
  if (before.mhz && after.mhz) text += fmt::format(", {:.0f} -> {:.0f} MHz", *before.mhz, *after.mhz);
  if (before.celsius && after.celsius)
    text += fmt::format(", {:.0f} -> {:.0f} C", *before.celsius, *after.celsius);
  text += fmt::format(", load {:.1f} before", before.load);
  if (before.load > 0.5) text += " (other work disturbs the measurement)";
  return text;
}

void print_profile(const Subject& s) {
  Table table({">#", "kind", "name", "kernel", ">us", ">share", ">MACs", ">GMAC/s"});
  double sum = 0;
  for (const StepTime& t : s.steps)
    sum += latency_of(t.us).median;
  for (size_t i = 0; i < s.steps.size(); ++i) {
    const StepTime& t = s.steps[i];
    if (t.kernel == "none") continue;
    const double us = latency_of(t.us).median;
    table.add({std::to_string(i), t.kind, shorten(t.name), t.kernel, fmt::format("{:.1f}", us),
               fmt::format("{:.1f} %", sum > 0 ? 100 * us / sum : 0), count_text(t.macs),
               t.macs > 0 ? fmt::format("{:.1f}", static_cast<double>(t.macs) / us / 1000) : ""});
  }
  print(fmt::format("\n{}\n{}\noutside of kernels {:.1f} %", s.path, table.text(), 100 * s.outside_share));
}

}  // namespace

void print_bench(const BenchResult& result, const BenchArgs& args) {
  const auto& [subjects, before, after, peak] = result;
  print(machine_text(before, after, args));
  Table table({"model", ">load ms", ">first ms", ">min ms", ">median ms", "95 % interval", ">mean ms",
               ">p90 ms", ">p99 ms", ">runs", ">GMAC/s", ">arena", ">peak RSS"});
  for (const Subject& s : subjects) {
    const Latency l = latency_of(s.us);
    const auto ms = [](double us) { return fmt::format("{:.3f}", us / 1000); };
    table.add({s.path, ms(s.load_us), ms(s.first_us), ms(l.min), ms(l.median), ms(l.low) + " - " + ms(l.high),
               ms(l.mean), ms(l.p90), ms(l.p99), std::to_string(s.us.size()),
               fmt::format("{:.2f}", gmacs_of(s)), bytes_text(s.exec->plan().arena_bytes()),
               bytes_text(s.peak_rss)});
  }
  print(table.text());
  for (size_t i = 1; args.versus && i < subjects.size(); ++i) {
    const Latency r = ratio_of(subjects[0], subjects[i]);
    print(fmt::format("{} takes {:.3f} (95 % interval {:.3f} - {:.3f}) times as long as {}", subjects[i].path,
                      r.median, r.low, r.high, subjects[0].path));
  }
  for (const Subject& s : subjects)
    if (peak > 0)
      print(fmt::format("{} reaches {:.1f} % of the int8 peak, {:.1f} GMAC/s", s.path,
                        100 * gmacs_of(s) / peak, peak));
  for (const Subject& s : subjects)
    if (!s.steps.empty()) print_profile(s);
}

Json bench_json(const BenchResult& result, const BenchArgs& args) {
  const auto& [subjects, before, after, peak] = result;
  const Json machine = {{"before", to_json(before)}, {"after", to_json(after)}};
  if (subjects.size() == 1) {
    Json doc = subject_json(subjects[0], args, peak);
    doc["machine"] = machine;
    return doc;
  }
  Json doc = {{"models", Json::array()}, {"machine", machine}};
  for (const Subject& s : subjects)
    doc["models"].push_back(subject_json(s, args, peak));
  for (size_t i = 1; args.versus && i < subjects.size(); ++i) {
    const Latency r = ratio_of(subjects[0], subjects[i]);
    doc["ratios"].push_back({{"model", subjects[i].path},
                             {"to", subjects[0].path},
                             {"median", r.median},
                             {"ci95", Json::array({r.low, r.high})}});
  }
  return doc;
}

}  // namespace octet
