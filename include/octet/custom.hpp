// Custom operators: those that a model names by a string. A program describes the ones it has in a CustomOps
// and passes that to whatever makes executors. docs/CUSTOM_OPS.md has a complete example.
//
// Nothing is global: two executors of one process may know different operators of the same name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octet/export.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// One input or output of a node. Shapes are concrete. `data` is set when the contents are known already:
// constants always; with shapes that depend on data, at run time also inputs that were just computed.
struct TensorDesc {
  std::string_view name;
  DType dtype = DType::float32;
  Shape shape;
  Quantization quant;
  const void* data = nullptr;
  bool absent = false;       // an optional input that is not there
  bool is_variable = false;  // state that the kernel reads and writes in place, kept between runs

  bool is_known() const { return data != nullptr; }
  template <class T>
  std::span<const T> as() const {
    return {static_cast<const T*>(data), static_cast<size_t>(shape.elements())};
  }
  int64_t elements() const { return shape.elements(); }
  int64_t bytes() const { return byte_size(dtype, shape); }
};

// Shapes of the outputs, or `deferred`: they depend on an input whose contents are not known yet.
struct InferredShapes {
  bool deferred = false;
  std::vector<Shape> shapes;

  static InferredShapes later() { return {.deferred = true, .shapes = {}}; }
};

// How many inputs or outputs an operator takes.
struct Arity {
  int min = 0, max = 0;  // max -1: any number
};

// What a custom operator sees of a node before it runs. Valid during the call only.
struct CustomNode {
  std::string_view name;             // the custom code
  std::span<const uint8_t> options;  // the custom options of the model file, opaque bytes
  // Types, shapes and quantization; of inputs also the data where it is known already (constants).
  std::span<const TensorDesc> in;
  std::span<const TensorDesc> out;  // during inference the shapes are those that the model declares
};

// One node of one executor, made ready for fixed shapes. It may keep state of its own, which lasts from run
// to run; but where a shape depends on data, the node is made again in every run. Destroyed with its
// executor.
class CustomKernel {
 public:
  virtual ~CustomKernel() = default;
  // Called by one thread at a time. Views are valid during the call; an absent input has no data. Inputs may
  // be read 64 bytes beyond their end and, unless they are variables, must not be written.
  virtual Status run(std::span<const ConstTensorView> in, std::span<const TensorView> out) = 0;
  // Back to the state before the first run (Executor::reset_state(); the quantizer resets before each
  // sample).
  virtual void reset_state() {}
};

// Callbacks must not throw. They may be called by several threads at once, as executors are made.
struct CustomOp {
  std::string name;  // the custom code, as the model file has it
  Arity inputs{0, -1}, outputs{1, -1};
  // The shapes of all outputs, or InferredShapes::later() when they depend on an input whose data is not
  // known yet: then it is asked again when everything is. Without it, each output has the shape of input 0.
  std::function<Result<InferredShapes>(const CustomNode&)> infer;
  // A kernel for these shapes, or why there is none (a type it does not take).
  std::function<Result<std::unique_ptr<CustomKernel>>(const CustomNode&)> create;
};

// A kernel without state from a callable `Status f(std::span<const ConstTensorView> in,
// std::span<const TensorView> out)`.
template <class F>
std::unique_ptr<CustomKernel> custom_kernel(F f) {
  class Lambda final : public CustomKernel {
   public:
    explicit Lambda(F f) : f_(std::move(f)) {}
    Status run(std::span<const ConstTensorView> in, std::span<const TensorView> out) override {
      return f_(in, out);
    }

   private:
    F f_;
  };
  return std::make_unique<Lambda>(std::move(f));
}

// The custom operators a program has. Fill it, then share it as shared_ptr<const CustomOps>: const use is
// thread-safe. An operator that is built into Octet gives way to one of the same name here.
class CustomOps {
 public:
  // Error when the operator has no name or no `create`, or when the name is taken.
  OCTET_API Status add(CustomOp op);
  OCTET_API const CustomOp* find(std::string_view name) const;  // nullptr when there is none

 private:
  std::map<std::string, CustomOp, std::less<>> ops_;
};

}  // namespace octet
