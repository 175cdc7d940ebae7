// octet bench: how long models take, measured so that the numbers can be trusted.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <random>

#include "cli/bench_peak.hpp"
#include "cli/bench_report.hpp"
#include "octet/convert.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

using Clock = std::chrono::steady_clock;
double microseconds_since(Clock::time_point t) {
  return std::chrono::duration<double, std::micro>(Clock::now() - t).count();
}

// One run, in microseconds.
Result<double> time_run(Subject& s) {
  const auto start = Clock::now();
  OCTET_TRY(s.exec->run(s.views));
  return microseconds_since(start);
}

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

Status give_input(Subject& s, const BenchArgs& args, const DataOptions& data) {
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

PlanOptions plan_options(const Subject& s, const BenchArgs& args) {
  PlanOptions options = args.exec.options();
  for (size_t i = 0; !args.files.empty() && i < s.inputs.size(); ++i)
    options.input_shapes.emplace_back(s.inputs[i].name, s.shapes[i]);
  return options;
}

Result<Subject> load_subject(const std::string& path, const BenchArgs& args, const DataOptions& data) {
  Subject s;
  s.path = path;
  reset_peak_rss();
  // The data is read in between, outside of what is measured.
  auto start = Clock::now();
  OCTET_ASSIGN(s.model, open_model(path));
  s.load_us = microseconds_since(start);
  s.inputs = input_specs(s.model->inputs());
  OCTET_TRY(give_input(s, args, data));
  const PlanOptions options = plan_options(s, args);
  start = Clock::now();
  OCTET_ASSIGN(s.exec, Executor::create(*s.model, options));
  s.load_us += microseconds_since(start);
  OCTET_ASSIGN(s.first_us, time_run(s));
  for (const PlanStep& step : s.exec->plan().steps())
    s.macs += step.macs;
  return s;
}

Status warm_up(Subject& s, const BenchArgs& args) {
  constexpr double kMostUs = 2e6;
  std::vector<double> times;
  double spent = 0;
  while (args.warmup >= 0 ? static_cast<int64_t>(times.size()) < args.warmup
                          : spent < kMostUs && !is_steady(times, 10, 0.02)) {
    OCTET_ASSIGN(const double us, time_run(s));
    times.push_back(us);
    spent += us;
  }
  return {};
}

// Enough when asked for a number of runs: that many; else when a second has passed and the median is known to
// 1 % (or ten seconds have passed).
bool is_enough(const Subject& s, double spent_us, const BenchArgs& args) {
  const auto n = static_cast<int64_t>(s.us.size());
  if (args.runs > 0) return n >= args.runs;
  if (n < 30) return spent_us > 20e6 && n >= 3;
  if (spent_us < 1e6) return false;
  if (spent_us > 10e6) return true;
  const Latency l = latency_of(s.us);
  return l.high - l.low <= 0.02 * l.median;
}

Status measure(std::vector<Subject*> subjects, const BenchArgs& args) {
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
      OCTET_ASSIGN(const double us, time_run(s));
      s.us.push_back(us);
      spent += us;
    }
    bar.update(round + 1, args.runs > 0 ? args.runs : -1);
  }
}

Status profile(Subject& s, const BenchArgs& args) {
  OCTET_ASSIGN(Executor exec, Executor::create(s.exec->plan(), {.profile = true}));
  for (const PlanStep& step : exec.plan().steps())
    s.steps.push_back({step.kind, step.name, step.kernel, step.macs, {}});
  const int64_t runs =
      args.runs > 0 ? args.runs : std::clamp<int64_t>(static_cast<int64_t>(s.us.size()), 10, 100);
  double total = 0, inside = 0;
  for (int64_t r = -3; r < runs; ++r) {  // the first three warm up
    OCTET_TRY(exec.run(s.views));
    if (r < 0) continue;
    total += static_cast<double>(exec.run_nanoseconds());
    for (size_t i = 0; i < s.steps.size(); ++i) {
      const double ns = static_cast<double>(exec.step_nanoseconds()[i]);
      inside += ns;
      s.steps[i].us.push_back(ns / 1000);
    }
  }
  s.outside_share = total > 0 ? 1 - inside / total : 0;
  return {};
}

Status bench(const BenchArgs& args, Context& context) {
  auto data = args.data.options();
  if (!data.ok()) return context.misuse(data.status().message());
  if (args.versus && args.models.size() < 2) return context.misuse("--vs needs at least two models");
  BenchResult result;
  result.before = machine_state();
  std::vector<Subject>& subjects = result.subjects;
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
  if (args.peak) {
    OCTET_ASSIGN(result.peak, int8_peak_gmacs(args.exec.options()));
  }
  result.after = machine_state();
  if (context.json)
    print_json(bench_json(result, args));
  else
    print_bench(result, args);
  return {};
}

}  // namespace

Action add_bench(Options& options) {
  auto args = std::make_shared<BenchArgs>();
  options.add("MODEL", args->models, "One or more .tflite or .circle files").required();
  options
      .add("--runs", args->runs,
           "Measured runs; default: until the median is known to 1 %, at least one second")
      .range(1, 0x1p40)
      .type_name("R");
  options.add("--warmup", args->warmup, "Warm-up runs; default: until latency is stable")
      .range(0, 0x1p40)
      .type_name("W");
  options.add_flag("--profile", args->profile, "Time of each operator, and the share outside of kernels");
  options.add_flag("--peak", args->peak, "Measure the machine's int8 peak, too: a large matrix product");
  options.add_flag(
      "--vs", args->versus,
      "Compare the models: run them in turn and report how much longer each takes than the first");
  add_files_option(options, "-d,--data", args->files);
  add_exec_options(options, args->exec);
  add_data_options(options, args->data);
  options.footer(
      "The input is the data's first sample, or noise.\n"
      "JSON: model, load_us, first_us, latency_us{min, median, mean, p90, p99, stddev, ci95[2]}, "
      "arena_bytes, peak_rss_bytes, ops[{index, kind, name, kernel, us, share, macs, gmacs_per_s}]; with "
      "several models models[] of these, and with --vs ratios[{model, to, median, ci95[2]}]");
  return [args](Context& context) { return bench(*args, context); };
}

}  // namespace octet
