// Non-owning views of tensors: pointer, type, shape and quantization of memory that somebody else owns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schema/core/affine.hpp"
#include "schema/core/dtype.hpp"
#include "schema/core/shape.hpp"

namespace octet {

inline int64_t byte_size(DType t, const Shape& s) {
  const int64_t n = s.elements();
  return t == DType::int4 ? (n + 1) / 2 : n * bytes_of(t);
}

struct ConstTensorView {
  const void* data = nullptr;
  DType dtype = DType::float32;
  Shape shape;
  Quantization quant;

  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
  int64_t elements() const { return shape.elements(); }
  int64_t bytes() const { return byte_size(dtype, shape); }
};

struct TensorView {
  void* data = nullptr;
  DType dtype = DType::float32;
  Shape shape;
  Quantization quant;

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int64_t elements() const { return shape.elements(); }
  int64_t bytes() const { return byte_size(dtype, shape); }
  operator ConstTensorView() const { return {data, dtype, shape, quant}; }  // NOLINT
};

}  // namespace octet
