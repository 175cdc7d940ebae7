// The C++ interface: load a model and run it. (quant/include/octet/quantize.hpp makes int8 models.)
//
//   auto model = octet::Model::load("net.tflite");
//   if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
//   auto exec = octet::Executor::create(**model, {.threads = 4});
//   std::vector<octet::ConstTensorView> in = {{pixels, octet::DType::float32, {1, 224, 224, 3}, {}}};
//   octet::Status status = (*exec)->run(in);
//   octet::ConstTensorView scores = (*exec)->output(0);
//
// Model: immutable after load, may be shared between threads. Executor: one per thread; keeps no pointer to
// the Model, but shares its constants. TensorView: never owns. CustomOps: a program's own operators, passed
// to create() in ExecutorOptions (docs/CUSTOM_OPS.md). Errors travel as Status and Result; nothing logs,
// nothing exits, nothing throws except std::bad_alloc.
#pragma once

#include "octet/custom.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"
#include "runtime/executor.hpp"
#include "schema/ir/graph.hpp"
