// Custom operators of C programs: callbacks behind octet::CustomOp.
#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>

#include "api/c_api.hpp"
#include "octet/try.hpp"

struct octet_custom_ops {
  // Replaced as a whole when an operator is added, so that executors keep what they were made with.
  std::shared_ptr<const octet::CustomOps> ops;
};

// A node as a callback sees it. The tensors' names end with a zero byte: they are texts of a Graph.
struct octet_custom_node {
  const char* name = "";
  std::span<const uint8_t> options;
  std::span<const octet::TensorDesc> in, out;
  std::span<const octet::ConstTensorView> in_data;  // while running
  std::span<const octet::TensorView> out_data;      // while running
  std::vector<octet::Shape>* shapes = nullptr;      // during inference: what is being inferred
};

namespace octet {
namespace {

constexpr size_t kErrorSize = 256;

// What callback `what` of operator `name` answered, as a Status.
Status status_of(int code, const char* what, const std::string& name, std::array<char, kErrorSize>& error) {
  if (code == OCTET_OK) return {};
  error.back() = '\0';
  const std::string text =
      error[0] != '\0' ? std::string(error.data()) : fmt::format("failed with code {}", code);
  Status s = Status::internal(text);
  switch (code) {
    case OCTET_INVALID_ARGUMENT: s = Status::invalid(text); break;
    case OCTET_CORRUPT_MODEL: s = Status::corrupt(text); break;
    case OCTET_UNSUPPORTED: s = Status::unsupported(text); break;
    case OCTET_IO_ERROR: s = Status::io(text); break;
    case OCTET_RESOURCE_EXHAUSTED: s = Status::exhausted(text); break;
    case OCTET_CANCELLED: s = Status(Code::cancelled, text); break;
    case OCTET_DEADLINE_EXCEEDED: s = Status(Code::deadline_exceeded, text); break;
    default: break;
  }
  return std::move(s).at(fmt::format("{} of custom operator '{}'", what, name));
}

// The operator of the program; `name` in it points to `text`.
struct Callbacks {
  std::string text;
  octet_custom_op op{};
};

octet_custom_node node_of(const Callbacks& c, const CustomNode& n) {
  octet_custom_node node;
  node.name = c.text.c_str();
  node.options = n.options;
  node.in = n.in;
  node.out = n.out;
  return node;
}

Result<InferredShapes> infer(const Callbacks& c, const CustomNode& n) {
  InferredShapes inferred;
  inferred.shapes.assign(n.out.size(), Shape::of_rank(1, -1));  // not given yet
  octet_custom_node node = node_of(c, n);
  node.shapes = &inferred.shapes;
  std::array<char, kErrorSize> error{};
  const int code = c.op.infer(c.op.user, &node, error.data(), error.size());
  if (code == OCTET_CUSTOM_LATER) return InferredShapes::later();
  OCTET_TRY(status_of(code, "shape inference", c.text, error));
  for (size_t i = 0; i < inferred.shapes.size(); ++i)
    if (!inferred.shapes[i].is_static())
      return Status::invalid(
          fmt::format("shape inference of custom operator '{}' gave no shape for output {}", c.text, i));
  return inferred;
}

class CKernel final : public CustomKernel {
 public:
  static Result<std::unique_ptr<CustomKernel>> make(std::shared_ptr<const Callbacks> callbacks,
                                                    const CustomNode& n) {
    std::unique_ptr<CKernel> kernel(new CKernel(std::move(callbacks), n));
    const Callbacks& c = *kernel->callbacks_;
    if (c.op.create != nullptr) {
      std::array<char, kErrorSize> error{};
      octet_custom_node node = node_of(c, n);
      OCTET_TRY(status_of(c.op.create(c.op.user, &node, &kernel->state_, error.data(), error.size()),
                          "create", c.text, error));
      kernel->created_ = true;
    }
    return std::unique_ptr<CustomKernel>(std::move(kernel));
  }
  CKernel(const CKernel&) = delete;
  CKernel& operator=(const CKernel&) = delete;
  ~CKernel() override {
    const octet_custom_op& op = callbacks_->op;
    if (created_ && op.destroy != nullptr) op.destroy(op.user, state_);
  }

  Status run(std::span<const ConstTensorView> in, std::span<const TensorView> out) override {
    const Callbacks& c = *callbacks_;
    node_.in_data = in;
    node_.out_data = out;
    std::array<char, kErrorSize> error{};
    return status_of(c.op.run(c.op.user, state_, &node_, error.data(), error.size()), "run", c.text, error);
  }
  void reset_state() override {
    if (callbacks_->op.reset != nullptr) callbacks_->op.reset(callbacks_->op.user, state_);
  }

 private:
  CKernel(std::shared_ptr<const Callbacks> callbacks, const CustomNode& n)
      : callbacks_(std::move(callbacks)),
        options_(n.options.begin(), n.options.end()),
        in_(n.in.begin(), n.in.end()),
        out_(n.out.begin(), n.out.end()) {
    // The descriptions outlive the graph they were made from.
    names_.reserve(in_.size() + out_.size());
    for (auto* side : {&in_, &out_})
      for (TensorDesc& t : *side)
        if (!t.absent) t.name = names_.emplace_back(t.name);
    node_.name = callbacks_->text.c_str();
    node_.options = options_;
    node_.in = in_;
    node_.out = out_;
  }

