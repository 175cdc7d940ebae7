#include "runtime/executor.hpp"

#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <new>

#include "octet/try.hpp"
#include "runtime/executor_shared.hpp"
#include "runtime/model_plans.hpp"

namespace octet {
namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Real 0 in every element.
void fill_zero(std::vector<std::byte>& bytes, const Value& v) {
  int value = 0;
  if (v.quant && !v.quant.is_per_channel() && (v.dtype == DType::int8 || v.dtype == DType::uint8))
    value = v.quant.zero_point();
  std::memset(bytes.data(), value, bytes.size());
}

// Says whose inner tensors a kernel shows.
class InnerOfNode final : public InnerTap {
 public:
  InnerOfNode(Tap* tap, ValueId output) : tap_(tap), output_(output) {}
  void on_inner(size_t which, std::span<const float> values) override {
    tap_->on_inner(output_, which, values);
  }

 private:
  Tap* tap_;
  ValueId output_;
};

}  // namespace

GraphExecutor::~GraphExecutor() = default;

Result<std::unique_ptr<GraphExecutor>> GraphExecutor::create(const ModelData& model,
                                                             const GraphExecutorOptions& options) {
  auto shared = std::make_shared<Shared>();
  shared->pool = options.pool ? options.pool : std::make_shared<ThreadPool>(options.threads);
  const ExecutionPlanOptions plan_options{.backend = options.backend,
                                          .input_shapes = options.input_shapes,
                                          .keep_values = options.keep_values,
                                          .custom_ops = options.custom_ops};
  OCTET_ASSIGN(Prepared prepared, plan_model(model, options.graph, plan_options, *shared->pool));
  return create_in(std::move(shared), std::move(prepared), options.profile).at(model.path);
}

Result<std::unique_ptr<GraphExecutor>> GraphExecutor::create(std::shared_ptr<const ExecutionPlan> plan,
                                                             const ExecutorResources& resources) {
  auto shared = std::make_shared<Shared>();
  shared->pool = resources.pool ? resources.pool : std::make_shared<ThreadPool>(resources.threads);
  return create_in(std::move(shared), {std::move(plan), {}}, resources.profile);
}

Result<std::unique_ptr<GraphExecutor>> GraphExecutor::create_in(std::shared_ptr<Shared> shared,
                                                                Prepared prepared, bool profile) {
  std::unique_ptr<GraphExecutor> e(new GraphExecutor());
  e->shared_ = std::move(shared);
  e->plan_ = std::move(prepared.plan);
  e->kernels_ = std::move(prepared.kernels);
  e->profile_ = profile;
  if (e->kernels_.empty()) OCTET_TRY(e->make_kernels());
  OCTET_TRY(e->allocate());
  return e;
}

// The kernels of a plan that somebody else has made.
Status GraphExecutor::make_kernels() {
  kernels_.resize(plan_->steps.size());
  for (size_t s = 0; s < plan_->steps.size(); ++s) {
    const Step& step = plan_->steps[s];
    if (step.impl == nullptr) continue;
    const Node& n = plan_->graph.nodes[static_cast<size_t>(step.node)];
    const NodeTensors t = describe(plan_->graph, n, plan_->shapes);
    const CustomOps* custom_ops = plan_->options.custom_ops.get();
    auto kernel = step.impl->create(t.desc(n, custom_ops, plan_->packed[s].get()), *shared_->pool);
    if (kernel.ok()) {
      kernels_[s] = *std::move(kernel);
      continue;
    }
    // What took the node before takes it again, unless it is out of memory.
    auto chosen = choose_kernel(*step.spec, t.desc(n, custom_ops), plan_->options.backend, *shared_->pool);
    if (!chosen.ok()) return std::move(chosen).status().at(label(plan_->graph, step.node));
    kernels_[s] = std::move(chosen->kernel);
  }
  return {};
}

