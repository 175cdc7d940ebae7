// What the files of the C interface share.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "octet/custom.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"
#include "runtime/include/octet/octet.h"

namespace octet::c_api {

int code_of(Code c);
// Write the message of `s` to the caller's buffer; returns its code.
int report(const Status& s, char* error, size_t error_size);

// C++ exceptions must not cross into C; only running out of memory throws here.
template <class F>
int guarded(char* error, size_t error_size, F f) {
  try {
    return report(f(), error, error_size);
  } catch (const std::bad_alloc&) {
    return report(Status::exhausted("out of memory"), error, error_size);
  }
}

int fill(const ConstTensorView& v, const char* name, octet_tensor_info* info);

// The operators as they are now.
std::shared_ptr<const CustomOps> shared(const octet_custom_ops& ops);

}  // namespace octet::c_api
