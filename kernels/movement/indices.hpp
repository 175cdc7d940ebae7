// Indices that come as tensors: any integer type, checked before use.
#pragma once

#include <fmt/format.h>

#include "kernels/op_spec.hpp"

namespace octet {

struct IndexReader {
  DType type;
  const void* data;
  int64_t operator[](int64_t i) const {
    if (type == DType::int16) return static_cast<const int16_t*>(data)[i];
    if (type == DType::int64) return static_cast<const int64_t*>(data)[i];
    return static_cast<const int32_t*>(data)[i];
  }
};

inline Status check_index_type(const TensorDesc& t) {
  if (t.dtype == DType::int16 || t.dtype == DType::int32 || t.dtype == DType::int64) return {};
  return Status::unsupported(fmt::format("indices '{}' are {}", t.name, name_of(t.dtype)));
}

inline Status check_index(int64_t index, int64_t extent) {
  if (index >= 0 && index < extent) return {};
  return Status::invalid(fmt::format("index {} is out of range [0, {})", index, extent));
}

}  // namespace octet
