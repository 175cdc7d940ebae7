// Element types of tensors. Numbers are those of TensorType in the TFLite schema v3 (wire format).
#pragma once

#include <cstdint>
#include <string_view>

namespace octet {

enum class DType : uint8_t {
  float32 = 0,
  float16 = 1,
  int32 = 2,
  uint8 = 3,
  int64 = 4,
  string = 5,
  boolean = 6,
  int16 = 7,
  complex64 = 8,
  int8 = 9,
  float64 = 10,
  complex128 = 11,
  uint64 = 12,
  resource = 13,
  variant = 14,
  uint32 = 15,
  uint16 = 16,
  int4 = 17,
  bfloat16 = 18,
};
inline constexpr int kDTypeCount = 19;

// Bits of one element; 0 for types without a fixed size (string, resource, variant).
int bits_of(DType t);
// Bytes of one element; 0 for types without a whole number of bytes (int4) or without a fixed size.
int bytes_of(DType t);
// NumPy's name where NumPy has the type ("float32", "bool"), else the schema's in lower case.
std::string_view name_of(DType t);

inline bool is_float(DType t) {
  return t == DType::float32 || t == DType::float16 || t == DType::float64 || t == DType::bfloat16;
}
// Integer types that carry scale and zero point in quantized models.
inline bool is_quantizable(DType t) {
  return t == DType::int8 || t == DType::uint8 || t == DType::int16 || t == DType::int4 ||
         t == DType::int32 || t == DType::int64;
}

// The DType of a C++ type: dtype_of<float>() == DType::float32.
template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::float32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::float64;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::int8;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::uint8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::int16;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::uint16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::int32;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::uint32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::int64;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::uint64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

float half_to_float(uint16_t h);
uint16_t float_to_half(float f);  // round to nearest even

}  // namespace octet
