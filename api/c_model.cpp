// Models of the C interface.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

#include "api/c_api.hpp"
#include "api/c_handles.hpp"
#include "octet/executor.hpp"
#include "octet/try.hpp"

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
    case Code::cancelled: return OCTET_CANCELLED;
    case Code::deadline_exceeded: return OCTET_DEADLINE_EXCEEDED;
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
  octet_tensor_info t{};
  t.name = name;
  t.dtype = static_cast<int32_t>(v.dtype);
  t.rank = v.shape.rank();
  for (int i = 0; i < v.shape.rank(); ++i)
    t.shape[i] = v.shape[i];
  t.bytes = static_cast<size_t>(v.bytes());
  if (v.quant && v.quant.params().size() == 1) {
    t.scale = v.quant.scale();
    t.zero_point = v.quant.zero_point();
  }
  return write_struct(t, info);
}

size_t channels_of(const Quantization& q, int32_t* axis) {
  if (axis != nullptr) *axis = q.is_per_channel() ? *q.axis() : -1;
  return q.params().size();
}

int scale_of(const Quantization& q, size_t channel, float* scale, int32_t* zero_point) {
  if (channel >= q.params().size() || scale == nullptr || zero_point == nullptr)
    return OCTET_INVALID_ARGUMENT;
  *scale = q.params()[channel].scale;
  *zero_point = static_cast<int32_t>(q.params()[channel].zero_point);
  return OCTET_OK;
}

Status give_model(Result<Model> loaded, octet_model** out) {
  if (!loaded.ok()) return std::move(loaded).status();
  std::vector<GraphInfo> graphs;
  for (size_t i = 0; i < loaded->graph_count(); ++i)
    graphs.push_back(loaded->graph(i));
  std::vector<Metadata> metadata = loaded->metadata();
  std::vector<std::string> names;  // with a zero at their end
  for (const Metadata& m : metadata)
    names.emplace_back(m.name);
  *out = new octet_model{*std::move(loaded), std::move(graphs), std::move(names), std::move(metadata)};
  return {};
}

}  // namespace octet::c_api

using octet::Status;
using octet::c_api::give_model;
using octet::c_api::guarded;
using octet::c_api::null_argument;

namespace {

// Graph `index` as the C interface shows it; null when there is none.
const octet::GraphInfo* graph_of(const octet_model* model, size_t index) {
  return model != nullptr && index < model->graphs.size() ? &model->graphs[index] : nullptr;
}

const octet::TensorInfo* tensor_of(const octet_model* model, size_t graph, size_t tensor) {
  const octet::GraphInfo* g = graph_of(model, graph);
  return g != nullptr && tensor < g->tensors.size() ? &g->tensors[tensor] : nullptr;
}

// Calls the program when the last user of its bytes is gone.
class Borrowed {
 public:
  Borrowed(void (*release)(void*), void* user) : release_(release), user_(user) {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    if (release_ != nullptr) release_(user_);
  }

 private:
  void (*release_)(void*);
  void* user_;
};

// What the processor is called, and the like: asked for once.
struct CpuTexts {
  std::string name, architecture, features, xnnpack;
};
const CpuTexts& cpu_texts() {
  static const CpuTexts texts = [] {
    try {
      octet::CpuInfo info = octet::cpu_info();
      return CpuTexts{std::move(info.name), std::move(info.architecture),
                      fmt::format("{}", fmt::join(info.features, " ")), std::move(info.xnnpack)};
    } catch (...) {
      return CpuTexts{};
    }
  }();
  return texts;
}

}  // namespace

const char* octet_version(void) {
  return octet::version().data();
}
const char* octet_xnnpack_version(void) {
  return cpu_texts().xnnpack.c_str();
}
const char* octet_cpu_name(void) {
  return cpu_texts().name.c_str();
}
const char* octet_cpu_architecture(void) {
  return cpu_texts().architecture.c_str();
}
const char* octet_cpu_features(void) {
  return cpu_texts().features.c_str();
}

int octet_model_load(const char* path, octet_model** model, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (model == nullptr) return null_argument("model");
    *model = nullptr;
    if (path == nullptr) return null_argument("path");
    return give_model(octet::Model::load(path), model);
  });
}

int octet_model_load_memory(const void* bytes, size_t size, octet_model** model, char* error,
                            size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (model == nullptr) return null_argument("model");
    *model = nullptr;
    if (bytes == nullptr) return null_argument("bytes");
    return give_model(octet::Model::from_memory(std::span(static_cast<const std::byte*>(bytes), size)),
                      model);
  });
}

int octet_model_borrow_memory(const void* bytes, size_t size, void (*release)(void* user), void* user,
                              octet_model** model, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    const auto owner = std::make_shared<const Borrowed>(release, user);
    if (model == nullptr) return null_argument("model");
    *model = nullptr;
    if (bytes == nullptr) return null_argument("bytes");
    return give_model(octet::Model::from_memory(std::span(static_cast<const std::byte*>(bytes), size), owner),
                      model);
  });
}

int octet_model_save(const octet_model* model, const char* path, int32_t format, char* error,
                     size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (model == nullptr) return null_argument("model");
    if (path == nullptr) return null_argument("path");
    if (format == 0) return model->model.save(path);
    if (format != OCTET_TFLITE && format != OCTET_CIRCLE)
      return Status::invalid(fmt::format("there is no format {}", format));
    return model->model.save(path, format == OCTET_CIRCLE ? octet::Format::circle : octet::Format::tflite);
  });
}

