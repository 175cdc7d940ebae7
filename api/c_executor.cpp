// Pools, plans and executors of the C interface.
#include <fmt/format.h>
#include <vector>

#include "api/c_api.hpp"
#include "api/c_handles.hpp"
#include "octet/try.hpp"

using octet::Status;
using octet::c_api::guarded;
using octet::c_api::null_argument;
using octet::c_api::read_struct;

namespace {

constexpr size_t kSlackBytes = 64;  // that kernels may read behind an input

struct BothOptions {
  octet::PlanOptions plan;
  octet::ExecutorOptions executor;
};

octet::Result<BothOptions> options_of(const octet_executor_options* given) {
  octet_executor_options o;
  OCTET_TRY(read_struct(given, o));
  BothOptions both;
  octet::PlanOptions& p = both.plan;
  p.threads = std::max(o.threads, 1);
  p.reference = o.reference != 0;
  p.graph = o.graph;
  if (o.custom_ops != nullptr) p.custom_ops = octet::c_api::shared(*o.custom_ops);
  if (o.pool != nullptr) p.pool = o.pool->pool;
  if (o.signature != nullptr) p.signature = o.signature;
  if (o.input_shape_count > 0 && o.input_shapes == nullptr) return null_argument("input_shapes");
  for (size_t i = 0; i < o.input_shape_count; ++i) {
    const octet_input_shape& s = o.input_shapes[i];
    if (s.name == nullptr) return null_argument("the name of an input shape");
    if (s.rank < 0 || s.rank > OCTET_MAX_RANK)
      return Status::invalid(fmt::format("the shape of input '{}' has {} axes", s.name, s.rank));
    p.input_shapes.emplace_back(s.name, octet::Shape(std::span(s.shape, static_cast<size_t>(s.rank))));
  }
  both.executor.profile = o.profile != 0;
  return both;
}

octet::ConstTensorView view_of(const octet::TensorInfo& t, const void* data) {
  return {data, t.dtype, t.shape, t.quant};
}

Status check_bytes(std::span<const octet::TensorInfo> infos, size_t index, const char* what, size_t bytes) {
  if (index >= infos.size())
    return Status::invalid(fmt::format("there is no {} {}: there are {}", what, index, infos.size()));
  const octet::TensorInfo& t = infos[index];
  const auto wanted = static_cast<size_t>(octet::byte_size(t.dtype, t.shape));
  if (!t.shape.is_static())
    return Status::invalid(fmt::format("the size of {} '{}' is not known before a run", what, t.name));
  if (bytes != wanted)
    return Status::invalid(fmt::format("{} '{}' takes {} bytes, got {}", what, t.name, wanted, bytes));
  return {};
}

Status give(octet::Result<octet::Executor> made, octet_executor** out) {
  if (!made.ok()) return std::move(made).status();
  auto e = std::make_unique<octet_executor>(octet_executor{*std::move(made), {}, {}, {}});
  e->steps = e->executor.plan().steps();
  const auto inputs = e->executor.plan().inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto bytes = static_cast<size_t>(octet::byte_size(inputs[i].dtype, inputs[i].shape));
    std::vector<std::byte>& own = e->inputs.emplace_back(bytes + kSlackBytes);
    OCTET_TRY(e->executor.bind_input(i, view_of(inputs[i], own.data()), own.size()).status());
  }
  e->is_own.assign(inputs.size(), 1);
  *out = e.release();
  return {};
}

int32_t find(std::span<const octet::TensorInfo> infos, const char* name) {
  for (size_t i = 0; name != nullptr && i < infos.size(); ++i)
    if (infos[i].name == name) return static_cast<int32_t>(i);
  return -1;
}

std::span<const octet::TensorInfo> inputs_of(const octet_executor* e) {
  return e != nullptr ? e->executor.plan().inputs() : std::span<const octet::TensorInfo>();
}
std::span<const octet::TensorInfo> outputs_of(const octet_executor* e) {
  return e != nullptr ? e->executor.plan().outputs() : std::span<const octet::TensorInfo>();
}

const octet::Quantization& quant_of(std::span<const octet::TensorInfo> infos, size_t index) {
  static const octet::Quantization none;
  return index < infos.size() ? infos[index].quant : none;
}

int step_info(const std::vector<octet::PlanStep>& steps, size_t index, octet_step_info* info) {
  if (index >= steps.size()) return OCTET_INVALID_ARGUMENT;
  octet_step_info s{};
  s.kind = steps[index].kind.c_str();
  s.name = steps[index].name.c_str();
  s.kernel = steps[index].kernel.c_str();
  s.why = steps[index].why.c_str();
  s.macs = steps[index].macs;
  return octet::c_api::write_struct(s, info);
}

}  // namespace

