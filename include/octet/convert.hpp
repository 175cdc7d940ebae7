// Elements as the real numbers they stand for, and numbers as elements of a tensor.
//
//   std::vector<float> scores = octet::real_values(exec->output(0));
//   octet::TensorView in{memory, octet::DType::int8, {4}, octet::Quantization::per_tensor({0.1F, 0})};
//   octet::Status s = octet::convert_elements(std::as_bytes(std::span(reals)), octet::DType::float32, in);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "octet/export.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// Fill `out` with `from` (elements of type `type`, as many as `out` has).
// * The same type: as it is. Any number to a float type: its value.
// * Real numbers to an integer type with scale and zero point: quantized (MATH.md, Q2).
// * Numbers to other integer types: the same number, which has to be whole and inside the type.
// Errors give the first offending element.
OCTET_API Status convert_elements(std::span<const std::byte> from, DType type, const TensorView& out);

// The real numbers that a tensor stands for: dequantized where it has scales and zero points. Integers
// without them, and booleans, count as their numbers; strings and the like as 0.
OCTET_API std::vector<float> real_values(const ConstTensorView& v);

// The index of the first NaN or infinity in a float tensor, -1 when there is none.
OCTET_API int64_t first_not_finite(const ConstTensorView& v);

}  // namespace octet