// The arena and the state, and every pointer that a step needs.
Status GraphExecutor::allocate() {
  const ExecutionPlan& p = *plan_;
  const Graph& g = p.graph;
  const auto bytes = static_cast<size_t>(p.arena_bytes) + kSlack;
  // Pages the network never touches are never backed, so that nothing is written here.
  auto* arena = static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
  if (arena == nullptr) return Status::exhausted(fmt::format("can't allocate an arena of {} bytes", bytes));
  arena_ = {arena, [](std::byte* q) { std::free(q); }};
  shapes_ = p.shapes;
  pointers_.assign(g.values.size(), nullptr);
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    switch (p.places[i].storage) {
      case Storage::constant: pointers_[i] = const_cast<void*>(v.constant.data()); break;
      case Storage::arena: pointers_[i] = arena + p.places[i].offset; break;
      case Storage::variable: {
        auto& state = variables_[static_cast<ValueId>(i)];
        state.resize(static_cast<size_t>(byte_size(v.dtype, p.shapes[i])) + kSlack);
        pointers_[i] = state.data();
        break;
      }
      default: break;
    }
  }
  find_pointers();
  own_workspace_.resize(p.steps.size());
  step_workspace_.assign(p.steps.size(), nullptr);
  for (size_t s = 0; s < p.steps.size(); ++s) {
    const size_t needed = kernels_[s] == nullptr ? 0 : kernels_[s]->workspace_bytes();
    if (needed > p.workspace_bytes[s])
      step_workspace_[s] = own_workspace_[s].reserve(needed);
    else if (needed > 0)
      step_workspace_[s] = arena + p.workspace_offset[s];
  }
  bound_in_.resize(g.inputs.size());
  bound_out_.resize(g.outputs.size());
  called_.assign(p.steps.size(), 0);
  step_ns_.assign(profile_ ? p.steps.size() : 0, 0);
  reset_state();
  return {};
}

void GraphExecutor::find_pointers() {
  const ExecutionPlan& p = *plan_;
  step_in_.resize(p.steps.size());
  step_out_.resize(p.steps.size());
  for (size_t s = 0; s < p.steps.size(); ++s) {
    const Node& n = p.graph.nodes[static_cast<size_t>(p.steps[s].node)];
    step_in_[s].clear();
    step_out_[s].clear();
    for (ValueId v : n.inputs)
      step_in_[s].push_back(pointer_to(v));
    for (ValueId v : n.outputs)
      step_out_[s].push_back(pointer_to(v));
  }
}

void GraphExecutor::reset_state() {
  for (auto& [id, bytes] : variables_) {
    const Value& v = plan_->graph.value(id);
    if (v.is_constant() && v.constant.bytes().size() + kSlack == bytes.size()) {
      std::memcpy(bytes.data(), v.constant.data(), v.constant.bytes().size());
    } else {
      fill_zero(bytes, v);
    }
  }
  for (const auto& kernel : kernels_)
    if (kernel != nullptr) kernel->reset_state();
  for (auto& [key, executor] : subgraphs_)
    executor->reset_state();
  shared_->resources.clear();
  called_.assign(called_.size(), 0);
}

void* GraphExecutor::pointer_to(ValueId v) {
  return v == kNoValue ? nullptr : pointers_[static_cast<size_t>(v)];
}

ConstTensorView GraphExecutor::view_of(ValueId v) const {
  const Value& value = plan_->graph.value(v);
  return {pointers_[static_cast<size_t>(v)], value.dtype, shapes_[static_cast<size_t>(v)], value.quant};
}

ConstTensorView GraphExecutor::output(size_t i) const {
  ConstTensorView v = view_of(plan_->graph.outputs[i]);
  if (bits_of(v.dtype) == 0) v.data = nullptr;
  return v;
}

ConstTensorView GraphExecutor::input_info(size_t i) const {
  ConstTensorView v = view_of(plan_->graph.inputs[i]);
  v.data = nullptr;
  return v;
}

