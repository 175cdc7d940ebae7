// 8-bit element-wise functions as one table of 256 bytes, indexed by the input byte.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/dispatch.hpp"
#include "kernels/quant_math.hpp"

namespace octet {

struct LookupTable {
  alignas(64) std::array<uint8_t, 256> bytes{};
};

// out[i] = table[in[i]]; in and out may be the same.
void look_up(const LookupTable& table, const uint8_t* in, uint8_t* out, size_t n);

// A threaded kernel that looks up input `input` of `n` elements.
std::unique_ptr<Kernel> make_lookup_kernel(const LookupTable& table, size_t elements, size_t input = 0);

// f in real numbers, quantized: table[byte of q] = quantize(f(dequantize(q))), for Tin and Tout in {int8,
// uint8}.
template <class Tin, class Tout, class F>
LookupTable make_table(const Affine& in, const Affine& out, F f) {
  LookupTable t;
  for (int i = 0; i < 256; ++i) {
    const auto q = static_cast<Tin>(static_cast<uint8_t>(i));
    const auto r = quantize<Tout>(f(dequantize(q, in)), out);
    t.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(r);
  }
  return t;
}

// The same with the types known at run time: int8 or uint8, each.
template <class F>
LookupTable make_table(DType tin, const Affine& in, DType tout, const Affine& out, F f) {
  if (tin == DType::int8)
    return tout == DType::int8 ? make_table<int8_t, int8_t>(in, out, f)
                               : make_table<int8_t, uint8_t>(in, out, f);
  return tout == DType::int8 ? make_table<uint8_t, int8_t>(in, out, f)
                             : make_table<uint8_t, uint8_t>(in, out, f);
}

inline bool is_byte(DType t) {
  return t == DType::int8 || t == DType::uint8;
}

}  // namespace octet
