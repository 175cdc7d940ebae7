#include "runtime/plan.hpp"

#include <array>
#include <fmt/format.h>

#include "graph/rewriter.hpp"
#include "kernels/cpu.hpp"
#include "octet/try.hpp"
#include "runtime/storage.hpp"

namespace octet {
namespace {

Status set_input_shapes(Graph& g, const std::vector<Shape>& shapes) {
  if (!shapes.empty() && shapes.size() != g.inputs.size())
    return Status::invalid(
        fmt::format("{} input shapes given, the graph has {} inputs", shapes.size(), g.inputs.size()));
  for (size_t i = 0; i < shapes.size(); ++i) {
    Value& v = g.value(g.inputs[i]);
    if (!shapes[i].is_static())
      return Status::invalid(fmt::format("input '{}': shape {} is not fixed", v.name, shapes[i].to_string()));
    v.shape = shapes[i];
    v.has_rank = true;
  }
  return {};
}

Status check_size(const ExecutionPlan& plan, ValueId v) {
  const Shape& s = plan.shapes[static_cast<size_t>(v)];
  if (!s.is_static() || s.elements() > (int64_t{1} << 46))
    return Status::exhausted(fmt::format("tensor '{}' of shape {} does not fit in memory",
                                         plan.graph.value(v).name, s.to_string()));
  return {};
}

// Whether every input of a node is known, or only its shape matters, and its outputs are worth keeping.
bool can_fold(const ExecutionPlan& plan, const Node& n, const OpSpec& spec) {
  if (n.kind == OpKind::CUSTOM || is_run_by_executor(n.kind)) return false;
  const Graph& g = plan.graph;
  int64_t in_bytes = 0, out_bytes = 0;
  for (ValueId id : n.inputs) {
    if (id == kNoValue) continue;
    const Value& v = g.value(id);
    if (v.is_constant() && !v.is_variable) {
      const auto held = static_cast<int64_t>(v.constant.bytes().size());
      in_bytes += v.dtype == DType::int4 ? 2 * held : held;
    } else if (!spec.shape_only) {
      return false;
    }
  }
  for (ValueId v : n.outputs) {
    if (v == kNoValue || bytes_of(g.value(v).dtype) == 0) return false;
    out_bytes += byte_size(g.value(v).dtype, plan.shapes[static_cast<size_t>(v)]);
  }
  return is_worth_folding(in_bytes, out_bytes);
}

// Make constants of the node's outputs; false when it has no kernel for that: choosing one says why.
Result<bool> fold(ExecutionPlan& plan, const Node& n, const OpSpec& spec, const NodeTensors& t,
                  ThreadPool& pool) {
  auto results = run_on_constants(spec, t.desc(n), pool);
  if (results.status().code() == Code::unsupported) return false;
  if (!results.ok()) return std::move(results).status();
  for (size_t o = 0; o < n.outputs.size(); ++o) {
    Value& v = plan.graph.value(n.outputs[o]);
    v.constant = std::move((*results)[o]);
    v.shape = t.out[o].shape;
  }
  return true;
}

// Shapes of one node's outputs; constants when they can be known now, else a step.
Status infer_node(ExecutionPlan& plan, NodeId id, std::vector<char>& deferred, ThreadPool& pool) {
  const Node& n = plan.graph.nodes[static_cast<size_t>(id)];
  Step step{.node = id, .spec = find_spec(n.kind)};
  if (step.spec == nullptr) {
    const auto& a = std::get<UnknownAttrs>(n.attrs);
    return Status::unsupported(fmt::format("operator {} (builtin {}) is not supported", a.name, a.code));
  }
  step.by_runtime = is_run_by_executor(n.kind);
  step.late = n.kind == OpKind::WHILE || n.kind == OpKind::IF;
  for (ValueId v : n.inputs)
    step.late = step.late || (v != kNoValue && deferred[static_cast<size_t>(v)] != 0);
  NodeTensors t = describe(plan.graph, n, plan.shapes);
  if (!step.late) {
    OCTET_ASSIGN(const InferredShapes inferred,
                 infer_outputs(*step.spec, n, t, plan.options.custom_ops.get()));
    step.late = inferred.deferred;
  }
  for (size_t o = 0; o < n.outputs.size(); ++o) {
    const ValueId v = n.outputs[o];
    if (v == kNoValue) continue;
    if (step.late) {
      deferred[static_cast<size_t>(v)] = 1;
      continue;
    }
    plan.shapes[static_cast<size_t>(v)] = t.out[o].shape;
    OCTET_TRY(check_size(plan, v));
  }
  if (!step.late && can_fold(plan, n, *step.spec)) {
    OCTET_ASSIGN(const bool folded, fold(plan, n, *step.spec, t, pool));
    if (folded) return {};
  }
  plan.steps.push_back(std::move(step));
  return {};
}

// Shapes and steps. Returns per value whether its shape is known only at run time.
Result<std::vector<char>> infer_and_fold(ExecutionPlan& plan, ThreadPool& pool) {
  const Graph& g = plan.graph;
  std::vector<char> deferred(g.values.size(), 0);
  for (const Value& v : g.values)
    plan.shapes.push_back(v.shape);
  for (ValueId v : g.inputs)
    OCTET_TRY(check_size(plan, v));
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    OCTET_TRY(infer_node(plan, id, deferred, pool).at(label(g, id)));
  }
  return deferred;
}

// A kernel for every step that has one before the run.
Result<std::vector<std::unique_ptr<Kernel>>> choose_kernels(ExecutionPlan& plan, ThreadPool& pool) {
  std::vector<std::unique_ptr<Kernel>> kernels(plan.steps.size());
  plan.packed.resize(plan.steps.size());
  plan.workspace_bytes.assign(plan.steps.size(), 0);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    Step& step = plan.steps[s];
    if (step.late || step.by_runtime) continue;
    const Node& n = plan.graph.nodes[static_cast<size_t>(step.node)];
    const NodeTensors t = describe(plan.graph, n, plan.shapes);
    plan.packed[s] = std::make_shared<PackedNode>();
    const NodeDesc desc = t.desc(n, plan.options.custom_ops.get(), plan.packed[s].get());
    auto chosen = choose_kernel(*step.spec, desc, plan.options.backend, pool);
    if (!chosen.ok()) return std::move(chosen).status().at(label(plan.graph, step.node));
    step.impl = chosen->impl;
    step.why = std::move(chosen->why);
    kernels[s] = std::move(chosen->kernel);
    plan.workspace_bytes[s] = kernels[s]->workspace_bytes();
  }
  return kernels;
}

}  // namespace

