#include "runtime/plan.hpp"

#include <array>
#include <fmt/format.h>

#include "graph/rewriter.hpp"
#include "octet/try.hpp"
#include "runtime/storage.hpp"

namespace octet {
namespace {

// Folding makes constants, which cost memory that the file did not ask for: a result this much larger than
// what it is computed from (FILL, TILE, BROADCAST_TO) stays a step.
constexpr int64_t kMaxFoldedGrowth = int64_t{1} << 20;

class Planner {
 public:
  Planner(const Graph& graph, const ExecutionPlanOptions& options, ThreadPool& pool)
      : options_(options), pool_(pool) {
    plan_.graph = graph;
    plan_.custom_ops = options.custom_ops;
  }

  Result<Prepared> run() {
    OCTET_TRY(set_input_shapes());
    if (!options_.keep_values) {
      auto lowered = lower(plan_.graph);
      if (!lowered.ok()) return std::move(lowered).status();
    }
    OCTET_TRY(infer_and_fold());
    OCTET_TRY(choose());
    OCTET_TRY(place_values(plan_, workspace_, deferred_));
    return Prepared{std::make_shared<const ExecutionPlan>(std::move(plan_)), std::move(kernels_)};
  }

 private:
  Status set_input_shapes() {
    Graph& g = plan_.graph;
    if (!options_.input_shapes.empty() && options_.input_shapes.size() != g.inputs.size())
      return Status::invalid(fmt::format("{} input shapes given, the graph has {} inputs",
                                         options_.input_shapes.size(), g.inputs.size()));
    for (size_t i = 0; i < options_.input_shapes.size(); ++i) {
      Value& v = g.value(g.inputs[i]);
      const Shape& s = options_.input_shapes[i];
      if (!s.is_static())
        return Status::invalid(fmt::format("input '{}': shape {} is not fixed", v.name, s.to_string()));
      v.shape = s;
      v.has_rank = true;
    }
    return {};
  }

  Status infer_and_fold() {
    Graph& g = plan_.graph;
    plan_.shapes.resize(g.values.size());
    deferred_.assign(g.values.size(), 0);
    std::vector<char> resolved(g.values.size(), 0);
    for (size_t i = 0; i < g.values.size(); ++i)
      plan_.shapes[i] = g.values[i].shape;
    for (ValueId v : g.inputs)
      OCTET_TRY(check_size(v));
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      auto status = infer_node(id);
      if (!status.ok()) return std::move(status).at(label(g, id));
    }
    return {};
  }

  // Shapes of one node's outputs; constants when they can be known now, else a step.
  Status infer_node(NodeId id) {
    Graph& g = plan_.graph;
    const Node& n = g.nodes[static_cast<size_t>(id)];
    Step step{.node = id, .spec = find_spec(n.kind)};
    if (step.spec == nullptr) {
      const auto& a = std::get<UnknownAttrs>(n.attrs);
      return Status::unsupported(fmt::format("operator {} (builtin {}) is not supported", a.name, a.code));
    }
    step.by_runtime = is_run_by_executor(n.kind);
    bool known_inputs = !step.by_runtime, late = false;
    for (ValueId v : n.inputs) {
      if (v == kNoValue) continue;
      late = late || deferred_[static_cast<size_t>(v)] != 0;
      known_inputs = known_inputs && g.value(v).is_constant() && !g.value(v).is_variable;
    }
    InferredShapes inferred;
    const NodeTensors t = describe(g, n, plan_.shapes);
    if (late || n.kind == OpKind::WHILE || n.kind == OpKind::IF) {
      inferred.deferred = true;
    } else {
      auto r = infer_shapes(*step.spec, t.desc(n, plan_.custom_ops.get()));
      if (!r.ok()) return std::move(r).status();
      inferred = *std::move(r);
    }
    if (inferred.deferred) {
      step.late = true;
      for (ValueId v : n.outputs)
        if (v != kNoValue) deferred_[static_cast<size_t>(v)] = 1;
      plan_.steps.push_back(std::move(step));
      return {};
    }
    if (inferred.shapes.size() < n.outputs.size())
      return Status::internal("shape inference gave too few shapes");
    for (size_t o = 0; o < n.outputs.size(); ++o) {
      if (n.outputs[o] == kNoValue) continue;
      plan_.shapes[static_cast<size_t>(n.outputs[o])] = inferred.shapes[o];
      OCTET_TRY(check_size(n.outputs[o]));
    }
    if (n.kind != OpKind::CUSTOM && (known_inputs || step.spec->shape_only)) {
      bool folded = false;
      OCTET_TRY(try_fold(n, *step.spec, folded));
      if (folded) return {};
    }
    plan_.steps.push_back(std::move(step));
    return {};
  }

  Status check_size(ValueId v) const {
    const Shape& s = plan_.shapes[static_cast<size_t>(v)];
    if (!s.is_static() || s.elements() > (int64_t{1} << 46))
      return Status::exhausted(fmt::format("tensor '{}' of shape {} does not fit in memory",
                                           plan_.graph.value(v).name, s.to_string()));
    return {};
  }

