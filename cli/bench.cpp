// octet bench: how long models take, measured so that the numbers can be trusted.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <random>

#include "cli/args.hpp"
#include "cli/bench_stats.hpp"
#include "cli/data/convert.hpp"
#include "cli/machine_state.hpp"
#include "cli/model_files.hpp"

namespace octet {
namespace {

struct Args {
  std::vector<std::string> models, files;
  int64_t runs = 0, warmup = -1;  // 0 and -1: as many as it takes
  bool profile = false, versus = false;
  DataArgs data;
  ExecArgs exec;
};

using Clock = std::chrono::steady_clock;
double microseconds_since(Clock::time_point t) {
  return std::chrono::duration<double, std::micro>(Clock::now() - t).count();
}

// One line of the profile: a step, its time in all profiled runs.
struct StepTime {
  std::string kind, name, kernel;
  int64_t macs = 0;
  std::vector<double> us;
};

// A model under test.
struct Subject {
  std::string path;
  ModelPtr model;
  std::vector<InputSpec> inputs;
  std::vector<Shape> shapes;
  std::unique_ptr<SampleBuffers> buffers;
  std::vector<std::vector<std::byte>> random;
  std::vector<ConstTensorView> views;
  std::unique_ptr<Executor> exec;
  double load_us = 0, first_us = 0;
  int64_t macs = 0, peak_rss = 0;
  std::vector<double> us;
  std::vector<StepTime> steps;
  double outside_share = 0;  // of the profiled runs' time that no kernel accounts for

