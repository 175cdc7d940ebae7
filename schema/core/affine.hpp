// How integers stand for real numbers: real = scale * (q - zero_point)   (MATH.md, Q1)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "schema/core/dtype.hpp"

namespace octet {

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

// Least and greatest value of an integer type of quantized models (int8 weights use [-127, 127] instead).
struct IntRange {
  int64_t lo, hi;
};
inline IntRange range_of(DType t) {
  switch (t) {
    case DType::int4: return {-8, 7};
    case DType::int8: return {-128, 127};
    case DType::uint8: return {0, 255};
    case DType::int16: return {-32768, 32767};
    case DType::int32: return {INT32_MIN, INT32_MAX};
    default: return {INT64_MIN, INT64_MAX};
  }
}

}  // namespace octet
