// The plans of one model's graphs, each made once for all executors that run it.
//
//   auto prepared = plan_model(model, 0, {}, pool);
//   auto a = GraphExecutor::create(prepared->plan), b = GraphExecutor::create(prepared->plan);  // one per
//   thread
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "runtime/plan.hpp"

namespace octet {

// Thread-safe.
class ModelPlans : public std::enable_shared_from_this<ModelPlans> {
 public:
  // Copies the graphs; their constants are shared.
  ModelPlans(const ModelData& model, ExecutionPlanOptions options)
      : graphs_(model.graphs), options_(std::move(options)) {}

  // The plan of a graph for these input shapes (empty: the model's). When nobody has one any more it is made,
  // and the kernels that were made to choose it come with it.
  Result<Prepared> plan(int32_t graph, const std::vector<Shape>& input_shapes, ThreadPool& pool);

 private:
  struct Entry {
    int32_t graph;
    std::vector<Shape> input_shapes;
    std::weak_ptr<const ExecutionPlan> plan;
  };

  const std::vector<Graph> graphs_;
  const ExecutionPlanOptions options_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

// Plan a graph of a model. Errors begin with the model's path.
Result<Prepared> plan_model(const ModelData& model, int32_t graph, const ExecutionPlanOptions& options,
                            ThreadPool& pool);

}  // namespace octet
