// Runs a graph. One executor per thread; executors may share a model, a plan and a thread pool.
//
//   auto exec = GraphExecutor::create(model, {.threads = 2});
//   (*exec)->run(inputs);                     // one view per graph input, in graph order
//   ConstTensorView y = (*exec)->output(0);   // valid until the next run
//
//   auto other = GraphExecutor::create((*exec)->shared_plan());  // for another thread; weights are packed
//   once
//   (*other)->bind_input(0, x, capacity);                        // the caller's buffers instead of copies
//   (*other)->run_bound();
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octet/status.hpp"
#include "runtime/plan.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Sees every value once per run, right after it was produced and while it is alive. Ids are those of
// GraphExecutor::plan().graph; with GraphExecutorOptions::keep_values these are the ids of the given graph.
class Tap {
 public:
  virtual ~Tap() = default;
  virtual void on_value(ValueId id, const ConstTensorView& view) = 0;
  // What a float operator computed inside (OpSpec::inner), once per run, before its outputs are shown.
  // `output` is the operator's first output.
  virtual void on_inner(ValueId /*output*/, size_t /*which*/, std::span<const float> /*values*/) {}
};

struct GraphExecutorOptions {
  int threads = 1;
  Backend backend = Backend::xnnpack;
  int32_t graph = 0;                            // index into ModelData::graphs
  std::vector<Shape> input_shapes;              // empty: the model's
  bool keep_values = false;                     // every value of the given graph is produced (for taps)
  bool profile = false;                         // measure each step
  std::shared_ptr<ThreadPool> pool;             // share a pool; else one with `threads` threads is made
  std::shared_ptr<const CustomOps> custom_ops;  // the program's custom operators; may be null
};

// What an executor has of its own, beside the plan.
struct ExecutorResources {
  int threads = 1;
  std::shared_ptr<ThreadPool> pool;  // share a pool; else one with `threads` threads is made
  bool profile = false;              // measure each step
};

// What became of a buffer that a caller has bound.
enum class Binding : uint8_t {
  direct,  // steps read or write it itself
  copied,  // it is copied in every run
};

// A piece of state that lives as long as the executor: a resource variable (VAR_HANDLE).
struct Resource {
  DType dtype = DType::float32;
  Shape shape;
  std::vector<std::byte> bytes;
  bool assigned = false;
};

class GraphExecutor {
 public:
  // Copies what it needs of the model; constants are shared, never copied. Errors name operator and tensor.
  static Result<std::unique_ptr<GraphExecutor>> create(const ModelData& model,
                                                       const GraphExecutorOptions& options = {});
  // Another executor of a plan.
  static Result<std::unique_ptr<GraphExecutor>> create(std::shared_ptr<const ExecutionPlan> plan,
                                                       const ExecutorResources& resources = {});
  ~GraphExecutor();
  GraphExecutor(const GraphExecutor&) = delete;
  GraphExecutor& operator=(const GraphExecutor&) = delete;

  // Run once. `inputs`: one view per graph input; type and shape must be the input's. They are copied, bound
  // ones forgotten. Fails only on a wrong input, on what the data makes wrong (an index out of range), and
  // when it is told to stop.
  Status run(std::span<const ConstTensorView> inputs, Tap* tap = nullptr);
  // The same, then copy the outputs to `outputs` (type and shape must be the output's).
  Status run(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
             Tap* tap = nullptr);

  // Let input i be read from `view`, or output i be written to it, in every run from now on, until another
  // buffer is bound; it must stay valid as long. No copy is made (Binding::direct) when its address is a
  // multiple of the element's size and `capacity`, the bytes of memory that may be read from view.data on (0:
  // those of the tensor), is at least the tensor's bytes + kSlack: kernels read in whole vectors. An output
  // that no operator of the graph reads needs no more than its own bytes. Where the plan keeps a value inside
  // another one's memory or overwrites it in place, and where these conditions do not hold, it is copied.
  // Inputs are never written to; a bound output holds anything while a run lasts. Buffers must not overlap.
  Result<Binding> bind_input(size_t i, const ConstTensorView& view, size_t capacity = 0);
  Result<Binding> bind_output(size_t i, const TensorView& view, size_t capacity = 0);
  void unbind();  // all of them
  // Run on the bound inputs; each must be bound.
  Status run_bound(Tap* tap = nullptr);

