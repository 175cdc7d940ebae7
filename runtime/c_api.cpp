#include "runtime/c_api.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "octet/try.hpp"
#include "runtime/executor.hpp"

struct octet_model {
  std::shared_ptr<const octet::ModelData> model;
};

struct octet_executor {
  std::unique_ptr<octet::GraphExecutor> executor;
  std::vector<std::vector<std::byte>> inputs;
  bool has_run = false;
};

namespace octet::c_api {

int code_of(Code c) {
  switch (c) {
    case Code::ok: return OCTET_OK;
    case Code::invalid_argument: return OCTET_INVALID_ARGUMENT;
    case Code::corrupt_model: return OCTET_CORRUPT_MODEL;
    case Code::unsupported:
    case Code::declined: return OCTET_UNSUPPORTED;
    case Code::io_error: return OCTET_IO_ERROR;
    case Code::resource_exhausted: return OCTET_RESOURCE_EXHAUSTED;
    default: return OCTET_INTERNAL;
  }
}

int report(const Status& s, char* error, size_t error_size) {
  if (error != nullptr && error_size > 0) {
    const size_t n = std::min(error_size - 1, s.message().size());
    std::memcpy(error, s.message().data(), n);
    error[n] = '\0';
  }
  return code_of(s.code());
}

int fill(const ConstTensorView& v, const char* name, octet_tensor_info* info) {
  if (info->struct_size < sizeof(octet_tensor_info)) return OCTET_INVALID_ARGUMENT;
  info->name = name;
  info->dtype = static_cast<int32_t>(v.dtype);
  info->rank = v.shape.rank();
  for (int i = 0; i < OCTET_MAX_RANK; ++i)
    info->shape[i] = i < v.shape.rank() ? v.shape[i] : 0;
  info->bytes = static_cast<size_t>(v.bytes());
  const bool quantized = v.quant && !v.quant.is_per_channel();
  info->scale = quantized ? v.quant.scale() : 0.0f;
  info->zero_point = quantized ? v.quant.zero_point() : 0;
  return OCTET_OK;
}

}  // namespace octet::c_api

using octet::Status;
using octet::c_api::fill;
using octet::c_api::guarded;

const char* octet_version(void) {
  return OCTET_VERSION;
}

int octet_model_load(const char* path, octet_model** model, char* error, size_t error_size) {
  *model = nullptr;
  return guarded(error, error_size, [&]() -> Status {
    OCTET_ASSIGN(auto loaded, octet::ModelData::load(path));
    *model = new octet_model{std::move(loaded)};
    return {};
  });
}

void octet_model_free(octet_model* model) {
  delete model;
}

int octet_executor_create(const octet_model* model, const octet_executor_options* options,
                          octet_executor** executor, char* error, size_t error_size) {
  *executor = nullptr;
  return guarded(error, error_size, [&]() -> Status {
    octet::GraphExecutorOptions o;
    if (options != nullptr) {
      if (options->struct_size < offsetof(octet_executor_options, custom_ops))
        return Status::invalid("options of an unknown version");
      o.threads = std::max(options->threads, 1);
      if (options->reference != 0) o.backend = octet::Backend::reference;
      if (options->struct_size >= sizeof(octet_executor_options) && options->custom_ops != nullptr)
        o.custom_ops = octet::c_api::shared(*options->custom_ops);
    }
    OCTET_ASSIGN(auto made, octet::GraphExecutor::create(*model->model, o));
    std::vector<std::vector<std::byte>> inputs;
    for (size_t i = 0; i < made->input_count(); ++i)
      inputs.emplace_back(static_cast<size_t>(made->input_info(i).bytes()));
    *executor = new octet_executor{std::move(made), std::move(inputs)};
    return {};
  });
}

void octet_executor_free(octet_executor* executor) {
  delete executor;
}

size_t octet_input_count(const octet_executor* executor) {
  return executor->executor->input_count();
}
size_t octet_output_count(const octet_executor* executor) {
  return executor->executor->output_count();
}

int octet_input_info(const octet_executor* executor, size_t index, octet_tensor_info* info) {
  const octet::GraphExecutor& e = *executor->executor;
  if (index >= e.input_count()) return OCTET_INVALID_ARGUMENT;
  const octet::Graph& g = e.plan().graph;
  return fill(e.input_info(index), g.value(g.inputs[index]).name.c_str(), info);
}

int octet_output_info(const octet_executor* executor, size_t index, octet_tensor_info* info) {
  const octet::GraphExecutor& e = *executor->executor;
  if (index >= e.output_count()) return OCTET_INVALID_ARGUMENT;
  const octet::Graph& g = e.plan().graph;
  return fill(e.output(index), g.value(g.outputs[index]).name.c_str(), info);
}

int octet_set_input(octet_executor* executor, size_t index, const void* data, size_t bytes, char* error,
                    size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (index >= executor->inputs.size()) return Status::invalid("there is no such input");
    if (bytes != executor->inputs[index].size())
      return Status::invalid("the input takes " + std::to_string(executor->inputs[index].size()) +
                             " bytes, got " + std::to_string(bytes));
    std::memcpy(executor->inputs[index].data(), data, bytes);
    return {};
  });
}

int octet_run(octet_executor* executor, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    std::vector<octet::ConstTensorView> views;
    for (size_t i = 0; i < executor->inputs.size(); ++i) {
      views.push_back(executor->executor->input_info(i));
      views.back().data = executor->inputs[i].data();
    }
    OCTET_TRY(executor->executor->run(views));
    executor->has_run = true;
    return {};
  });
}

const void* octet_output_data(const octet_executor* executor, size_t index) {
  if (!executor->has_run || index >= executor->executor->output_count()) return nullptr;
  return executor->executor->output(index).data;
}

void octet_reset_state(octet_executor* executor) {
  executor->executor->reset_state();
}