int octet_pool_create(int32_t threads, octet_pool** pool, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (pool == nullptr) return null_argument("pool");
    *pool = nullptr;
    if (threads < 1) return Status::invalid(fmt::format("a pool of {} threads", threads));
    *pool = new octet_pool{octet::make_thread_pool(threads)};
    return {};
  });
}

void octet_pool_free(octet_pool* pool) {
  delete pool;
}

int octet_plan_create(const octet_model* model, const octet_executor_options* options, octet_plan** plan,
                      char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (plan == nullptr) return null_argument("plan");
    *plan = nullptr;
    if (model == nullptr) return null_argument("model");
    OCTET_ASSIGN(const BothOptions both, options_of(options));
    OCTET_ASSIGN(const octet::Plan made, octet::Plan::create(model->model, both.plan));
    *plan = new octet_plan{made, made.steps(), made.outcomes()};
    return {};
  });
}

void octet_plan_free(octet_plan* plan) {
  delete plan;
}

size_t octet_plan_step_count(const octet_plan* plan) {
  return plan != nullptr ? plan->steps.size() : 0;
}
int octet_plan_step_info(const octet_plan* plan, size_t index, octet_step_info* info) {
  return plan != nullptr ? step_info(plan->steps, index, info) : OCTET_INVALID_ARGUMENT;
}
int octet_plan_outcome(const octet_plan* plan, size_t index, octet_outcome* outcome) {
  if (plan == nullptr || index >= plan->outcomes.size()) return OCTET_INVALID_ARGUMENT;
  const octet::OperatorOutcome& from = plan->outcomes[index];
  octet_outcome o{};
  o.kernel = from.kernel.c_str();
  o.why = from.why.c_str();
  o.steps = from.steps.data();
  o.step_count = from.steps.size();
  return octet::c_api::write_struct(o, outcome);
}
int64_t octet_plan_arena_bytes(const octet_plan* plan) {
  return plan != nullptr ? plan->plan.arena_bytes() : 0;
}
int64_t octet_plan_arena_lower_bound(const octet_plan* plan) {
  return plan != nullptr ? plan->plan.arena_lower_bound() : 0;
}

int octet_executor_create(const octet_model* model, const octet_executor_options* options,
                          octet_executor** executor, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (executor == nullptr) return null_argument("executor");
    *executor = nullptr;
    if (model == nullptr) return null_argument("model");
    OCTET_ASSIGN(const BothOptions both, options_of(options));
    return give(octet::Executor::create(model->model, both.plan, both.executor), executor);
  });
}

int octet_executor_create_from_plan(const octet_plan* plan, const octet_executor_options* options,
                                    octet_executor** executor, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (executor == nullptr) return null_argument("executor");
    *executor = nullptr;
    if (plan == nullptr) return null_argument("plan");
    OCTET_ASSIGN(BothOptions both, options_of(options));
    both.executor.pool = both.plan.pool;
    return give(octet::Executor::create(plan->plan, both.executor), executor);
  });
}

void octet_executor_free(octet_executor* executor) {
  delete executor;
}

size_t octet_input_count(const octet_executor* executor) {
  return inputs_of(executor).size();
}
size_t octet_output_count(const octet_executor* executor) {
  return outputs_of(executor).size();
}
int octet_input_info(const octet_executor* executor, size_t index, octet_tensor_info* info) {
  const auto inputs = inputs_of(executor);
  if (index >= inputs.size()) return OCTET_INVALID_ARGUMENT;
  return octet::c_api::fill(view_of(inputs[index], nullptr), inputs[index].name.c_str(), info);
}
int octet_output_info(const octet_executor* executor, size_t index, octet_tensor_info* info) {
  const auto outputs = outputs_of(executor);
  if (index >= outputs.size()) return OCTET_INVALID_ARGUMENT;
  int code = OCTET_INTERNAL;
  const int caught = guarded(nullptr, 0, [&]() -> Status {
    code = octet::c_api::fill(executor->executor.output(index), outputs[index].name.c_str(), info);
    return {};
  });
  return caught != OCTET_OK ? caught : code;
}
int32_t octet_find_input(const octet_executor* executor, const char* name) {
  return find(inputs_of(executor), name);
}
int32_t octet_find_output(const octet_executor* executor, const char* name) {
  return find(outputs_of(executor), name);
}
size_t octet_input_channels(const octet_executor* executor, size_t index, int32_t* axis) {
  return octet::c_api::channels_of(quant_of(inputs_of(executor), index), axis);
}
size_t octet_output_channels(const octet_executor* executor, size_t index, int32_t* axis) {
  return octet::c_api::channels_of(quant_of(outputs_of(executor), index), axis);
}
int octet_input_scale(const octet_executor* executor, size_t index, size_t channel, float* scale,
                      int32_t* zero_point) {
  return octet::c_api::scale_of(quant_of(inputs_of(executor), index), channel, scale, zero_point);
}
int octet_output_scale(const octet_executor* executor, size_t index, size_t channel, float* scale,
                       int32_t* zero_point) {
  return octet::c_api::scale_of(quant_of(outputs_of(executor), index), channel, scale, zero_point);
}

