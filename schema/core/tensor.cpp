#include "octet/tensor.hpp"

namespace octet {
namespace {

struct Row {
  std::string_view name;
  int bits;
};
constexpr Row kRows[kDTypeCount] = {
    {"float32", 32}, {"float16", 16},     {"int32", 32},  {"uint8", 8},      {"int64", 64},
    {"string", 0},   {"bool", 8},         {"int16", 16},  {"complex64", 64}, {"int8", 8},
    {"float64", 64}, {"complex128", 128}, {"uint64", 64}, {"resource", 0},   {"variant", 0},
    {"uint32", 32},  {"uint16", 16},      {"int4", 4},    {"bfloat16", 16},
};

}  // namespace

int bits_of(DType t) {
  return kRows[static_cast<int>(t)].bits;
}
int bytes_of(DType t) {
  return kRows[static_cast<int>(t)].bits / 8;
}
std::string_view name_of(DType t) {
  return kRows[static_cast<int>(t)].name;
}

std::string Shape::to_string() const {
  if (rank_ == 0) return "scalar";
  std::string s;
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) s += 'x';
    s += (*this)[i] < 0 ? std::string("?") : std::to_string((*this)[i]);
  }
  return s;
}

}  // namespace octet
