// XNNPACK's operators for convolutions and matrix products, behind one face each. All decline what XNNPACK
// does not cover, with the reason.
#pragma once

#include "kernels/linear/blockwise.hpp"
#include "kernels/linear/convolution.hpp"

namespace octet::xnn {

// A 2-D convolution (depth 1) with constant weights [output channel][tap][input channel of the group], or
// [tap][output channel] for a depthwise one.
KernelResult convolution(const NodeDesc& n, const linear::Convolution& c, bool depthwise, ThreadPool& pool);

// A 2-D transposed convolution with constant weights [output channel][tap][input channel].
KernelResult transposed_convolution(const NodeDesc& n, const linear::Convolution& c, ThreadPool& pool);

// `rows` vectors of `inputs` elements times constant weights [outputs][inputs].
KernelResult fully_connected(const NodeDesc& n, const linear::Numerics& num, linear::Slots slots,
                             int64_t rows, int64_t inputs, int64_t outputs, ThreadPool& pool);

// The same in float with weights (and bias) that are computed at run time.
KernelResult dynamic_fully_connected(const NodeDesc& n, const linear::Numerics& num, linear::Slots slots,
                                     int64_t rows, int64_t inputs, int64_t outputs, ThreadPool& pool);

// Float activations times int8 weights [output channel][tap][input channel] (a fully connected layer is the
// geometry without spatial axes).
KernelResult hybrid_convolution(const NodeDesc& n, const linear::Convolution& c, ThreadPool& pool);

// Float activations times int4 weights in blocks; blocks of a multiple of 32 with scales that bfloat16 holds.
KernelResult block_product(const NodeDesc& n, const linear::BlockProduct& p, linear::Slots slots,
                           ThreadPool& pool);

}  // namespace octet::xnn
