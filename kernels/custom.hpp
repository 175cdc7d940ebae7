// Custom operators: those a model names by a string. Some are built in; users add their own before they make
// an executor.
#pragma once

#include <functional>
#include <string>

#include "kernels/op_spec.hpp"

namespace octet {

struct CustomOp {
  std::string name;
  Arity inputs{0, -1}, outputs{1, -1};
  // As in OpSpec; the node's options are in attr<CustomAttrs>().options.
  std::function<Result<InferredShapes>(const NodeDesc&)> infer;
  std::function<KernelResult(const NodeDesc&, ThreadPool&)> create;
};

// Thread-safe. An error when the name is taken.
Status register_custom_op(const CustomOp& op);
// nullptr when there is none. The pointer stays valid for ever.
const CustomOp* find_custom_op(const std::string& name);

}  // namespace octet