Status GraphExecutor::check_input(size_t i, const ConstTensorView& v) const {
  const ConstTensorView want = input_info(i);
  const std::string& name = plan_->graph.value(plan_->graph.inputs[i]).name;
  if (v.dtype != want.dtype)
    return Status::invalid(
        fmt::format("input '{}' is {}, got {}", name, name_of(want.dtype), name_of(v.dtype)));
  if (v.shape != want.shape)
    return Status::invalid(
        fmt::format("input '{}' has shape {}, got {}", name, want.shape.to_string(), v.shape.to_string()));
  if (v.data == nullptr && v.bytes() > 0) return Status::invalid(fmt::format("input '{}' has no data", name));
  return {};
}

Status GraphExecutor::run(std::span<const ConstTensorView> inputs, Tap* tap) {
  const Graph& g = plan_->graph;
  if (inputs.size() != g.inputs.size())
    return Status::invalid(fmt::format("{} inputs given, the graph has {}", inputs.size(), g.inputs.size()));
  for (size_t i = 0; i < inputs.size(); ++i)
    OCTET_TRY(check_input(i, inputs[i]));
  const int64_t start = profile_ ? now_ns() : 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueId v = g.inputs[i];
    if (bound_in_[i].binding == Binding::direct) move_io(plan_->inputs[i], v, nullptr);
    bound_in_[i] = {};
    if (pointer_to(v) != nullptr && inputs[i].bytes() > 0)
      std::memcpy(pointer_to(v), inputs[i].data, static_cast<size_t>(inputs[i].bytes()));
  }
  OCTET_TRY(run_steps(tap));
  if (profile_) run_ns_ = now_ns() - start;
  return {};
}

Status GraphExecutor::run_bound(Tap* tap) {
  const int64_t start = profile_ ? now_ns() : 0;
  for (size_t i = 0; i < bound_in_.size(); ++i) {
    const ValueId v = plan_->graph.inputs[i];
    const int64_t bytes = view_of(v).bytes();
    if (bytes == 0 || bound_in_[i].binding == Binding::direct) continue;
    if (bound_in_[i].data == nullptr)
      return Status::invalid(fmt::format("input '{}' is not bound", plan_->graph.value(v).name));
    if (pointer_to(v) != nullptr) std::memcpy(pointer_to(v), bound_in_[i].data, static_cast<size_t>(bytes));
  }
  OCTET_TRY(run_steps(tap));
  if (profile_) run_ns_ = now_ns() - start;
  return {};
}

// Every step in order, on inputs that are where they belong.
Status GraphExecutor::run_steps(Tap* tap) {
  const Graph& g = plan_->graph;
  if (tap != nullptr)
    for (ValueId v : g.inputs)
      tap->on_value(v, view_of(v));
  for (size_t s = 0; s < plan_->steps.size(); ++s) {
    OCTET_TRY(check_stop());
    const int64_t before = profile_ ? now_ns() : 0;
    auto status = run_step(s, tap);
    if (!status.ok()) return std::move(status).at(label(g, plan_->steps[s].node));
    if (profile_) step_ns_[s] = now_ns() - before;
    if (tap == nullptr) continue;
    for (ValueId v : g.nodes[static_cast<size_t>(plan_->steps[s].node)].outputs)
      if (v != kNoValue) tap->on_value(v, view_of(v));
  }
  return copy_outputs();
}

Status GraphExecutor::run(std::span<const ConstTensorView> inputs, std::span<const TensorView> outputs,
                          Tap* tap) {
  OCTET_TRY(run(inputs, tap));
  if (outputs.size() != output_count())
    return Status::invalid(fmt::format("{} outputs given, the graph has {}", outputs.size(), output_count()));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ConstTensorView from = output(i);
    if (outputs[i].dtype != from.dtype || outputs[i].shape != from.shape)
      return Status::invalid(fmt::format("output '{}' is {} {}, got room for {} {}",
                                         plan_->graph.value(plan_->graph.outputs[i]).name,
                                         name_of(from.dtype), from.shape.to_string(),
                                         name_of(outputs[i].dtype), outputs[i].shape.to_string()));
    if (from.bytes() > 0) std::memcpy(outputs[i].data, from.data, static_cast<size_t>(from.bytes()));
  }
  return {};
}

