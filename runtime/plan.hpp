// From a graph to what an executor does: shapes made concrete, constants folded, an implementation chosen for
// every step (and why), every value's place in the arena. Before the plan anything can fail; after it nothing
// that depends on the model can, except for steps whose shapes depend on data ("late" steps).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/node_runner.hpp"
#include "kernels/packed.hpp"
#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

class ModelPlans;  // runtime/model_plans.hpp

// Kernels may read this far behind a tensor.
inline constexpr size_t kSlack = 64;

struct ExecutionPlanOptions {
  Backend backend = Backend::xnnpack;
  // Shapes of the graph's inputs; empty: those of the model, with dynamic extents taken as 1.
  std::vector<Shape> input_shapes;
  // Run the graph as it is: no executor-only rewrites, so that a Tap sees every value of the given graph.
  bool keep_values = false;
  // The program's custom operators; may be null.
  std::shared_ptr<const CustomOps> custom_ops;
};

// Where a value lives.
enum class Storage : uint8_t {
  none,      // not used
  constant,  // in the model or made at plan time
  arena,     // at Place::offset in the executor's arena
  variable,  // state, kept between runs
  heap,      // shape known only at run time: allocated by the executor
};
struct Place {
  Storage storage = Storage::none;
  int64_t offset = 0;
  ValueId group = kNoValue;  // in the arena: values of one group share storage on purpose
};

// The memory of an input or output. A caller's own can take its place when all of its group's values lie
// inside it, none of them is another input or output, and, for an input, no step writes into it.
struct IoStorage {
  bool bindable = false;
  bool read = false;            // a kernel reads it, up to kSlack bytes behind its end
  std::vector<ValueId> values;  // of the group, itself included
};

struct Step {
  NodeId node = -1;
  const OpSpec* spec = nullptr;
  const Implementation* impl = nullptr;  // nullptr for late steps and for those the executor runs itself
  std::string why;          // why faster implementations were not taken: "xnnpack: ...", or empty
  bool late = false;        // shapes depend on data: prepared again in every run
  bool elided = false;      // inputs and outputs share storage: nothing to run
  bool by_runtime = false;  // control flow and resource variables: the executor runs it
};

// Immutable and shareable between threads.
struct ExecutionPlan {
  ExecutionPlanOptions options;  // what it was made with
  Graph graph;                   // folded and, unless keep_values, lowered; value ids below refer to it
  std::vector<Shape> shapes;     // per value; meaningful unless its place is `heap`
  std::vector<Place> places;     // per value
  std::vector<Step> steps;
  std::vector<IoStorage> inputs, outputs;
  int64_t arena_bytes = 0, arena_lower_bound = 0;
  std::vector<std::shared_ptr<PackedNode>> packed;  // per step: weights as its kernels want them
  std::vector<size_t> workspace_bytes;              // per step
  std::vector<int64_t> workspace_offset;            // per step; -1: none
  std::shared_ptr<ModelPlans> model;  // whose graphs control flow calls; null for a graph without a model
};

// A plan together with the kernels that were made to choose it, one per step (null where the step has none).
struct Prepared {
  std::shared_ptr<const ExecutionPlan> plan;
  std::vector<std::unique_ptr<Kernel>> kernels;
};

// Errors name the operator and the tensor. Control flow needs `model`, which the graph belongs to.
Result<Prepared> make_plan(const Graph& graph, const ExecutionPlanOptions& options, ThreadPool& pool,
                           std::shared_ptr<ModelPlans> model = nullptr);

// The shape that every value has when inputs have theirs, inferred by the operators: what a file says of
// values inside the graph is a declaration. Shapes that depend on data, and those behind them, are as
// declared.
Result<std::vector<Shape>> inferred_shapes(const Graph& graph,
                                           std::shared_ptr<const CustomOps> custom_ops = nullptr);

// Kinds that the executor runs itself, because they involve other graphs or resources.
bool is_run_by_executor(OpKind kind);

// "CONV_2D 'name'": how errors and reports call a node.
std::string label(const Graph& g, NodeId id);

}  // namespace octet
