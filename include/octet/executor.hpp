// Running a model.
//
//   auto exec = octet::Executor::create(*model, {.threads = 4});
//   if (!exec.ok()) { std::cerr << exec.status().message() << '\n'; return 1; }
//   std::vector<octet::ConstTensorView> in = {{pixels, octet::DType::float32, {1, 32, 32, 1}, {}}};
//   if (octet::Status s = exec->run(in); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
//   const float* scores = exec->output(0).as<float>();
//
// A Plan is what a model becomes before it runs: shapes made concrete, constants folded, operators fused, a
// kernel chosen for each step, weights packed. It is a handle on immutable data, copied cheaply and used by
// several threads at once; all executors of one plan share its weights.
// An Executor runs a plan: one per thread at a time. It keeps what it needs of plan and model alive.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octet/custom.hpp"
#include "octet/export.hpp"
#include "octet/model.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// Threads that kernels run on. One pool may serve all executors of a program: calls from several threads are
// serialized inside.
class ThreadPool;
// `threads` of at least 1; with one, everything runs on the caller's own thread.
OCTET_API std::shared_ptr<ThreadPool> make_thread_pool(int threads);

struct PlanOptions {
  int threads = 1;                        // of the pool that is made when none is given
  std::shared_ptr<ThreadPool> pool = {};  // share this one; the plan's executors use it too
  bool reference = false;                 // only the portable reference kernels: slow, normative
  // The signature to run; empty: graph `graph` as it is. Its names and its order are then those of inputs and
  // outputs everywhere below.
  std::string signature = {};
  int32_t graph = 0;
  // New shapes of inputs, by name. Other unknown extents are taken as the file stores them.
  std::vector<std::pair<std::string, Shape>> input_shapes = {};
  // The program's custom operators; may be null.
  std::shared_ptr<const CustomOps> custom_ops = {};
};

// One step of a plan.
struct PlanStep {
  std::string kind, name;  // of the operator as it runs: after fusing
  // The name of the implementation, or "none" (inputs and outputs share storage), "runtime" (control flow and
  // resource variables), "late" (shapes depend on data: prepared again in every run).
  std::string kernel;
  std::string why;                 // why faster implementations were not taken; empty: there is none faster
  DType dtype = DType::float32;    // of its first output, or input where it has none, as it runs
  int64_t macs = 0;                // multiply-accumulates of one run
  std::vector<int32_t> operators;  // of the model: indices into GraphInfo::operators
};

// What became of one operator of the model.
struct OperatorOutcome {
  // The kernel of the step that is this operator, or "fused" (part of another operator's step) or "folded"
  // (computed when the plan is made, or not needed).
  std::string kernel;
  std::string why;             // why not a faster one, or what it was fused into
  std::vector<int32_t> steps;  // indices into Plan::steps(); empty: folded
  // Of the first output as the operator runs; not that of the file where this says an integer operator in
  // float. Nothing where it is no step of its own.
  std::optional<DType> dtype;
};

class Plan {
 public:
  struct Data;  // internal

  // Errors name file, operator and tensor.
  OCTET_API static Result<Plan> create(const Model& model, const PlanOptions& options = {});

  OCTET_API const Model& model() const;
  // Inputs and outputs in the order, and under the names, that run() and bind_...() take. Shapes are those of
  // the plan; -1: known only after a run.
  OCTET_API std::span<const TensorInfo> inputs() const;
  OCTET_API std::span<const TensorInfo> outputs() const;

  OCTET_API std::vector<PlanStep> steps() const;
  // One per operator of the graph.
  OCTET_API std::vector<OperatorOutcome> outcomes() const;
  // Memory of the values between the steps, of each executor, and what no order of storage could be below.
  OCTET_API int64_t arena_bytes() const;
  OCTET_API int64_t arena_lower_bound() const;

 private:
  friend class Executor;
  explicit Plan(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

struct ExecutorOptions {
  // Null: the plan's. Executors that run at the same time take turns on a pool of more than one thread.
  std::shared_ptr<ThreadPool> pool = {};
  bool profile = false;  // measure every step
};

class Executor {
 public:
  OCTET_API static Result<Executor> create(const Plan& plan, const ExecutorOptions& options = {});
  // A plan and an executor in one.
  OCTET_API static Result<Executor> create(const Model& model, const PlanOptions& plan = {},
                                           const ExecutorOptions& options = {});
  OCTET_API ~Executor();
  OCTET_API Executor(Executor&&) noexcept;
  OCTET_API Executor& operator=(Executor&&) noexcept;

  OCTET_API const Plan& plan() const;

  // Run once on copies of these inputs: one view per input, in order; type and shape must be the input's.
  // Bound inputs are forgotten. Fails on a wrong input, on what the data makes wrong (an index out of range),
  // and when it is told to stop.
  OCTET_API Status run(std::span<const ConstTensorView> inputs);
  // Run on the bound inputs; each must be bound.
  OCTET_API Status run();

  // Let every run from now on read an input from, or write an output to, memory of the caller, which must
  // stay until another buffer is bound. The answer is whether that is done in place; else it is copied in
  // each run. In place takes an address that is a multiple of the element's size, `capacity` bytes of memory
  // from there on (0: just the tensor's) that are 64 more than the tensor's, because kernels read in whole
  // vectors, and a plan that has no other use for the place. Inputs are never written to; a bound output
  // holds anything while a run lasts. Buffers must not overlap.
  OCTET_API Result<bool> bind_input(size_t index, const ConstTensorView& view, size_t capacity = 0);
  OCTET_API Result<bool> bind_output(size_t index, const TensorView& view, size_t capacity = 0);
  OCTET_API void unbind();  // all of them

  // Output `index` of the last run: the bound memory, or the executor's own, valid until the next run. `data`
  // is null before the first run, and for strings, whose text is not kept; `index` must exist.
  OCTET_API ConstTensorView output(size_t index) const;

  // Variables, resources and the state of custom operators back to the beginning.
  OCTET_API void reset_state();

  // From any thread: the run that is under way, else the next one, ends with Code::cancelled before its next
  // step. Outputs and state are then half done: reset_state() makes a stateful graph whole again.
  OCTET_API void cancel();
  OCTET_API void clear_cancel();  // take it back, when no run has seen it yet
  // A run ends with Code::deadline_exceeded when it has taken this long, before its next step; nothing: any
  // time.
  OCTET_API void set_time_limit(std::optional<std::chrono::nanoseconds> limit);

  // With ExecutorOptions::profile, of the last run in nanoseconds: one per step of the plan, and all of it.
  OCTET_API std::span<const int64_t> step_nanoseconds() const;
  OCTET_API int64_t run_nanoseconds() const;

 private:
  struct Data;
  explicit Executor(std::unique_ptr<Data> data);
  Status finish(Status status);
  std::unique_ptr<Data> data_;
};

// The processor, as far as it is known.
struct CpuInfo {
  std::string name, architecture;     // "x86-64", "aarch64", "armhf"
  std::vector<std::string> features;  // instruction sets that matter to kernels, weakest first
  std::string xnnpack;                // the snapshot of XNNPACK that is built in
};
OCTET_API CpuInfo cpu_info();
// A network that asks nothing of a machine but products: a large int8 1x1 convolution (512 to 512 channels at
// 32x32). What this takes is the least that a network with as many multiply-accumulates can take.
OCTET_API Model yardstick_model();
// Octet's own version, "1.2.3".
OCTET_API std::string_view version();

}  // namespace octet
