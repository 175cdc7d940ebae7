// Shape inference that several operators share.
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

Result<InferredShapes> infer_same(const NodeDesc& n);       // output 0 has the shape of input 0
Result<InferredShapes> infer_broadcast(const NodeDesc& n);  // NumPy broadcasting of inputs 0 and 1

// NumPy broadcasting; nothing when the shapes do not go together.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);

// Axis `a` of a tensor of rank `rank`, negative axes from the back; nothing when out of range.
std::optional<int> normalize_axis(int64_t a, int rank);

// The integers of a known int32 or int64 tensor.
Result<std::vector<int64_t>> integers_of(const TensorDesc& t);

// Windows (convolution, pooling; TFLite's conventions). `pad_total` is before + after.
struct WindowAxis {
  int32_t out = 0, pad_before = 0, pad_after = 0;
};
// Output extent and padding along one axis; errors name the cause (a window larger than the input).
Result<WindowAxis> window_axis(int32_t in, int32_t filter, int32_t stride, int32_t dilation,
                               Padding::Kind kind, int32_t explicit_before, int32_t explicit_after);
struct Window2D {
  WindowAxis h, w;
};
Result<Window2D> window_2d(const Shape& input, int32_t filter_h, int32_t filter_w, int32_t stride_h,
                           int32_t stride_w, int32_t dilation_h, int32_t dilation_w, const Padding& padding);

inline InferredShapes one(Shape s) {
  return {.deferred = false, .shapes = {s}};
}

}  // namespace octet
