// Convolutions of every kind as one geometry: plain, grouped, depthwise and transposed, in one to three
// spatial dimensions. FULLY_CONNECTED is the case without any.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "kernels/linear/linear.hpp"

namespace octet::linear {

using Extents = std::array<int64_t, 3>;  // depth, height, width

struct Geometry {
  int64_t batch = 1;
  Extents in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1};
  Extents pad_before{0, 0, 0}, pad_after{0, 0, 0};
  int64_t in_channels = 1, out_channels = 1, groups = 1;
  bool transposed = false;
  // Strides of the weights in elements: from one output channel, input channel (of a group) or tap (taps
  // are row-major: depth, height, width) to the next.
  int64_t w_out = 0, w_in = 0, w_tap = 0;

  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t pixels_in() const { return in[0] * in[1] * in[2]; }
  int64_t pixels_out() const { return out[0] * out[1] * out[2]; }
  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t terms() const { return taps() * group_in(); }  // products in one sum, at most
  int64_t macs() const;                                  // of one run; saturates
  bool empty() const { return batch * pixels_out() * out_channels == 0; }
  bool has_padding() const { return pad_before != Extents{0, 0, 0} || pad_after != Extents{0, 0, 0}; }

  // The input coordinate that tap `k` of output `o` reads along `axis`; nothing when it is padding.
  std::optional<int64_t> source(size_t axis, int64_t o, int64_t k) const {
    int64_t i;
    if (transposed) {
      const int64_t up = o + pad_before[axis] - k * dilation[axis];
      if (up < 0 || up % stride[axis] != 0) return std::nullopt;
      i = up / stride[axis];
    } else {
      i = o * stride[axis] - pad_before[axis] + k * dilation[axis];
      if (i < 0) return std::nullopt;
    }
    return i < in[axis] ? std::optional(i) : std::nullopt;
  }
};

// A convolution node made ready: what each of its implementations starts from.
struct Convolution {
  Geometry g;
  Numerics num;
  Slots slots;
};

// Whether no sum with an int32 bias can leave int32, whatever the input holds. Weights and biases are known,
// the weights are bytes. Where one can, the reference saturates, and sums that wrap around turn the sign
// over.
bool sums_fit_int32(const NodeDesc& n, const Convolution& c);

// The normative kernel of any convolution: plain loops, weights and bias may change between runs.
KernelResult reference_convolution(const NodeDesc& n, const Convolution& c);

}  // namespace octet::linear
