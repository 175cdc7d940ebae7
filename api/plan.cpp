// The plan of the public interface: entry points by name, and what became of each operator of the model.
#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "api/entry_point.hpp"
#include "api/model_info.hpp"
#include "api/plan_data.hpp"
#include "octet/try.hpp"
#include "runtime/model_plans.hpp"

namespace octet {
namespace {

// The shapes that the graph's inputs are to have; empty: those of the file. Of inputs with the same name each
// takes one shape of that name.
Result<std::vector<Shape>> wanted_shapes(const PlanOptions& options, const EntryPoint& entry) {
  if (options.input_shapes.empty()) return std::vector<Shape>();
  const size_t n = entry.inputs.size();
  std::vector<Shape> shapes(n);
  std::vector<char> given(n, 0);
  for (const auto& [name, shape] : options.input_shapes) {
    bool known = false, used = false;
    for (size_t i = 0; i < n && !used; ++i) {
      if (entry.inputs[i].name != name) continue;
      known = true;
      if (given[i] != 0) continue;
      shapes[static_cast<size_t>(entry.input_at[i])] = shape;
      given[i] = 1;
      used = true;
    }
    if (!known)
      return Status::invalid(fmt::format("there is no input '{}' to give a shape to; the model has {}", name,
                                         names_of(entry.inputs)));
    if (!used) return Status::invalid(fmt::format("input '{}' is given two shapes", name));
  }
  for (size_t i = 0; i < n; ++i)
    if (given[i] == 0) shapes[static_cast<size_t>(entry.input_at[i])] = entry.inputs[i].stored_shape;
  return shapes;
}

// The model with each operator of graph `graph` called by its index.
std::shared_ptr<const ModelData> number_operators(const ModelData& model, int32_t graph) {
  auto copy = std::make_shared<ModelData>(model);
  std::vector<Node>& nodes = copy->graphs[static_cast<size_t>(graph)].nodes;
  for (size_t i = 0; i < nodes.size(); ++i)
    nodes[i].origins = {std::to_string(i)};
  return copy;
}

std::vector<int32_t> operators_of(const Node& n) {
  std::vector<int32_t> indices;
  for (const std::string& origin : n.origins) {
    int32_t index = -1;
    const auto [end, error] = std::from_chars(origin.data(), origin.data() + origin.size(), index);
    if (error == std::errc() && end == origin.data() + origin.size()) indices.push_back(index);
  }
  return indices;
}

std::string kernel_of(const Step& s) {
  if (s.elided) return "none";
  if (s.by_runtime) return "runtime";
  if (s.late) return "late";
  return s.impl != nullptr ? std::string(s.impl->name) : "none";
}

std::string why_of(const Step& s) {
  if (s.elided) return "input and output share storage";
  if (s.late && !s.by_runtime) return "its shapes depend on data: prepared again in every run";
  return s.why;
}

// What is not known before a run has extents of -1.
void set_planned_shapes(const ExecutionPlan& plan, const std::vector<ValueId>& ids,
                        const std::vector<int32_t>& at, std::vector<TensorInfo>& infos) {
  for (size_t i = 0; i < infos.size(); ++i) {
    const auto v = static_cast<size_t>(ids[static_cast<size_t>(at[i])]);
    if (plan.places[v].storage != Storage::heap)
      infos[i].shape = infos[i].stored_shape = plan.shapes[v];
    else if (infos[i].shape.is_static())
      infos[i].shape = Shape::of_rank(infos[i].shape.rank(), -1);
  }
}

}  // namespace

Status Plan::Data::check_buffer(size_t index, const std::vector<TensorInfo>& infos, std::string_view what,
                                const ConstTensorView& view) const {
  if (index >= infos.size())
    return Status::invalid(fmt::format("there is no {} {}: there are {}", what, index, infos.size()))
        .at(model.path());
  if (view.data == nullptr && view.bytes() > 0)
    return Status::invalid(fmt::format("{} '{}' is given no memory", what, infos[index].name))
        .at(model.path());
  return {};
}

Result<std::shared_ptr<Plan::Data>> Plan::Data::prepare(const Model& model, const PlanOptions& options,
                                                        GraphExecutorOptions& internal) {
  const std::string& path = model.path();
  auto data = std::make_shared<Data>(Data{.model = model});
  OCTET_ASSIGN(data->entry, entry_point(*model.data(), options.signature, options.graph).at(path));
  OCTET_ASSIGN(internal.input_shapes, wanted_shapes(options, data->entry).at(path));
  data->pool = options.pool ? options.pool : make_thread_pool(options.threads);
  data->numbered = number_operators(*model.data(), data->entry.graph);
  internal.backend = options.reference ? Backend::reference : Backend::xnnpack;
  internal.graph = data->entry.graph;
  internal.pool = data->pool;
  internal.custom_ops = options.custom_ops;
  return data;
}

void Plan::Data::finish(std::shared_ptr<const ExecutionPlan> made) {
  plan = std::move(made);
  set_planned_shapes(*plan, plan->graph.inputs, entry.input_at, entry.inputs);
  set_planned_shapes(*plan, plan->graph.outputs, entry.output_at, entry.outputs);
}

Result<Plan> Plan::create(const Model& model, const PlanOptions& options) {
  GraphExecutorOptions internal;
  OCTET_ASSIGN(auto data, Data::prepare(model, options, internal));
  const ExecutionPlanOptions how{
      .backend = internal.backend, .input_shapes = internal.input_shapes, .custom_ops = internal.custom_ops};
  OCTET_ASSIGN(Prepared prepared, plan_model(*data->numbered, data->entry.graph, how, *data->pool));
  data->finish(std::move(prepared.plan));
  return Plan(std::move(data));
}

const Model& Plan::model() const {
  return data_->model;
}
std::span<const TensorInfo> Plan::inputs() const {
  return data_->entry.inputs;
}
std::span<const TensorInfo> Plan::outputs() const {
  return data_->entry.outputs;
}
int64_t Plan::arena_bytes() const {
  return data_->plan->arena_bytes;
}
int64_t Plan::arena_lower_bound() const {
  return data_->plan->arena_lower_bound;
}

namespace {

DType dtype_of(const Graph& g, const Node& n) {
  for (const auto* ids : {&n.outputs, &n.inputs})
    for (ValueId v : *ids)
      if (v != kNoValue) return g.value(v).dtype;
  return DType::float32;
}

}  // namespace

std::vector<PlanStep> Plan::steps() const {
  const ExecutionPlan& plan = *data_->plan;
  std::vector<PlanStep> steps;
  for (const Step& s : plan.steps) {
    const Node& n = plan.graph.nodes[static_cast<size_t>(s.node)];
    steps.push_back({.kind = kind_name(n),
                     .name = node_name(plan.graph, s.node),
                     .kernel = kernel_of(s),
                     .why = why_of(s),
                     .dtype = dtype_of(plan.graph, n),
                     .macs = s.late ? 0 : macs_of(plan.graph, n, plan.shapes),
                     .operators = operators_of(n)});
  }
  return steps;
}

std::vector<OperatorOutcome> Plan::outcomes() const {
  const ExecutionPlan& plan = *data_->plan;
  const Graph& g = data_->numbered->graphs[static_cast<size_t>(data_->entry.graph)];
  std::vector<OperatorOutcome> outcomes(g.nodes.size());
  for (size_t s = 0; s < plan.steps.size(); ++s)
    for (int32_t i : operators_of(plan.graph.nodes[static_cast<size_t>(plan.steps[s].node)]))
      outcomes[static_cast<size_t>(i)].steps.push_back(static_cast<int32_t>(s));
  std::vector<char> taken(plan.steps.size(), 0);  // steps that some operator of the model is
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    OperatorOutcome& o = outcomes[i];
    if (o.steps.empty()) {
      o.kernel = "folded";
      o.why = "computed when the model is loaded, or not needed";
      continue;
    }
    const auto is_own = [&](int32_t s) {
      const NodeId node = plan.steps[static_cast<size_t>(s)].node;
      return taken[static_cast<size_t>(s)] == 0 &&
             plan.graph.nodes[static_cast<size_t>(node)].kind == g.nodes[i].kind;
    };
    const auto own = std::find_if(o.steps.begin(), o.steps.end(), is_own);
    if (own == o.steps.end()) {
      o.kernel = "fused";
      o.why = "part of " + label(plan.graph, plan.steps[static_cast<size_t>(o.steps.front())].node);
      continue;
    }
    taken[static_cast<size_t>(*own)] = 1;
    const Step& s = plan.steps[static_cast<size_t>(*own)];
    o.kernel = kernel_of(s);
    o.why = why_of(s);
    o.dtype = dtype_of(plan.graph, plan.graph.nodes[static_cast<size_t>(s.node)]);
  }
  return outcomes;
}

}  // namespace octet
