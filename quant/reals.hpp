// Tensors as the real numbers they stand for, and real numbers as tensors.
#pragma once

#include <cstddef>
#include <vector>

#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// Integers with a scale are dequantized; those without one, and booleans, count as their numbers.
void to_reals(const ConstTensorView& view, std::vector<float>& reals);

// `view` as a tensor of another type: float to integer by quantizing (MATH.md, Q2), integer to float by
// dequantizing, unchanged when the types agree. `storage` holds the result. Other pairs are errors.
Result<ConstTensorView> convert(const ConstTensorView& view, DType type, const Quantization& quant,
                                std::vector<std::byte>& storage);

// False when float elements are NaN or Inf.
bool all_finite(const ConstTensorView& view);

}  // namespace octet
