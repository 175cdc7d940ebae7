#include "schema/core/shape.hpp"

namespace octet {

std::string Shape::to_string() const {
  if (rank_ == 0) return "scalar";
  std::string s;
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) s += 'x';
    s += (*this)[i] < 0 ? std::string("?") : std::to_string((*this)[i]);
  }
  return s;
}

std::array<int64_t, Shape::kMaxRank> strides_of(const Shape& s) {
  std::array<int64_t, Shape::kMaxRank> strides{};
  int64_t n = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = n;
    n *= s[i];
  }
  return strides;
}

}  // namespace octet
