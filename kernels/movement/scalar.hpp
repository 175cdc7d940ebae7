// One number as the bytes of an element.
#pragma once

#include <array>
#include <cstring>
#include <fmt/format.h>

#include "kernels/op_spec.hpp"

namespace octet {

// `value`, which fits, as a little- or big-endian element of integer type `t` (whatever this machine has).
inline Result<std::array<std::byte, 16>> scalar_bytes(DType t, int64_t value) {
  std::array<std::byte, 16> out{};
  auto put = [&](auto v) { std::memcpy(out.data(), &v, sizeof v); };
  switch (t) {
    case DType::int8: put(static_cast<int8_t>(value)); break;
    case DType::uint8: put(static_cast<uint8_t>(value)); break;
    case DType::int16: put(static_cast<int16_t>(value)); break;
    case DType::int32: put(static_cast<int32_t>(value)); break;
    case DType::int64: put(value); break;
    default: return Status::unsupported(fmt::format("{} data has no zero point", name_of(t)));
  }
  return out;
}

}  // namespace octet