  Status try_fold(const Node& n, const OpSpec& spec, bool& folded) {
    Graph& g = plan_.graph;
    int64_t in_bytes = 0, out_bytes = 0;
    for (ValueId v : n.inputs)
      if (v != kNoValue && g.value(v).is_constant())
        in_bytes += static_cast<int64_t>(g.value(v).constant.bytes().size());
    for (ValueId v : n.outputs) {
      if (v == kNoValue) return {};
      if (bytes_of(g.value(v).dtype) == 0) return {};
      out_bytes += byte_size(g.value(v).dtype, plan_.shapes[static_cast<size_t>(v)]);
    }
    if (out_bytes > 8 * in_bytes + kMaxFoldedGrowth) return {};
    NodeTensors t = describe(g, n, plan_.shapes);
    auto kernel = spec.reference.create != nullptr ? spec.reference.create(t.desc(n), pool_)
                                                   : KernelResult(Status::unsupported("is not implemented"));
    if (!kernel.ok()) return {};  // choose() reports why
    std::vector<const void*> in;
    for (ValueId v : n.inputs)
      in.push_back(v == kNoValue || !g.value(v).is_constant() ? nullptr : g.value(v).constant.data());
    std::vector<Constant> results;
    std::vector<void*> out;
    for (ValueId v : n.outputs) {
      const auto bytes =
          static_cast<size_t>(byte_size(g.value(v).dtype, plan_.shapes[static_cast<size_t>(v)]));
      results.push_back(Constant::copy_of(std::vector<std::byte>(bytes)));
      // Nobody else has seen this constant yet.
      out.push_back(const_cast<void*>(results.back().data()));
    }
    std::vector<std::byte> workspace((*kernel)->workspace_bytes() + 64);
    void* aligned = workspace.data();
    size_t space = workspace.size();
    std::align(64, (*kernel)->workspace_bytes(), aligned, space);
    OCTET_TRY((*kernel)->run({.in = in, .out = out, .workspace = aligned, .pool = pool_}));
    for (size_t o = 0; o < n.outputs.size(); ++o) {
      Value& v = g.value(n.outputs[o]);
      v.constant = std::move(results[o]);
      v.shape = plan_.shapes[static_cast<size_t>(n.outputs[o])];
    }
    folded = true;
    return {};
  }

  Status choose() {
    const Graph& g = plan_.graph;
    kernels_.resize(plan_.steps.size());
    workspace_.assign(plan_.steps.size(), 0);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      Step& step = plan_.steps[s];
      if (step.late || step.by_runtime) continue;
      const Node& n = g.nodes[static_cast<size_t>(step.node)];
      const NodeTensors t = describe(g, n, plan_.shapes);
      auto status = choose_for(step, t.desc(n, plan_.custom_ops.get()), kernels_[s]);
      if (!status.ok()) return std::move(status).at(label(g, step.node));
      workspace_[s] = kernels_[s]->workspace_bytes();
    }
    return {};
  }

  Status choose_for(Step& step, const NodeDesc& desc, std::unique_ptr<Kernel>& kernel) {
    if (options_.backend == Backend::xnnpack) {
      for (const Implementation& impl : step.spec->fast) {
        auto k = impl.create(desc, pool_);
        if (k.ok()) {
          kernel = *std::move(k);
          step.impl = &impl;
          return {};
        }
        if (k.status().code() != Code::declined) return std::move(k).status();
        if (!step.why.empty()) step.why += "; ";
        step.why += fmt::format("{}: {}", impl.name, k.status().message());
      }
    }
    if (step.spec->reference.create == nullptr) return Status::unsupported("is not implemented");
    auto k = step.spec->reference.create(desc, pool_);
    if (!k.ok()) {
      // Nobody is left to ask.
      if (k.status().code() == Code::declined) return Status::unsupported(k.status().message());
      return std::move(k).status();
    }
    kernel = *std::move(k);
    step.impl = &step.spec->reference;
    return {};
  }

  const ExecutionPlanOptions& options_;
  ThreadPool& pool_;
  ExecutionPlan plan_;
  std::vector<char> deferred_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::vector<size_t> workspace_;
};

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

NodeTensors describe(const Graph& g, const Node& n, std::span<const Shape> shapes) {
  NodeTensors t;
  auto one = [&](ValueId id) {
    TensorDesc d;
    if (id == kNoValue) {
      d.absent = true;
      return d;
    }
    const Value& v = g.value(id);
    d.name = v.name;
    d.dtype = v.dtype;
    d.shape = shapes[static_cast<size_t>(id)];
    d.quant = v.quant;
    d.is_variable = v.is_variable;
    if (v.is_constant() && !v.is_variable) d.data = v.constant.data();
    return d;
  };
  for (ValueId v : n.inputs)
    t.in.push_back(one(v));
  for (ValueId v : n.outputs)
    t.out.push_back(one(v));
  for (ValueId v : n.intermediates)
    t.intermediates.push_back(one(v));
  return t;
}

Result<Prepared> make_plan(const Graph& graph, const ExecutionPlanOptions& options, ThreadPool& pool) {
  return Planner(graph, options, pool).run();
}

Result<std::vector<std::unique_ptr<Kernel>>> make_kernels(const ExecutionPlan& plan, ThreadPool& pool) {
  std::vector<std::unique_ptr<Kernel>> kernels(plan.steps.size());
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = plan.steps[s];
    if (step.impl == nullptr) continue;
    const Node& n = plan.graph.nodes[static_cast<size_t>(step.node)];
    const NodeTensors t = describe(plan.graph, n, plan.shapes);
    auto k = step.impl->create(t.desc(n, plan.custom_ops.get()), pool);
    if (!k.ok()) return std::move(k).status().at(label(plan.graph, step.node));
    kernels[s] = *std::move(k);
  }
  return kernels;
}

}  // namespace octet
