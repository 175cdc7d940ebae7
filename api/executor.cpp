// The executor of the public interface: one of runtime/ with inputs and outputs in the order of a signature.
#include "octet/executor.hpp"

#include <fmt/format.h>

#include "api/plan_data.hpp"
#include "kernels/cpu.hpp"
#include "kernels/thread_pool.hpp"
#include "octet/try.hpp"
#include "runtime/executor.hpp"

namespace octet {

struct Executor::Data {
  Plan plan;
  std::unique_ptr<GraphExecutor> exec;
  std::optional<std::chrono::nanoseconds> limit;
  bool has_run = false;
};

Executor::Executor(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

Result<Executor> Executor::create(const Plan& plan, const ExecutorOptions& options) {
  const Plan::Data& p = *plan.data_;
  auto data = std::make_unique<Data>(Data{.plan = plan, .exec = nullptr, .limit = {}});
  OCTET_ASSIGN(data->exec, GraphExecutor::create(p.plan, {.pool = options.pool ? options.pool : p.pool,
                                                          .profile = options.profile})
                               .at(p.model.path()));
  return Executor(std::move(data));
}

Result<Executor> Executor::create(const Model& model, const PlanOptions& plan,
                                  const ExecutorOptions& options) {
  GraphExecutorOptions internal;
  OCTET_ASSIGN(auto p, Plan::Data::prepare(model, plan, internal));
  internal.profile = options.profile;
  if (options.pool) internal.pool = options.pool;
  // The kernels that were made to choose the plan are this executor's.
  OCTET_ASSIGN(auto exec, GraphExecutor::create(*p->numbered, internal));
  p->finish(exec->shared_plan());
  return Executor(
      std::make_unique<Data>(Data{.plan = Plan(std::move(p)), .exec = std::move(exec), .limit = {}}));
}

const Plan& Executor::plan() const {
  return data_->plan;
}

Status Executor::run(std::span<const ConstTensorView> inputs) {
  const Plan::Data& p = *data_->plan.data_;
  if (inputs.size() != p.entry.inputs.size())
    return Status::invalid(
               fmt::format("{} inputs given, the model takes {}", inputs.size(), p.entry.inputs.size()))
        .at(p.model.path());
  std::vector<ConstTensorView> ordered(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].data == nullptr && inputs[i].bytes() > 0)
      return Status::invalid(fmt::format("input '{}' has no data", p.entry.inputs[i].name))
          .at(p.model.path());
    ordered[static_cast<size_t>(p.entry.input_at[i])] = inputs[i];
  }
  if (data_->limit) data_->exec->set_deadline(std::chrono::steady_clock::now() + *data_->limit);
  return finish(data_->exec->run(ordered));
}

Status Executor::run() {
  if (data_->limit) data_->exec->set_deadline(std::chrono::steady_clock::now() + *data_->limit);
  return finish(data_->exec->run_bound());
}

Status Executor::finish(Status status) {
  data_->has_run = data_->has_run || status.ok();
  return std::move(status).at(data_->plan.model().path());
}

Result<bool> Executor::bind_input(size_t index, const ConstTensorView& view, size_t capacity) {
  const Plan::Data& p = *data_->plan.data_;
  OCTET_TRY(p.check_buffer(index, p.entry.inputs, "input", view));
  OCTET_ASSIGN(const Binding binding,
               data_->exec->bind_input(static_cast<size_t>(p.entry.input_at[index]), view, capacity)
                   .at(p.model.path()));
  return binding == Binding::direct;
}

Result<bool> Executor::bind_output(size_t index, const TensorView& view, size_t capacity) {
  const Plan::Data& p = *data_->plan.data_;
  OCTET_TRY(p.check_buffer(index, p.entry.outputs, "output", view));
  OCTET_ASSIGN(const Binding binding,
               data_->exec->bind_output(static_cast<size_t>(p.entry.output_at[index]), view, capacity)
                   .at(p.model.path()));
  return binding == Binding::direct;
}

void Executor::unbind() {
  data_->exec->unbind();
}

ConstTensorView Executor::output(size_t index) const {
  const Plan::Data& p = *data_->plan.data_;
  if (index >= p.entry.output_at.size())
    detail::fail("an output that the model does not have was asked for", std::to_string(index));
  ConstTensorView view = data_->exec->output(static_cast<size_t>(p.entry.output_at[index]));
  if (data_->has_run) return view;
  view.data = nullptr;
  view.shape = p.entry.outputs[index].shape;
  return view;
}

void Executor::reset_state() {
  data_->exec->reset_state();
}

void Executor::cancel() {
  data_->exec->cancel();
}

void Executor::clear_cancel() {
  data_->exec->clear_cancel();
}

void Executor::set_time_limit(std::optional<std::chrono::nanoseconds> limit) {
  data_->limit = limit;
  if (!limit) data_->exec->set_deadline({});
}

std::span<const int64_t> Executor::step_nanoseconds() const {
  return data_->exec->step_nanoseconds();
}

int64_t Executor::run_nanoseconds() const {
  return data_->exec->run_nanoseconds();
}

std::shared_ptr<ThreadPool> make_thread_pool(int threads) {
  return std::make_shared<ThreadPool>(threads);
}

CpuInfo cpu_info() {
  return {.name = cpu_name(),
          .architecture = cpu_architecture(),
          .features = cpu_features(),
          .xnnpack = xnnpack_version()};
}

std::string_view version() {
  return OCTET_VERSION;
}

}  // namespace octet