  // From any thread: the run in progress, or else the next one, ends before its next step with
  // Code::cancelled. A run that is cancelled, or ends by its deadline with Code::deadline_exceeded, leaves
  // outputs and state as they are at that point; the next run is a run like any other.
  void cancel();
  void clear_cancel();  // take it back, when no run has seen it yet
  // Runs end at this point of time; nothing: never. Not while one lasts.
  void set_deadline(std::optional<std::chrono::steady_clock::time_point> deadline);

  // Output i of the last run. Valid until the next run. Strings that a graph passes through have no data
  // here: their text is not kept.
  ConstTensorView output(size_t i) const;
  size_t input_count() const { return plan_->graph.inputs.size(); }
  size_t output_count() const { return plan_->graph.outputs.size(); }
  // Type, shape and quantization of an input; `data` is null.
  ConstTensorView input_info(size_t i) const;

  // Variable tensors, resources and custom operators back to their initial state (real 0).
  void reset_state();

  const ExecutionPlan& plan() const { return *plan_; }
  std::shared_ptr<const ExecutionPlan> shared_plan() const { return plan_; }
  // With GraphExecutorOptions::profile: nanoseconds of each step in the last run, and of the whole run.
  std::span<const int64_t> step_nanoseconds() const { return step_ns_; }
  int64_t run_nanoseconds() const { return run_ns_; }

 private:
  struct Shared;  // what the executors of all subgraphs of one model share
  GraphExecutor() = default;
  struct BoundBuffer {
    void* data = nullptr;  // nullptr: none
    Shape shape;
    Binding binding = Binding::copied;
  };
  static Result<std::unique_ptr<GraphExecutor>> create_in(std::shared_ptr<Shared> shared, Prepared prepared,
                                                          bool profile);
  Status make_kernels();
  Status allocate();
  void find_pointers();
  void move_io(const IoStorage& io, ValueId v, std::byte* to);
  Status run_steps(Tap* tap);
  Status check_stop() const;
  Status copy_outputs() const;
  Status run_step(size_t s, Tap* tap);
  Status run_late(size_t s, InnerTap* inner);
  Status run_by_runtime(size_t s);
  Status check_input(size_t i, const ConstTensorView& v) const;
  void* pointer_to(ValueId v);
  ConstTensorView view_of(ValueId v) const;
  Result<Resource*> resource_of(ValueId handle);
  Status set_heap(ValueId v, const Shape& shape);
  Status assign_value(ValueId v, const ConstTensorView& from);
  Result<GraphExecutor*> subgraph(size_t step, int which, int32_t graph, const std::vector<Shape>& shapes);

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<const ExecutionPlan> plan_;
  bool profile_ = false;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::unique_ptr<std::byte, void (*)(std::byte*)> arena_{nullptr, nullptr};
  std::map<ValueId, std::vector<std::byte>> variables_, heap_;
  std::vector<Shape> shapes_;    // per value; those of heap values change from run to run
  std::vector<void*> pointers_;  // per value
  std::vector<std::vector<const void*>> step_in_;
  std::vector<std::vector<void*>> step_out_;
  std::vector<void*> step_workspace_;
  std::vector<Workspace> own_workspace_;  // of steps whose kernel needs more than the plan foresaw
  Workspace late_workspace_;
  std::vector<BoundBuffer> bound_in_, bound_out_;
  std::map<std::pair<size_t, int>, std::unique_ptr<GraphExecutor>> subgraphs_;
  std::map<std::pair<size_t, int>, std::vector<Shape>> subgraph_shapes_;
  std::map<ValueId, std::string> handles_;  // VAR_HANDLE outputs -> resource
  std::vector<char> called_;                // CALL_ONCE steps that have run
  std::vector<int64_t> step_ns_;
  int64_t run_ns_ = 0;
};

}  // namespace octet
