// From a graph to what an executor does: shapes made concrete, constants folded, an implementation chosen for
// every step (and why), every value's place in the arena. Before the plan anything can fail; after it nothing
// that depends on the model can, except for steps whose shapes depend on data ("late" steps).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/op_spec.hpp"
#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

enum class Backend : uint8_t {
  xnnpack,    // the fast implementations, the reference where there is none
  reference,  // only the portable, normative kernels
};

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
};

struct Step {
  NodeId node = -1;
  const OpSpec* spec = nullptr;
  const Implementation* impl = nullptr;  // nullptr for late steps and for those the executor runs itself
  std::string why;          // why faster implementations were not taken: "xnnpack: ...", or empty
  bool late = false;        // shapes depend on data: prepared anew in every run
  bool elided = false;      // inputs and outputs share storage: nothing to run
  bool by_runtime = false;  // control flow and resource variables: the executor runs it
};

// Immutable and shareable between threads.
struct ExecutionPlan {
  Graph graph;                // folded and, unless keep_values, lowered; value ids below refer to it
  std::vector<Shape> shapes;  // per value; meaningful unless its place is `heap`
  std::vector<Place> places;  // per value
  std::vector<Step> steps;
  int64_t arena_bytes = 0, arena_lower_bound = 0;
  std::vector<int64_t> workspace_offset;  // per step; -1: none
  std::shared_ptr<const CustomOps> custom_ops;
};

// A plan together with the kernels that were made to choose it, one per step (null where the step has none).
struct Prepared {
  std::shared_ptr<const ExecutionPlan> plan;
  std::vector<std::unique_ptr<Kernel>> kernels;
};

// Errors name the operator and the tensor.
Result<Prepared> make_plan(const Graph& graph, const ExecutionPlanOptions& options, ThreadPool& pool);

// The kernels of an existing plan, for a second executor.
Result<std::vector<std::unique_ptr<Kernel>>> make_kernels(const ExecutionPlan& plan, ThreadPool& pool);

// Kinds that the executor runs itself, because they involve other graphs or resources.
bool is_run_by_executor(OpKind kind);

// Descriptions of a node's tensors for kernels and shape inference. `shapes` is per value of the graph.
struct NodeTensors {
  std::vector<TensorDesc> in, out, intermediates;
  NodeDesc desc(const Node& n, const CustomOps* custom_ops = nullptr) const {
    return {n.kind, &n.attrs, in, out, intermediates, custom_ops};
  }
};
NodeTensors describe(const Graph& g, const Node& n, std::span<const Shape> shapes);

// "CONV_2D 'name'": how errors and reports call a node.
std::string label(const Graph& g, NodeId id);

}  // namespace octet