  Result<double> run() {
    const auto start = Clock::now();
    OCTET_TRY(exec->run(views).at(path));
    return microseconds_since(start);
  }
};

// The same numbers in every call. Reals in [-1, 1]; any value of a quantized integer; 0 for indices.
void fill_random(std::vector<std::byte>& bytes, const TensorView& out) {
  std::mt19937 random(42);
  if (is_float(out.dtype)) {
    std::vector<float> values(static_cast<size_t>(out.elements()));
    for (float& v : values)
      v = static_cast<float>(random()) / 2147483648.0f - 1.0f;
    // Any float type takes any float.
    static_cast<void>(convert_elements(std::as_bytes(std::span(values)), DType::float32, out));
  } else if (out.quant && bytes_of(out.dtype) <= 2) {
    for (std::byte& b : bytes)
      b = static_cast<std::byte>(random() & 0xff);
  }
}

Status give_input(Subject& s, const Args& args, const DataOptions& data) {
  if (!args.files.empty()) {
    OCTET_ASSIGN(Dataset set, Dataset::open(args.files, s.inputs, data).at(s.path));
    s.shapes = set.shapes();
    s.buffers = std::make_unique<SampleBuffers>(s.inputs, s.shapes);
    OCTET_TRY(s.buffers->read(set, 0));
    s.views = s.buffers->views();
    return {};
  }
  for (const InputSpec& in : s.inputs) {
    s.shapes.push_back(in.shape);
    s.random.emplace_back(static_cast<size_t>(byte_size(in.dtype, in.shape)) + 64);
    const TensorView view{s.random.back().data(), in.dtype, in.shape, in.quant};
    fill_random(s.random.back(), view);
    s.views.push_back(view);
  }
  return {};
}

int64_t macs_of(const Plan& plan, const Step& step) {
  if (step.spec == nullptr || step.spec->macs == nullptr || step.late) return 0;
  const Node& n = plan.graph.nodes[static_cast<size_t>(step.node)];
  const NodeTensors t = describe(plan.graph, n, plan.shapes);
  return step.spec->macs(t.desc(n));
}

Result<Subject> load_subject(const std::string& path, const Args& args, const DataOptions& data) {
  Subject s;
  s.path = path;
  reset_peak_rss();
  // The data is read in between, outside of what is measured.
  auto start = Clock::now();
  OCTET_ASSIGN(s.model, load_model(path));
  s.load_us = microseconds_since(start);
  s.inputs = input_specs(s.model->main());
  OCTET_TRY(give_input(s, args, data));
  ExecutorOptions options = args.exec.options();
  if (!args.files.empty()) options.input_shapes = s.shapes;
  start = Clock::now();
  OCTET_ASSIGN(s.exec, Executor::create(*s.model, options));
  s.load_us += microseconds_since(start);
  OCTET_ASSIGN(s.first_us, s.run());
  for (const Step& step : s.exec->plan().steps)
    s.macs += macs_of(s.exec->plan(), step);
  return s;
}

Status warm_up(Subject& s, const Args& args) {
  constexpr double kMostUs = 2e6;
  std::vector<double> times;
  double spent = 0;
  while (args.warmup >= 0 ? static_cast<int64_t>(times.size()) < args.warmup
                          : spent < kMostUs && !is_steady(times, 10, 0.02)) {
    OCTET_ASSIGN(const double us, s.run());
    times.push_back(us);
    spent += us;
  }
  return {};
}

// Enough when asked for a number of runs: that many; else when a second has passed and the median is known to
// 1 % (or ten seconds have passed).
bool is_enough(const Subject& s, double spent_us, const Args& args) {
  const auto n = static_cast<int64_t>(s.us.size());
  if (args.runs > 0) return n >= args.runs;
  if (n < 30) return spent_us > 20e6 && n >= 3;
  if (spent_us < 1e6) return false;
  if (spent_us > 10e6) return true;
  const Latency l = latency_of(s.us);
  return l.high - l.low <= 0.02 * l.median;
}

Status measure(std::vector<Subject*> subjects, const Args& args) {
  for (Subject* s : subjects)
    OCTET_TRY(warm_up(*s, args));
  double spent = 0;
  ProgressBar bar("measuring");
  for (int64_t round = 0;; ++round) {
    bool enough = true;
    for (const Subject* s : subjects)
      enough = enough && is_enough(*s, spent / static_cast<double>(subjects.size()), args);
    if (enough) return {};
    // Turn and turn about, in changing order: what the machine does meanwhile meets all alike.
    for (size_t k = 0; k < subjects.size(); ++k) {
      Subject& s = *subjects[round % 2 == 0 ? k : subjects.size() - 1 - k];
      OCTET_ASSIGN(const double us, s.run());
      s.us.push_back(us);
      spent += us;
    }
    bar.update(round + 1, args.runs > 0 ? args.runs : -1);
  }
}

Status profile(Subject& s, const Args& args) {
  ExecutorOptions options = args.exec.options();
  options.profile = true;
  if (!args.files.empty()) options.input_shapes = s.shapes;
  OCTET_ASSIGN(const auto exec, Executor::create(*s.model, options));
  const Plan& plan = exec->plan();
  for (const Step& step : plan.steps) {
    const Node& n = plan.graph.nodes[static_cast<size_t>(step.node)];
    const std::string kernel = step.elided            ? "none"
                               : step.by_runtime      ? "runtime"
                               : step.late            ? "late"
                               : step.impl != nullptr ? std::string(step.impl->name)
                                                      : "none";
    s.steps.push_back(
        {std::string(name_of(n.kind)), node_name(plan.graph, step.node), kernel, macs_of(plan, step), {}});
  }
  const int64_t runs =
      args.runs > 0 ? args.runs : std::clamp<int64_t>(static_cast<int64_t>(s.us.size()), 10, 100);
  double total = 0, inside = 0;
  for (int64_t r = -3; r < runs; ++r) {  // the first three warm up
    OCTET_TRY(exec->run(s.views).at(s.path));
    if (r < 0) continue;
    total += static_cast<double>(exec->run_nanoseconds());
    for (size_t i = 0; i < s.steps.size(); ++i) {
      const double ns = static_cast<double>(exec->step_nanoseconds()[i]);
      inside += ns;
      s.steps[i].us.push_back(ns / 1000);
    }
  }
  s.outside_share = total > 0 ? 1 - inside / total : 0;
  return {};
}

Json latency_json(const Latency& l) {
  return {{"min", l.min},
          {"median", l.median},
          {"mean", l.mean},
          {"p90", l.p90},
          {"p99", l.p99},
          {"stddev", l.stddev},
          {"ci95", Json::array({l.low, l.high})}};
}

Json subject_json(const Subject& s, const Args& args) {
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
          {"gmacs_per_s", l.median > 0 ? static_cast<double>(s.macs) / l.median / 1000 : 0},
          {"arena_bytes", plan.arena_bytes},
          {"arena_lower_bound", plan.arena_lower_bound},
          {"model_bytes", s.model->file_bytes},
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

std::string machine_text(const MachineState& before, const MachineState& after, const Args& args) {
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

void report(const std::vector<Subject>& subjects, const Args& args, const MachineState& before,
            const MachineState& after) {
  print(machine_text(before, after, args));
  Table table({"model", ">load ms", ">first ms", ">min ms", ">median ms", "95 % interval", ">mean ms",
               ">p90 ms", ">p99 ms", ">runs", ">GMAC/s", ">arena", ">peak RSS"});
  for (const Subject& s : subjects) {
    const Latency l = latency_of(s.us);
    const auto ms = [](double us) { return fmt::format("{:.3f}", us / 1000); };
    table.add({s.path, ms(s.load_us), ms(s.first_us), ms(l.min), ms(l.median), ms(l.low) + " - " + ms(l.high),
               ms(l.mean), ms(l.p90), ms(l.p99), std::to_string(s.us.size()),
               fmt::format("{:.2f}", static_cast<double>(s.macs) / std::max(l.median, 1e-3) / 1000),
               bytes_text(s.exec->plan().arena_bytes), bytes_text(s.peak_rss)});
  }
  print(table.text());
  for (size_t i = 1; args.versus && i < subjects.size(); ++i) {
    const Latency r = ratio_of(subjects[0], subjects[i]);
    print(fmt::format("{} takes {:.3f} (95 % interval {:.3f} - {:.3f}) times as long as {}", subjects[i].path,
                      r.median, r.low, r.high, subjects[0].path));
  }
  for (const Subject& s : subjects)
    if (!s.steps.empty()) print_profile(s);
}

Json report_json(const std::vector<Subject>& subjects, const Args& args, const MachineState& before,
                 const MachineState& after) {
  const Json machine = {{"before", to_json(before)}, {"after", to_json(after)}};
  if (subjects.size() == 1) {
    Json doc = subject_json(subjects[0], args);
    doc["machine"] = machine;
    return doc;
  }
  Json doc = {{"models", Json::array()}, {"machine", machine}};
  for (const Subject& s : subjects)
    doc["models"].push_back(subject_json(s, args));
  for (size_t i = 1; args.versus && i < subjects.size(); ++i) {
    const Latency r = ratio_of(subjects[0], subjects[i]);
    doc["ratios"].push_back({{"model", subjects[i].path},
                             {"to", subjects[0].path},
                             {"median", r.median},
                             {"ci95", Json::array({r.low, r.high})}});
  }
  return doc;
}

Status bench(const Args& args, Context& context) {
  auto data = args.data.options();
  if (!data.ok()) return context.misuse(data.status().message());
  if (args.versus && args.models.size() < 2) return context.misuse("--vs needs at least two models");
  const MachineState before = machine_state();
  std::vector<Subject> subjects;
  for (const std::string& path : args.models) {
    OCTET_ASSIGN(Subject s, load_subject(path, args, *data));
    subjects.push_back(std::move(s));
    if (args.versus) continue;
    OCTET_TRY(measure({&subjects.back()}, args));
    subjects.back().peak_rss = peak_rss_bytes();
  }
  if (args.versus) {
    std::vector<Subject*> all;
    for (Subject& s : subjects)
      all.push_back(&s);
    OCTET_TRY(measure(all, args));
    for (Subject& s : subjects)
      s.peak_rss = peak_rss_bytes();  // of all together
  }
  for (Subject& s : subjects)
    if (args.profile) OCTET_TRY(profile(s, args));
  const MachineState after = machine_state();
  if (context.json)
    print_json(report_json(subjects, args, before, after));
  else
    report(subjects, args, before, after);
  return {};
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("MODEL", args->models, "One or more .tflite or .circle files")->required();
  app.add_option("--runs", args->runs,
                 "Measured runs; default: until the median is known to 1 %, at least one second")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->type_name("R");
  app.add_option("--warmup", args->warmup, "Runs before; default: until their time is steady")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->type_name("W");
  app.add_flag("--profile", args->profile, "Time of each operator, and the share outside of kernels");
  app.add_flag("--vs", args->versus,
               "Compare the models: run them in turn and report how much longer each takes "
               "than the first");
  add_files_option(app, "-d,--data", args->files);
  add_exec_options(app, args->exec);
  add_data_options(app, args->data);
  app.footer(
      "The input is the data's first sample, or noise.\n"
      "JSON: model, load_us, first_us, latency_us{min, median, mean, p90, p99, stddev, ci95[2]}, "
      "arena_bytes, "
      "peak_rss_bytes, ops[{index, kind, name, kernel, us, share, macs, gmacs_per_s}]; with several models "
      "models[] of these, and with --vs ratios[{model, to, median, ci95[2]}]");
  return [args](Context& context) { return bench(*args, context); };
}

}  // namespace octet
