// What the implementations of the pooling operators share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"

namespace octet::pool {

enum class Mode : uint8_t { average, max, l2 };

struct Pooling {
  Mode mode = Mode::average;
  DType dtype = DType::float32;
  int64_t batch = 0, in_h = 0, in_w = 0, out_h = 0, out_w = 0, channels = 0;
  int64_t filter_h = 1, filter_w = 1, stride_h = 1, stride_w = 1;
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  Activation act;
  // Integer types: quantization of input and output, bounds of the output with the fused activation.
  Affine x, y;
  QuantBounds bounds{0, 0};

  bool has_padding() const { return (top | bottom | left | right) != 0; }
  bool keeps_scale() const { return x == y; }
};

Result<Pooling> pooling_of(const NodeDesc& n);

// The part [begin, end) of a window that lies inside the input. Padding does not count (an average divides
// by the number of elements that are there).
struct Span {
  int64_t begin, end;
};
inline Span clip(int64_t out, int64_t stride, int64_t pad, int64_t filter, int64_t extent) {
  const int64_t first = out * stride - pad;
  return {std::max<int64_t>(first, 0), std::min(first + filter, extent)};
}

KernelResult create_window_rows(const NodeDesc& n, ThreadPool&);
KernelResult create_xnnpack(const NodeDesc& n, ThreadPool&);

}  // namespace octet::pool
