// A matrix product with weights that are quantized in blocks: float activations meet int4 or int8 weights
// with one scale for so many neighbouring inputs of an output.
#pragma once

#include "kernels/linear/linear.hpp"

namespace octet::linear {

struct BlockProduct {
  int64_t rows = 0, inputs = 0, outputs = 0;
  int64_t block = 0;  // inputs that share a scale
  bool has_bias = false;
  Activation act;

  int64_t blocks() const { return inputs / block; }  // of one output
};

// Check types, shapes and quantization of a node whose weights [outputs, inputs] are quantized in blocks.
Result<BlockProduct> block_product(const NodeDesc& n, Slots slots, int64_t rows, const Activation& act);

// The normative kernel. Each row of activations becomes int8 with a zero point, as TensorFlow Lite does it;
// sums within a block are exact.
KernelResult reference_block_product(const NodeDesc& n, const BlockProduct& p, Slots slots);

}  // namespace octet::linear
