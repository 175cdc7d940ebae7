// Runs samples through a model, whatever their shapes: an executor per set of input shapes in a row.
#pragma once

#include <memory>
#include <vector>

#include "runtime/executor.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

class Runner {
 public:
  // keep_values: every value of the model's graph is produced and shown to taps, under its own id.
  Runner(const ModelData& model, int threads, bool keep_values,
         std::shared_ptr<const CustomOps> custom_ops = nullptr)
      : model_(model), threads_(threads), keep_values_(keep_values), custom_ops_(std::move(custom_ops)) {}

  // Runs one sample from a fresh state (variables at their initial values).
  Status run(std::span<const ConstTensorView> sample, Tap* tap = nullptr);
  // The executor of the last run.
  const GraphExecutor& executor() const { return *executor_; }

 private:
  const ModelData& model_;
  int threads_;
  bool keep_values_;
  std::shared_ptr<const CustomOps> custom_ops_;
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<GraphExecutor> executor_;
  std::vector<Shape> shapes_;
};

}  // namespace octet
