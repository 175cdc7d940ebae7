#include "quant/statistics/runner.hpp"

#include <fmt/format.h>

#include "octet/try.hpp"

namespace octet {

Status Runner::run(std::span<const ConstTensorView> sample, Tap* tap) {
  const Graph& g = model_.main();
  if (sample.size() != g.inputs.size())
    return Status::invalid(
        fmt::format("the sample has {} tensors, the graph {} inputs", sample.size(), g.inputs.size()));
  std::vector<Shape> shapes;
  for (const ConstTensorView& v : sample)
    shapes.push_back(v.shape);
  if (executor_ == nullptr || shapes != shapes_) {
    if (pool_ == nullptr) pool_ = std::make_shared<ThreadPool>(threads_);
    GraphExecutorOptions options;
    options.threads = threads_;
    options.keep_values = keep_values_;
    options.input_shapes = shapes;
    options.pool = pool_;
    options.custom_ops = custom_ops_;
    OCTET_ASSIGN(executor_, GraphExecutor::create(model_, options));
    shapes_ = std::move(shapes);
  }
  executor_->reset_state();
  return executor_->run(sample, tap);
}

}  // namespace octet
