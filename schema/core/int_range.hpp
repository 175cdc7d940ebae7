// Least and greatest value of an integer type of quantized models.
#pragma once

#include <cstdint>

#include "octet/tensor.hpp"

namespace octet {

// int8 weights use [-127, 127] instead.
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
