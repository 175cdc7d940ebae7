// Packed 4-bit integers: two to a byte, the first in the low half.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octet {

// The first `count` elements of `packed`, which holds (count + 1) / 2 bytes.
std::vector<int8_t> unpack_int4(const void* packed, int64_t count);

// Of each value the lower four bits; the unused half of a last byte is 0.
std::vector<std::byte> pack_int4(std::span<const int8_t> values);

}  // namespace octet