bool is_run_by_executor(OpKind kind) {
  constexpr std::array kinds = {OpKind::IF,         OpKind::WHILE,         OpKind::CALL_ONCE,
                                OpKind::VAR_HANDLE, OpKind::READ_VARIABLE, OpKind::ASSIGN_VARIABLE};
  for (OpKind k : kinds)
    if (k == kind) return true;
  return false;
}

std::string label(const Graph& g, NodeId id) {
  const Node& n = g.nodes[static_cast<size_t>(id)];
  const auto* custom = std::get_if<CustomAttrs>(&n.attrs);
  return fmt::format("{}{} '{}'", name_of(n.kind), custom != nullptr ? ":" + custom->name : "",
                     node_name(g, id));
}

Result<Prepared> make_plan(const Graph& graph, const ExecutionPlanOptions& options, ThreadPool& pool,
                           std::shared_ptr<ModelPlans> model) {
  OCTET_TRY(cpu_status());
  auto plan = std::make_shared<ExecutionPlan>();
  plan->options = options;
  plan->graph = graph;
  plan->model = std::move(model);
  OCTET_TRY(set_input_shapes(plan->graph, options.input_shapes));
  if (!options.keep_values) {
    auto lowered = lower(plan->graph);
    if (!lowered.ok()) return std::move(lowered).status();
  }
  OCTET_ASSIGN(const std::vector<char> deferred, infer_and_fold(*plan, pool));
  OCTET_ASSIGN(auto kernels, choose_kernels(*plan, pool));
  OCTET_TRY(place_values(*plan, deferred));
  return Prepared{std::move(plan), std::move(kernels)};
}

Result<std::vector<Shape>> inferred_shapes(const Graph& graph, std::shared_ptr<const CustomOps> custom_ops) {
  ThreadPool pool(1);
  ExecutionPlan plan;
  plan.options.keep_values = true;
  plan.options.custom_ops = std::move(custom_ops);
  plan.graph = graph;
  OCTET_ASSIGN(const std::vector<char> deferred, infer_and_fold(plan, pool));
  for (size_t v = 0; v < deferred.size(); ++v)
    if (deferred[v] != 0) plan.shapes[v] = graph.values[v].shape;
  return std::move(plan.shapes);
}

}  // namespace octet