int octet_set_input(octet_executor* executor, size_t index, const void* data, size_t bytes, char* error,
                    size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (executor == nullptr) return null_argument("executor");
    const auto inputs = inputs_of(executor);
    OCTET_TRY(check_bytes(inputs, index, "input", bytes));
    if (data == nullptr && bytes > 0) return null_argument("data");
    std::vector<std::byte>& own = executor->inputs[index];
    if (bytes > 0) std::memcpy(own.data(), data, bytes);
    if (executor->is_own[index] != 0) return {};
    OCTET_TRY(executor->executor.bind_input(index, view_of(inputs[index], own.data()), own.size()).status());
    executor->is_own[index] = 1;
    return {};
  });
}

int octet_bind_input(octet_executor* executor, size_t index, const void* data, size_t bytes, size_t capacity,
                     char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (executor == nullptr) return null_argument("executor");
    const auto inputs = inputs_of(executor);
    OCTET_TRY(check_bytes(inputs, index, "input", bytes));
    OCTET_TRY(executor->executor.bind_input(index, view_of(inputs[index], data), capacity).status());
    executor->is_own[index] = 0;
    return {};
  });
}

int octet_bind_output(octet_executor* executor, size_t index, void* data, size_t bytes, size_t capacity,
                      char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (executor == nullptr) return null_argument("executor");
    const auto outputs = outputs_of(executor);
    OCTET_TRY(check_bytes(outputs, index, "output", bytes));
    const octet::TensorInfo& t = outputs[index];
    return executor->executor.bind_output(index, {data, t.dtype, t.shape, t.quant}, capacity).status();
  });
}

int octet_run(octet_executor* executor, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (executor == nullptr) return null_argument("executor");
    return executor->executor.run();
  });
}

const void* octet_output_data(const octet_executor* executor, size_t index) {
  const void* data = nullptr;
  static_cast<void>(guarded(nullptr, 0, [&]() -> Status {
    if (index < octet_output_count(executor)) data = executor->executor.output(index).data;
    return {};
  }));
  return data;
}

void octet_reset_state(octet_executor* executor) {
  static_cast<void>(guarded(nullptr, 0, [&]() -> Status {
    if (executor != nullptr) executor->executor.reset_state();
    return {};
  }));
}

void octet_cancel(octet_executor* executor) {
  if (executor != nullptr) executor->executor.cancel();
}
void octet_clear_cancel(octet_executor* executor) {
  if (executor != nullptr) executor->executor.clear_cancel();
}

int octet_set_time_limit(octet_executor* executor, int64_t microseconds) {
  if (executor == nullptr || microseconds < 0) return OCTET_INVALID_ARGUMENT;
  if (microseconds == 0)
    executor->executor.set_time_limit({});
  else
    executor->executor.set_time_limit(std::chrono::microseconds(microseconds));
  return OCTET_OK;
}

const int64_t* octet_step_nanoseconds(const octet_executor* executor, size_t* count) {
  if (count != nullptr) *count = 0;
  if (executor == nullptr || count == nullptr) return nullptr;
  const std::span<const int64_t> ns = executor->executor.step_nanoseconds();
  *count = ns.size();
  return ns.data();
}
int64_t octet_run_nanoseconds(const octet_executor* executor) {
  return executor != nullptr ? executor->executor.run_nanoseconds() : 0;
}
size_t octet_executor_step_count(const octet_executor* executor) {
  return executor != nullptr ? executor->steps.size() : 0;
}
int octet_executor_step_info(const octet_executor* executor, size_t index, octet_step_info* info) {
  return executor != nullptr ? step_info(executor->steps, index, info) : OCTET_INVALID_ARGUMENT;
}
