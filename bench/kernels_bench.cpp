// Kernel benchmark: every row of the case tables with bench = true, in float32 and int8, on every
// implementation that accepts it, with one and two threads. Reports multiply-accumulates per second (for
// operators that have them) and bytes of inputs and outputs per second.
//   build/bench/kernels_bench --benchmark_filter='CONV_2D.*int8.*threads:1'
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <memory>

#include "kernels/node_runner.hpp"
#include "octet/try.hpp"
#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

// Everything one benchmark needs, kept alive between its repetitions.
struct Bench {
  Prepared prepared;
  ThreadPool pool;
  std::unique_ptr<Kernel> kernel;
  std::vector<const void*> in;
  std::vector<void*> out;
  std::vector<Workspace> storage;
  Workspace workspace;

  explicit Bench(Prepared p, int threads) : prepared(std::move(p)), pool(threads) {}

  static Result<std::shared_ptr<Bench>> make(const OpCase& c, Form form, const Implementation& impl,
                                             int threads) {
    OCTET_ASSIGN(Prepared p, prepare(c, form));
    auto b = std::make_shared<Bench>(std::move(p), threads);
    OCTET_ASSIGN(b->kernel, impl.create(b->prepared.node(), b->pool));
    for (size_t i = 0; i < b->prepared.in.size(); ++i)
      b->in.push_back(b->prepared.in[i].absent ? nullptr : b->prepared.bytes[i].data());
    for (const TensorDesc& t : b->prepared.out) {
      b->storage.emplace_back();
      b->out.push_back(b->storage.back().reserve(static_cast<size_t>(t.bytes()) + 64));
    }
    return b;
  }
  Status run() { return run_kernel(*kernel, in, out, workspace, pool); }
  double bytes() const {
    int64_t n = 0;
    for (const TensorDesc& t : prepared.in)
      if (!t.absent) n += t.bytes();
    for (const TensorDesc& t : prepared.out)
      n += t.bytes();
    return static_cast<double>(n);
  }
};

void measure(benchmark::State& state, const OpCase& c, Form form, const Implementation& impl, int threads) {
  auto bench = Bench::make(c, form, impl, threads);
  if (!bench.ok()) {
    state.SkipWithError(bench.status().message().c_str());
    return;
  }
  for (auto _ : state) {
    if (const Status s = (*bench)->run(); !s.ok()) {
      state.SkipWithError(s.message().c_str());
      return;
    }
  }
  const auto rate = [](double per_run) {
    return benchmark::Counter(per_run * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  };
  const OpSpec& spec = *find_spec(c.kind);
  if (spec.macs != nullptr)
    state.counters["GMAC/s"] = rate(static_cast<double>(spec.macs((*bench)->prepared.node())));
  state.counters["GB/s"] = rate((*bench)->bytes());
}

void register_case(const OpCase& c) {
  const OpSpec& spec = *find_spec(c.kind);
  std::vector<Implementation> implementations = spec.fast;
  implementations.push_back(spec.reference);
  for (Form form : {Form::float32, Form::int8}) {
    if (form == Form::int8 && !(c.int8 && spec.quant.has_int8)) continue;
    for (const Implementation& impl : implementations) {
      ThreadPool one(1);
      auto p = prepare(c, form);
      if (!p.ok() || !impl.create(p->node(), one).ok()) continue;  // declined: nothing to measure
      for (int threads : {1, 2}) {
        const std::string name = fmt::format("{}/{}/{}/threads:{}", c.name,
                                             form == Form::int8 ? "int8" : "float32", impl.name, threads);
        benchmark::RegisterBenchmark(name.c_str(),
                                     [=](benchmark::State& s) { measure(s, c, form, impl, threads); })
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

}  // namespace
}  // namespace octet::test

int main(int argc, char** argv) {
  for (const octet::test::OpCase& c : octet::test::all_cases())
    if (c.bench) octet::test::register_case(c);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
