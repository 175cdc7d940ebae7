// Shape of a tensor: up to eight extents, row-major, the last axis is contiguous.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace octet {

class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;  // rank 0: a scalar, one element
  Shape(std::initializer_list<int32_t> dims) : Shape(std::span<const int32_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int32_t> dims) : rank_(static_cast<int8_t>(dims.size())) {
    assert(dims.size() <= kMaxRank);
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
  std::string to_string() const;  // "1x224x224x3"; "scalar" for rank 0; a dynamic extent prints as "?"

 private:
  size_t index(int axis) const {
    const int a = axis < 0 ? axis + rank_ : axis;
    assert(a >= 0 && a < rank_);
    return static_cast<size_t>(a);
  }
  std::array<int32_t, kMaxRank> dims_{};
  int8_t rank_ = 0;
};

// Row-major strides in elements.
std::array<int64_t, Shape::kMaxRank> strides_of(const Shape& s);

}  // namespace octet
