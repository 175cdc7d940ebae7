// int8 against float: every operator that has an int8 form, in both, on the same shape, with one thread. The
// repetitions of all rows are run in random order, so that what else the machine does meets both. Prints a
// table and fails when int8 is slower somewhere and the row gives no reason.
//   build/bench/int8_speed --benchmark_filter='CONV_2D.*'
#include <benchmark/benchmark.h>
#define DOCTEST_CONFIG_IMPLEMENT
#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <memory>

#include "bench/speed_rows.hpp"
#include "octet/try.hpp"
#include "runtime/executor.hpp"

namespace octet::bench {
namespace {

// int8 may take so much longer before it counts as slower: two runs of the same differ by this.
constexpr double kNoise = 1.05;

// A model ready to run on the row's inputs.
struct Contender {
  std::unique_ptr<GraphExecutor> executor;
  std::vector<Constant> data;
  std::vector<ConstTensorView> views;

  static Result<std::shared_ptr<Contender>> make(const SpeedRow& row, const ModelData& model) {
    auto c = std::make_shared<Contender>();
    OCTET_ASSIGN(c->executor, GraphExecutor::create(model));
    c->data = inputs_for(row, model.main());
    for (size_t i = 0; i < c->data.size(); ++i) {
      const Value& v = model.main().value(model.main().inputs[i]);
      c->views.push_back({c->data[i].data(), v.dtype, v.shape, v.quant});
    }
    return c;
  }

  // "byte-table", or "byte-table, reference" where there are several operators.
  std::string implementations() const {
    std::vector<std::string> names;
    for (const Step& s : executor->plan().steps)
      if (s.impl != nullptr && !s.elided &&
          std::find(names.begin(), names.end(), s.impl->name) == names.end())
        names.emplace_back(s.impl->name);
    return fmt::format("{}", fmt::join(names, ", "));
  }
};

void measure(benchmark::State& state, Contender& c) {
  for (auto _ : state) {
    if (const Status s = c.executor->run(c.views); !s.ok()) {
      state.SkipWithError(s.message().c_str());
      return;
    }
  }
}

// Google Benchmark 1.8 gave this another name.
template <class Run>
bool was_skipped(const Run& r) {
  if constexpr (requires { r.error_occurred; })
    return r.error_occurred;
  else
    return static_cast<bool>(r.skipped);
}

// Keeps the fastest repetition of each benchmark: what disturbs a run only ever makes it slower.
class Fastest final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& r : runs) {
      if (r.run_type != Run::RT_Iteration || was_skipped(r)) continue;
      double& best = best_[r.run_name.function_name];
      const double time = r.GetAdjustedRealTime();
      best = best == 0 ? time : std::min(best, time);
    }
  }
  double of(const std::string& name) const {
    const auto it = best_.find(name);
    return it == best_.end() ? 0 : it->second;
  }

 private:
  std::map<std::string, double> best_;
};

struct Pair {
  SpeedRow row;
  std::shared_ptr<Contender> in_float, in_int8;
};

Result<std::vector<Pair>> pairs() {
  std::vector<SpeedRow> rows = speed_rows();
  if (const auto names = missing_rows(rows); !names.empty())
    return Status::unsupported(fmt::format("no row in bench/speed_rows.cpp for {}", fmt::join(names, ", ")));
  std::vector<Pair> all;
  for (SpeedRow& row : rows) {
    Pair p{.row = std::move(row), .in_float = nullptr, .in_int8 = nullptr};
    OCTET_ASSIGN(p.in_float, Contender::make(p.row, p.row.model).at(p.row.name));
    OCTET_ASSIGN(const InInt8 int8, in_int8(p.row));
    if (int8.ops_float > 0)
      return Status::unsupported(fmt::format("{}: {} operators stay in float", p.row.name, int8.ops_float));
    OCTET_ASSIGN(p.in_int8, Contender::make(p.row, *int8.model).at(p.row.name));
    all.push_back(std::move(p));
  }
  return all;
}

// Prints the table; how many rows are slower without a reason.
int print_table(const std::vector<Pair>& all, const Fastest& times) {
  int unexplained = 0;
  fmt::print("| operator | float32 | int8 | times faster | why not faster |\n|---|---|---|---|---|\n");
  for (const Pair& p : all) {
    const double f = times.of(p.row.name + "/float32"), q = times.of(p.row.name + "/int8");
    if (f == 0 || q == 0) continue;  // filtered out
    const bool slower = q > kNoise * f;
    if (slower && p.row.slower.empty()) ++unexplained;
    fmt::print("| {} | {} | {} | {:.1f} | {} |\n", p.row.name, p.in_float->implementations(),
               p.in_int8->implementations(), f / q,
               !slower                ? ""
               : p.row.slower.empty() ? "**no reason known**"
                                      : p.row.slower);
  }
  return unexplained;
}

int run(int argc, char** argv) {
  doctest::Context context;  // GraphBuilder checks what it is given with doctest
  context.setAsDefaultForAssertsOutOfTestCases();
  // Defaults that the command line may change.
  std::vector<std::string> defaults{argv[0], "--benchmark_repetitions=5",
                                    "--benchmark_enable_random_interleaving=true",
                                    "--benchmark_min_time=0.02"};
  std::vector<char*> arguments;
  for (std::string& d : defaults)
    arguments.push_back(d.data());
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  const auto all = pairs();
  if (!all.ok()) {
    fmt::print(stderr, "{}\n", all.status().message());
    return 1;
  }
  for (const Pair& p : *all)
    for (const auto& [type, contender] : {std::pair{"/float32", p.in_float}, {"/int8", p.in_int8}})
      benchmark::RegisterBenchmark((p.row.name + type).c_str(), [c = contender](benchmark::State& s) {
        measure(s, *c);
      })->UseRealTime();
  Fastest times;
  benchmark::RunSpecifiedBenchmarks(&times);
  benchmark::Shutdown();
  const int unexplained = print_table(*all, times);
  if (unexplained > 0) fmt::print(stderr, "{} rows are slower in int8 and give no reason\n", unexplained);
  return unexplained > 0 ? 1 : 0;
}

}  // namespace
}  // namespace octet::bench

int main(int argc, char** argv) {
  return octet::bench::run(argc, argv);
}
