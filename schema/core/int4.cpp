#include "schema/core/int4.hpp"

namespace octet {

std::vector<int8_t> unpack_int4(const void* packed, int64_t count) {
  const auto* bytes = static_cast<const uint8_t*>(packed);
  std::vector<int8_t> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) {
    const int nibble = i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
    out[i] = static_cast<int8_t>(nibble < 8 ? nibble : nibble - 16);
  }
  return out;
}

std::vector<std::byte> pack_int4(std::span<const int8_t> values) {
  std::vector<std::byte> packed((values.size() + 1) / 2);
  for (size_t i = 0; i < values.size(); ++i)
    packed[i / 2] |= static_cast<std::byte>((values[i] & 15) << (i % 2 == 0 ? 0 : 4));
  return packed;
}

}  // namespace octet
