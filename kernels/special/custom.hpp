// Custom operators that are built into Octet.
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

struct BuiltinCustomOp {
  std::string_view name;
  Arity inputs, outputs;
  InferFn infer = nullptr;
  KernelResult (*create)(const NodeDesc&, ThreadPool&) = nullptr;
};

BuiltinCustomOp detection_postprocess();

}  // namespace octet
