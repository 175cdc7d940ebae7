// What the files of the C interface share. Internal to api/.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "octet/custom.hpp"
#include "octet/model.hpp"
#include "octet/octet.h"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet::c_api {

int code_of(Code c);
// Write the message of `s` to the caller's buffer; returns its code.
int report(const Status& s, char* error, size_t error_size);

// C++ exceptions must not cross into C. Octet throws nothing but bad_alloc; callbacks are the program's own.
template <class F>
int guarded(char* error, size_t error_size, F f) {
  try {
    return report(f(), error, error_size);
  } catch (const std::bad_alloc&) {
    return report(Status::exhausted("out of memory"), error, error_size);
  } catch (const std::exception& e) {
    return report(Status::internal(e.what()), error, error_size);
  } catch (...) {
    return report(Status::internal("an exception of an unknown type"), error, error_size);
  }
}

inline Status null_argument(const char* what) {
  return Status::invalid(std::string(what) + " is NULL");
}

// The caller's struct as ours: fields beyond its size are 0.
template <class T>
Status read_struct(const T* given, T& out) {
  out = T{};
  if (given == nullptr) return {};
  if (given->struct_size < sizeof(size_t)) return Status::invalid("struct_size is not set");
  std::memcpy(&out, given, std::min(given->struct_size, sizeof(T)));
  return {};
}

// As many of our fields as the caller's struct has room for.
template <class T>
int write_struct(T value, T* out) {
  if (out == nullptr || out->struct_size < sizeof(size_t)) return OCTET_INVALID_ARGUMENT;
  value.struct_size = out->struct_size;
  std::memcpy(out, &value, std::min(out->struct_size, sizeof(T)));
  return OCTET_OK;
}

// Description of a tensor whose shape may have unknown extents.
int fill(const ConstTensorView& v, const char* name, octet_tensor_info* info);
size_t channels_of(const Quantization& q, int32_t* axis);
int scale_of(const Quantization& q, size_t channel, float* scale, int32_t* zero_point);

// A model as a handle of the C interface, which is the caller's.
Status give_model(Result<Model> loaded, octet_model** out);

// The operators as they are now.
std::shared_ptr<const CustomOps> shared(const octet_custom_ops& ops);

}  // namespace octet::c_api
