// Octet: load a model, run it, quantize it.
//
//   auto model = octet::Model::load("net.tflite");
//   if (!model.ok()) { std::cerr << model.status().message() << '\n'; return 1; }
//   auto exec = octet::Executor::create(*model, {.threads = 4});
//   if (!exec.ok()) { std::cerr << exec.status().message() << '\n'; return 1; }
//   std::vector<octet::ConstTensorView> in = {{pixels, octet::DType::float32, {1, 32, 32, 1}, {}}};
//   if (octet::Status s = exec->run(in); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
//   octet::ConstTensorView scores = exec->output(0);
//
//   status.hpp    Status, Result: errors as values
//   tensor.hpp    DType, Shape, Quantization, views of memory that somebody else owns
//   model.hpp     Model: load, look inside, save
//   executor.hpp  Plan, Executor: run
//   convert.hpp   elements as real numbers, and numbers as elements
//   quantize.hpp  Quantizer: from a float model to a quantized one; with recipe.hpp, samples.hpp, compare.hpp
//                 (not in a library that was built without the quantizer)
//   custom.hpp    CustomOps: operators of the program's own (docs/CUSTOM_OPS.md)
//   try.hpp       OCTET_TRY, OCTET_ASSIGN: pass errors on (not included here)
//   octet.h       all of this for C
//
// Model and Plan are handles on immutable data and may be shared between threads; an Executor is used by one
// thread at a time. Views never own. Nothing logs, nothing exits, nothing throws except std::bad_alloc; only
// the value of a Result that is an error, and an index that does not exist, abort with a message.
#pragma once

#include "octet/convert.hpp"
#include "octet/custom.hpp"
#include "octet/executor.hpp"
#include "octet/model.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"
#if __has_include("octet/quantize.hpp")
#include "octet/quantize.hpp"
#endif
