#include "runtime/model_plans.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "octet/try.hpp"

namespace octet {

Result<Prepared> ModelPlans::plan(int32_t graph, const std::vector<Shape>& input_shapes, ThreadPool& pool) {
  if (graph < 0 || graph >= static_cast<int32_t>(graphs_.size()))
    return Status::corrupt(fmt::format("there is no subgraph {}: the model has {}", graph, graphs_.size()));
  // Held while a plan is made: who asks for the same one meanwhile waits for it.
  const std::lock_guard lock(mutex_);
  for (const Entry& e : entries_)
    if (e.graph == graph && e.input_shapes == input_shapes)
      if (auto plan = e.plan.lock()) return Prepared{std::move(plan), {}};
  std::erase_if(entries_, [](const Entry& e) { return e.plan.expired(); });
  ExecutionPlanOptions options = options_;
  options.input_shapes = input_shapes;
  OCTET_ASSIGN(Prepared made,
               make_plan(graphs_[static_cast<size_t>(graph)], options, pool, shared_from_this()));
  entries_.push_back({graph, input_shapes, made.plan});
  return made;
}

Result<Prepared> plan_model(const ModelData& model, int32_t graph, const ExecutionPlanOptions& options,
                            ThreadPool& pool) {
  if (graph < 0 || graph >= static_cast<int32_t>(model.graphs.size()))
    return Status::invalid(
               fmt::format("there is no subgraph {}: the model has {}", graph, model.graphs.size()))
        .at(model.path);
  return std::make_shared<ModelPlans>(model, options)->plan(graph, options.input_shapes, pool).at(model.path);
}

}  // namespace octet
