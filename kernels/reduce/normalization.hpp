// What INSTANCE_NORM and RMS_NORM share: the scale (gamma) and shift (beta) behind a normalization.
//
// The int8 form of both, which no specification defines (tensors as in MATH.md, Q1; s_x, z_x of the input):
//   d = q_x - z_x and the sums of d and d^2 are exact integers (64 bits; 8-bit data can't overflow them);
//   mean, variance, the square root, gamma and beta are doubles, in one fixed order of operations;
//   the result is clamped by the fused activation (Q9) and quantized by (Q2).
// IEEE division and square root are correctly rounded, so every machine gives the same bytes. Gamma and beta
// stay float32 in a quantized model: they are few, and their error would be that of a whole channel.
#pragma once

#include <vector>

#include "kernels/op_spec.hpp"

namespace octet {

// One number for each channel, or one for all of them: float32, or integers with a scale.
class ChannelTerm {
 public:
  // Check the shape; an absent input stands for `otherwise`. What shape inference calls.
  static Status check(const NodeDesc& n, size_t input, int64_t channels);
  // Check the type, too. What makes a kernel calls.
  static Result<ChannelTerm> make(const NodeDesc& n, size_t input, int64_t channels, double otherwise);

  // The values of this run, one per channel.
  std::vector<double> values(const RunArgs& args) const;

 private:
  size_t input_ = 0, channels_ = 0, count_ = 0;
  bool present_ = false;
  double otherwise_ = 0;
  DType dtype_ = DType::float32;
  Quantization quant_;
};

// An epsilon must keep the square root real.
Status check_epsilon(float epsilon);

}  // namespace octet