Status GraphExecutor::run_step(size_t s, Tap* tap) {
  const Step& step = plan_->steps[s];
  if (step.elided) return {};
  if (step.by_runtime) return run_by_runtime(s);
  const Node& n = plan_->graph.nodes[static_cast<size_t>(step.node)];
  const bool shows = tap != nullptr && !step.spec->inner.empty() && !n.outputs.empty();
  InnerOfNode of_node(tap, shows ? n.outputs[0] : kNoValue);
  InnerTap* inner = shows ? &of_node : nullptr;
  if (step.late) return run_late(s, inner);
  return kernels_[s]->run({.in = step_in_[s],
                           .out = step_out_[s],
                           .workspace = step_workspace_[s],
                           .pool = *shared_->pool,
                           .inner = inner});
}

// Room for a value whose shape became known just now.
Status GraphExecutor::set_heap(ValueId v, const Shape& shape) {
  const Value& value = plan_->graph.value(v);
  if (!shape.is_static() || shape.elements() > (int64_t{1} << 40))
    return Status::exhausted(
        fmt::format("tensor '{}' of shape {} does not fit in memory", value.name, shape.to_string()));
  std::vector<std::byte>& bytes = heap_[v];
  bytes.resize(static_cast<size_t>(byte_size(value.dtype, shape)) + kSlack);
  pointers_[static_cast<size_t>(v)] = bytes.data();
  shapes_[static_cast<size_t>(v)] = shape;
  return {};
}

// Copy `from` into value v, which the executor produces itself.
Status GraphExecutor::assign_value(ValueId v, const ConstTensorView& from) {
  const Value& value = plan_->graph.value(v);
  if (from.dtype != value.dtype)
    return Status::invalid(
        fmt::format("tensor '{}' is {}, got {}", value.name, name_of(value.dtype), name_of(from.dtype)));
  if (plan_->places[static_cast<size_t>(v)].storage == Storage::heap) {
    OCTET_TRY(set_heap(v, from.shape));
  } else if (from.shape != shapes_[static_cast<size_t>(v)]) {
    return Status::invalid(fmt::format("tensor '{}' has shape {}, got {}", value.name,
                                       shapes_[static_cast<size_t>(v)].to_string(), from.shape.to_string()));
  }
  if (void* to = pointer_to(v); to != nullptr && from.bytes() > 0)
    std::memcpy(to, from.data, static_cast<size_t>(from.bytes()));
  return {};
}

// A step whose shapes depend on data: infer with everything known, prepare, run.
Status GraphExecutor::run_late(size_t s, InnerTap* inner) {
  const Step& step = plan_->steps[s];
  const Node& n = plan_->graph.nodes[static_cast<size_t>(step.node)];
  NodeTensors t = describe(plan_->graph, n, shapes_);
  for (size_t i = 0; i < n.inputs.size(); ++i)
    if (n.inputs[i] != kNoValue) t.in[i].data = pointer_to(n.inputs[i]);
  const CustomOps* custom_ops = plan_->options.custom_ops.get();
  OCTET_ASSIGN(const InferredShapes inferred, infer_outputs(*step.spec, n, t, custom_ops));
  if (inferred.deferred) return Status::unsupported("its output shape can't be known");
  for (size_t o = 0; o < n.outputs.size(); ++o)
    if (n.outputs[o] != kNoValue) OCTET_TRY(set_heap(n.outputs[o], t.out[o].shape));
  OCTET_ASSIGN(const ChosenKernel chosen,
               choose_kernel(*step.spec, t.desc(n, custom_ops), plan_->options.backend, *shared_->pool));
  std::vector<const void*> in;
  std::vector<void*> out;
  for (ValueId v : n.inputs)
    in.push_back(pointer_to(v));
  for (ValueId v : n.outputs)
    out.push_back(pointer_to(v));
  return run_kernel(*chosen.kernel, in, out, late_workspace_, *shared_->pool, inner);
}

}  // namespace octet
