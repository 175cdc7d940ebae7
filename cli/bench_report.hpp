// What octet bench measures, and how it tells. Internal to bench.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/args.hpp"
#include "cli/bench_stats.hpp"
#include "cli/machine_state.hpp"
#include "cli/model_files.hpp"
#include "octet/executor.hpp"

namespace octet {

struct BenchArgs {
  std::vector<std::string> models, files;
  int64_t runs = 0, warmup = -1;  // 0 and -1: as many as it takes
  bool profile = false, versus = false, peak = false;
  DataArgs data;
  ExecArgs exec;
};

// One line of the profile: a step, its time in all profiled runs.
struct StepTime {
  std::string kind, name, kernel;
  int64_t macs = 0;
  std::vector<double> us;
};

// A model under test.
struct Subject {
  std::string path;
  std::optional<Model> model;
  std::vector<InputSpec> inputs;
  std::vector<Shape> shapes;
  std::unique_ptr<SampleBuffers> buffers;
  std::vector<std::vector<std::byte>> random;
  std::vector<ConstTensorView> views;
  std::optional<Executor> exec;
  double load_us = 0, first_us = 0;
  int64_t macs = 0, peak_rss = 0;
  std::vector<double> us;
  std::vector<StepTime> steps;
  double outside_share = 0;  // of the profiled runs' time that no kernel accounts for
};

// All that was measured.
struct BenchResult {
  std::vector<Subject> subjects;
  MachineState before, after;
  double peak = 0;  // GMAC/s; 0: not measured
};

void print_bench(const BenchResult& result, const BenchArgs& args);
Json bench_json(const BenchResult& result, const BenchArgs& args);

}  // namespace octet
