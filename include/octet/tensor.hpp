// What tensors are described with: element types, shapes, quantization, and views of memory that somebody
// else owns.
//
//   std::vector<float> pixels(1 * 224 * 224 * 3);
//   octet::ConstTensorView image{pixels.data(), octet::DType::float32, {1, 224, 224, 3}, {}};
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octet/export.hpp"
#include "octet/status.hpp"

namespace octet {

// ---- element types --------------------------------------------------------------------------------------

// Numbers are those of TensorType in the TFLite schema v3 (wire format).
enum class DType : uint8_t {
  float32 = 0,
  float16 = 1,
  int32 = 2,
  uint8 = 3,
  int64 = 4,
  string = 5,
  boolean = 6,
  int16 = 7,
  complex64 = 8,
  int8 = 9,
  float64 = 10,
  complex128 = 11,
  uint64 = 12,
  resource = 13,
  variant = 14,
  uint32 = 15,
  uint16 = 16,
  int4 = 17,
  bfloat16 = 18,
};
inline constexpr int kDTypeCount = 19;

// Bits of one element; 0 for types without a fixed size (string, resource, variant).
OCTET_API int bits_of(DType t);
// Bytes of one element; 0 for types without a whole number of bytes (int4) or without a fixed size.
OCTET_API int bytes_of(DType t);
// NumPy's name where NumPy has the type ("float32", "bool"), else the schema's in lower case.
OCTET_API std::string_view name_of(DType t);

inline bool is_float(DType t) {
  return t == DType::float32 || t == DType::float16 || t == DType::float64 || t == DType::bfloat16;
}
// Integer types that carry scale and zero point in quantized models.
inline bool is_quantizable(DType t) {
  return t == DType::int8 || t == DType::uint8 || t == DType::int16 || t == DType::int4 ||
         t == DType::int32 || t == DType::int64;
}

// The DType of a C++ type: dtype_of<float>() == DType::float32.
template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::float32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::float64;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::int8;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::uint8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::int16;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::uint16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::int32;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::uint32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::int64;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::uint64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

// ---- shapes ---------------------------------------------------------------------------------------------

// Up to eight extents, row-major: the last axis is contiguous.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;  // rank 0: a scalar, one element
  Shape(std::initializer_list<int32_t> dims) : Shape(std::span<const int32_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int32_t> dims) : rank_(static_cast<int8_t>(dims.size())) {
    if (dims.size() > kMaxRank) detail::fail("a shape of more than 8 axes", std::to_string(dims.size()));
    for (size_t i = 0; i < dims.size(); ++i)
      dims_[i] = dims[i];
  }
  static Shape of_rank(int rank, int32_t fill = 1) {
    Shape s;
    s.rank_ = static_cast<int8_t>(rank);
    for (int i = 0; i < rank; ++i)
      s.dims_[static_cast<size_t>(i)] = fill;
    return s;
  }

  int rank() const { return rank_; }
  // Axes count from the front; a negative axis counts from the back, as in NumPy.
  int32_t operator[](int axis) const { return dims_[index(axis)]; }
  int32_t& operator[](int axis) { return dims_[index(axis)]; }
  std::span<const int32_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  void push_back(int32_t d) {
    assert(rank_ < kMaxRank);
    dims_[static_cast<size_t>(rank_++)] = d;
  }

  // Number of elements; 1 for a scalar. Saturates at INT64_MAX; a negative (dynamic) extent counts as 0.
  int64_t elements() const { return elements(0, rank_); }
  // Product of the extents of axes [first, last).
  int64_t elements(int first, int last) const {
    int64_t n = 1;
    for (int i = first; i < last; ++i) {
      const int64_t d = dims_[static_cast<size_t>(i)] < 0 ? 0 : dims_[static_cast<size_t>(i)];
      if (__builtin_mul_overflow(n, d, &n)) return INT64_MAX;
    }
    return n;
  }
  bool is_static() const {
    for (int32_t d : dims())
      if (d < 0) return false;
    return true;
  }
  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a[i] != b[i]) return false;
    return true;
  }
  // "1x224x224x3"; "scalar" for rank 0; a dynamic extent prints as "?"
  OCTET_API std::string to_string() const;

 private:
  size_t index(int axis) const {
    const int a = axis < 0 ? axis + rank_ : axis;
    assert(a >= 0 && a < rank_);
    return static_cast<size_t>(a);
  }
  std::array<int32_t, kMaxRank> dims_{};
  int8_t rank_ = 0;
};

inline int64_t byte_size(DType t, const Shape& s) {
  const int64_t n = s.elements();
  return t == DType::int4 ? (n + 1) / 2 : n * bytes_of(t);
}

// ---- quantization ---------------------------------------------------------------------------------------

// How integers stand for real numbers: real = scale * (q - zero_point)   (MATH.md, Q1)
struct Affine {
  float scale = 1.0f;      // > 0, finite
  int64_t zero_point = 0;  // inside the range of the integer type

  friend bool operator==(const Affine&, const Affine&) = default;
};

// The quantization of one tensor: none, one Affine for the whole tensor, one per slice along `axis`, or one
// per block of neighbouring elements along the last axis. Made only by per_tensor(), per_channel() and
// blockwise(), so scale and zero point can't come apart.
class Quantization {
 public:
  Quantization() = default;
  static Quantization per_tensor(Affine a) {
    Quantization q;
    q.params_.push_back(a);
    return q;
  }
  static Quantization per_channel(int axis, std::vector<Affine> params) {
    Quantization q;
    q.params_ = std::move(params);
    q.axis_ = axis;
    return q;
  }
  // `block` > 0 elements each, in the order of the elements; a block never crosses a row.
  static Quantization blockwise(int32_t block, std::vector<Affine> params) {
    Quantization q;
    q.params_ = std::move(params);
    q.block_ = block;
    return q;
  }
  bool empty() const { return params_.empty(); }
  explicit operator bool() const { return !params_.empty(); }
  bool is_per_channel() const { return axis_.has_value(); }
  std::optional<int> axis() const { return axis_; }
  bool is_blockwise() const { return block_ > 0; }
  int32_t block() const { return block_; }  // elements; 0 when there are no blocks
  std::span<const Affine> params() const { return params_; }
  // The parameters of channel `c`; with per-tensor quantization every channel has the same.
  const Affine& at(size_t c = 0) const { return params_[params_.size() == 1 ? 0 : c]; }
  float scale() const { return params_.front().scale; }
  int32_t zero_point() const { return static_cast<int32_t>(params_.front().zero_point); }

  friend bool operator==(const Quantization&, const Quantization&) = default;

 private:
  std::vector<Affine> params_;
  std::optional<int> axis_;
  int32_t block_ = 0;
};

// ---- views ----------------------------------------------------------------------------------------------

// Pointer, type, shape and quantization of memory that somebody else owns. Copying a view copies no data.
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
