// What a Plan of the public interface holds. Internal to api/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/entry_point.hpp"
#include "kernels/thread_pool.hpp"
#include "octet/executor.hpp"
#include "runtime/executor.hpp"

namespace octet {

struct Plan::Data {
  Model model;
  // The graph that runs, each operator's `origins` its own index: what becomes of it is then told by the
  // plan.
  std::shared_ptr<const ModelData> numbered;
  EntryPoint entry;
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<const ExecutionPlan> plan;

  // Everything but the plan itself, and the internal options that make it.
  static Result<std::shared_ptr<Data>> prepare(const Model& model, const PlanOptions& options,
                                               GraphExecutorOptions& internal);
  void finish(std::shared_ptr<const ExecutionPlan> made);

  // Whether `view` can stand for input or output `index`, which `infos` describe.
  Status check_buffer(size_t index, const std::vector<TensorInfo>& infos, std::string_view what,
                      const ConstTensorView& view) const;
};

}  // namespace octet