  std::shared_ptr<const Callbacks> callbacks_;
  std::vector<uint8_t> options_;
  std::vector<std::string> names_;
  std::vector<TensorDesc> in_, out_;
  octet_custom_node node_;
  void* state_ = nullptr;
  bool created_ = false;
};

const Quantization& quant_of(std::span<const TensorDesc> tensors, size_t index) {
  static const Quantization none;
  return index < tensors.size() ? tensors[index].quant : none;
}

int info_of(std::span<const TensorDesc> tensors, size_t index, octet_tensor_info* info) {
  if (index >= tensors.size()) return OCTET_INVALID_ARGUMENT;
  const TensorDesc& t = tensors[index];
  return c_api::fill({nullptr, t.dtype, t.shape, t.quant}, t.absent ? nullptr : t.name.data(), info);
}

}  // namespace

std::shared_ptr<const CustomOps> c_api::shared(const octet_custom_ops& ops) {
  return ops.ops;
}

}  // namespace octet

using octet::Status;
using octet::c_api::guarded;
using octet::c_api::null_argument;

namespace {

std::span<const octet::TensorDesc> inputs_of(const octet_custom_node* node) {
  return node != nullptr ? node->in : std::span<const octet::TensorDesc>();
}
std::span<const octet::TensorDesc> outputs_of(const octet_custom_node* node) {
  return node != nullptr ? node->out : std::span<const octet::TensorDesc>();
}

}  // namespace

int octet_custom_ops_create(octet_custom_ops** ops, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (ops == nullptr) return null_argument("ops");
    *ops = nullptr;
    *ops = new octet_custom_ops{std::make_shared<const octet::CustomOps>()};
    return {};
  });
}

void octet_custom_ops_free(octet_custom_ops* ops) {
  delete ops;
}

int octet_custom_ops_add(octet_custom_ops* ops, const octet_custom_op* op, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (ops == nullptr) return null_argument("ops");
    if (op == nullptr) return null_argument("op");
    octet_custom_op given;
    OCTET_TRY(octet::c_api::read_struct(op, given));
    if (given.name == nullptr) return Status::invalid("a custom operator without a name");
    if (given.run == nullptr)
      return Status::invalid(fmt::format("custom operator '{}' has no run", given.name));
    auto callbacks = std::make_shared<octet::Callbacks>(octet::Callbacks{given.name, given});
    octet::CustomOp made;
    made.name = callbacks->text;
    made.outputs = {0, -1};
    if (given.infer != nullptr)
      made.infer = [callbacks](const octet::CustomNode& n) { return octet::infer(*callbacks, n); };
    made.create = [callbacks](const octet::CustomNode& n) { return octet::CKernel::make(callbacks, n); };
    auto all = std::make_shared<octet::CustomOps>(*ops->ops);
    OCTET_TRY(all->add(std::move(made)));
    ops->ops = std::move(all);
    return {};
  });
}

const char* octet_custom_name(const octet_custom_node* node) {
  return node != nullptr ? node->name : nullptr;
}
const void* octet_custom_options(const octet_custom_node* node, size_t* size) {
  if (size != nullptr) *size = 0;
  if (node == nullptr || size == nullptr) return nullptr;
  *size = node->options.size();
  return node->options.data();
}
size_t octet_custom_input_count(const octet_custom_node* node) {
  return node != nullptr ? node->in.size() : 0;
}
size_t octet_custom_output_count(const octet_custom_node* node) {
  return node != nullptr ? node->out.size() : 0;
}
int octet_custom_input_info(const octet_custom_node* node, size_t index, octet_tensor_info* info) {
  return node != nullptr ? octet::info_of(node->in, index, info) : OCTET_INVALID_ARGUMENT;
}
int octet_custom_output_info(const octet_custom_node* node, size_t index, octet_tensor_info* info) {
  return node != nullptr ? octet::info_of(node->out, index, info) : OCTET_INVALID_ARGUMENT;
}
const void* octet_custom_input_data(const octet_custom_node* node, size_t index) {
  if (index >= octet_custom_input_count(node)) return nullptr;
  return index < node->in_data.size() ? node->in_data[index].data : node->in[index].data;
}
void* octet_custom_output_data(const octet_custom_node* node, size_t index) {
  return node != nullptr && index < node->out_data.size() ? node->out_data[index].data : nullptr;
}
size_t octet_custom_input_channels(const octet_custom_node* node, size_t index, int32_t* axis) {
  return octet::c_api::channels_of(octet::quant_of(inputs_of(node), index), axis);
}
size_t octet_custom_output_channels(const octet_custom_node* node, size_t index, int32_t* axis) {
  return octet::c_api::channels_of(octet::quant_of(outputs_of(node), index), axis);
}
int octet_custom_input_scale(const octet_custom_node* node, size_t index, size_t channel, float* scale,
                             int32_t* zero_point) {
  return octet::c_api::scale_of(octet::quant_of(inputs_of(node), index), channel, scale, zero_point);
}
int octet_custom_output_scale(const octet_custom_node* node, size_t index, size_t channel, float* scale,
                              int32_t* zero_point) {
  return octet::c_api::scale_of(octet::quant_of(outputs_of(node), index), channel, scale, zero_point);
}
int octet_custom_set_shape(octet_custom_node* node, size_t index, const int32_t* shape, int32_t rank) {
  if (node == nullptr || node->shapes == nullptr || index >= node->shapes->size() || rank < 0 ||
      rank > OCTET_MAX_RANK || (shape == nullptr && rank > 0))
    return OCTET_INVALID_ARGUMENT;
  if (std::any_of(shape, shape + rank, [](int32_t d) { return d < 0; })) return OCTET_INVALID_ARGUMENT;
  (*node->shapes)[index] = octet::Shape(std::span(shape, static_cast<size_t>(rank)));
  return OCTET_OK;
}
