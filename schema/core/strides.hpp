// Where the elements of a tensor lie.
#pragma once

#include <array>
#include <cstdint>

#include "octet/tensor.hpp"

namespace octet {

// Row-major strides in elements.
inline std::array<int64_t, Shape::kMaxRank> strides_of(const Shape& s) {
  std::array<int64_t, Shape::kMaxRank> strides{};
  int64_t n = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = n;
    n *= s[i];
  }
  return strides;
}

}  // namespace octet
