// Arithmetic on sizes that come from outside: every overflow is seen.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace octet {

inline std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t r = 0;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

inline std::optional<int64_t> checked_mul(int64_t a, int64_t b) {
  int64_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

// `v` as T when T holds it, else nothing.
template <class T>
std::optional<T> checked_cast(int64_t v) {
  if (v < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
      (sizeof(T) < 8 && v > static_cast<int64_t>(std::numeric_limits<T>::max())))
    return std::nullopt;
  return static_cast<T>(v);
}

}  // namespace octet