void octet_model_free(octet_model* model) {
  delete model;
}

int32_t octet_model_format(const octet_model* model) {
  if (model == nullptr) return 0;
  return model->model.format() == octet::Format::circle ? OCTET_CIRCLE : OCTET_TFLITE;
}
int64_t octet_model_file_bytes(const octet_model* model) {
  return model != nullptr ? model->model.file_bytes() : 0;
}
int64_t octet_model_parameters(const octet_model* model) {
  return model != nullptr ? model->model.parameters() : 0;
}
int64_t octet_model_macs(const octet_model* model) {
  int64_t sum = 0;
  if (model == nullptr) return sum;
  for (const octet::OperatorInfo& op : model->graphs[0].operators)
    if (__builtin_add_overflow(sum, op.macs, &sum)) return INT64_MAX;
  return sum;
}
const char* octet_model_description(const octet_model* model) {
  return model != nullptr ? model->model.description().c_str() : nullptr;
}
size_t octet_model_note_count(const octet_model* model) {
  return model != nullptr ? model->model.notes().size() : 0;
}
const char* octet_model_note(const octet_model* model, size_t index) {
  return index < octet_model_note_count(model) ? model->model.notes()[index].c_str() : nullptr;
}
size_t octet_model_metadata_count(const octet_model* model) {
  return model != nullptr ? model->metadata.size() : 0;
}
const char* octet_model_metadata_name(const octet_model* model, size_t index) {
  return index < octet_model_metadata_count(model) ? model->metadata_names[index].c_str() : nullptr;
}
const void* octet_model_metadata(const octet_model* model, size_t index, size_t* size) {
  if (size != nullptr) *size = 0;
  if (size == nullptr || index >= octet_model_metadata_count(model)) return nullptr;
  *size = model->metadata[index].bytes.size();
  return model->metadata[index].bytes.data();
}
size_t octet_model_signature_count(const octet_model* model) {
  return model != nullptr ? model->model.signatures().size() : 0;
}
const char* octet_model_signature_key(const octet_model* model, size_t index) {
  return index < octet_model_signature_count(model) ? model->model.signatures()[index].key.c_str() : nullptr;
}

size_t octet_model_graph_count(const octet_model* model) {
  return model != nullptr ? model->graphs.size() : 0;
}
size_t octet_model_tensor_count(const octet_model* model, size_t graph) {
  const octet::GraphInfo* g = graph_of(model, graph);
  return g != nullptr ? g->tensors.size() : 0;
}
int octet_model_tensor_info(const octet_model* model, size_t graph, size_t tensor, octet_tensor_info* info) {
  const octet::TensorInfo* t = tensor_of(model, graph, tensor);
  if (t == nullptr) return OCTET_INVALID_ARGUMENT;
  return octet::c_api::fill({nullptr, t->dtype, t->shape, t->quant}, t->name.c_str(), info);
}
const void* octet_model_constant(const octet_model* model, size_t graph, size_t tensor, size_t* size) {
  if (size != nullptr) *size = 0;
  const octet::TensorInfo* t = tensor_of(model, graph, tensor);
  if (t == nullptr || size == nullptr) return nullptr;
  *size = static_cast<size_t>(t->constant_bytes);
  return model->model.constant(tensor, graph).data;
}
size_t octet_model_tensor_channels(const octet_model* model, size_t graph, size_t tensor, int32_t* axis) {
  const octet::TensorInfo* t = tensor_of(model, graph, tensor);
  return octet::c_api::channels_of(t != nullptr ? t->quant : octet::Quantization(), axis);
}
int octet_model_tensor_scale(const octet_model* model, size_t graph, size_t tensor, size_t channel,
                             float* scale, int32_t* zero_point) {
  const octet::TensorInfo* t = tensor_of(model, graph, tensor);
  if (t == nullptr) return OCTET_INVALID_ARGUMENT;
  return octet::c_api::scale_of(t->quant, channel, scale, zero_point);
}
size_t octet_model_input_count(const octet_model* model, size_t graph) {
  const octet::GraphInfo* g = graph_of(model, graph);
  return g != nullptr ? g->inputs.size() : 0;
}
size_t octet_model_output_count(const octet_model* model, size_t graph) {
  const octet::GraphInfo* g = graph_of(model, graph);
  return g != nullptr ? g->outputs.size() : 0;
}
int32_t octet_model_input(const octet_model* model, size_t graph, size_t index) {
  return index < octet_model_input_count(model, graph) ? model->graphs[graph].inputs[index] : -1;
}
int32_t octet_model_output(const octet_model* model, size_t graph, size_t index) {
  return index < octet_model_output_count(model, graph) ? model->graphs[graph].outputs[index] : -1;
}
size_t octet_model_operator_count(const octet_model* model, size_t graph) {
  const octet::GraphInfo* g = graph_of(model, graph);
  return g != nullptr ? g->operators.size() : 0;
}
int octet_model_operator_info(const octet_model* model, size_t graph, size_t index,
                              octet_operator_info* info) {
  if (index >= octet_model_operator_count(model, graph)) return OCTET_INVALID_ARGUMENT;
  const octet::OperatorInfo& op = model->graphs[graph].operators[index];
  octet_operator_info o{};
  o.kind = op.kind.c_str();
  o.name = op.name.c_str();
  o.inputs = op.inputs.data();
  o.outputs = op.outputs.data();
  o.input_count = op.inputs.size();
  o.output_count = op.outputs.size();
  o.version = op.version;
  o.macs = op.macs;
  return octet::c_api::write_struct(o, info);
}
