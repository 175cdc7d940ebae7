// Elements of data files as elements of a graph's inputs, and outputs as real numbers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// Fill `out` with `from` (elements of type `type`, as many as `out` has).
// * The same type: as it is. Any number to a float type: its value.
// * Real numbers to an integer type with scale and zero point: quantized (MATH.md, Q2).
// * Numbers to other integer types: the same number, which has to be whole and inside the type.
// Errors give the first offending element.
Status convert_elements(std::span<const std::byte> from, DType type, const TensorView& out);

// The real numbers that a tensor stands for: dequantized where it has scale and zero point.
std::vector<float> real_values(const ConstTensorView& v);

// The index of the first NaN or infinity in a float tensor, -1 when there is none.
int64_t first_not_finite(const ConstTensorView& v);

}  // namespace octet
