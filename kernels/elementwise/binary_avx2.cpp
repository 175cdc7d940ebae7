// Products of bytes for AVX2, which has no 8-bit arithmetic that would do: sixteen at a time in 16 bits, the
// product in 32, float only for the factor. The same bits as the portable loop.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/elementwise/binary.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/vector_loop.hpp"

namespace octet {
namespace {

#define OCTET_AVX2 __attribute__((target("avx2"), always_inline))

// Eight 32-bit lanes of the low and of the high half of each 128 bits of sixteen 16-bit ones.
struct Wide {
  __m256i low, high;
};
struct WideFloat {
  __m256 low, high;
};

OCTET_AVX2 inline Wide product(__m256i x, __m256i y) {
  const __m256i l = _mm256_mullo_epi16(x, y), h = _mm256_mulhi_epi16(x, y);
  return {_mm256_unpacklo_epi16(l, h), _mm256_unpackhi_epi16(l, h)};
}
OCTET_AVX2 inline Wide widened(__m256i x) {
  const __m256i sign = _mm256_srai_epi16(x, 15);
  return {_mm256_unpacklo_epi16(x, sign), _mm256_unpackhi_epi16(x, sign)};
}
OCTET_AVX2 inline WideFloat times(const Wide& x, float factor) {
  const __m256 f = _mm256_set1_ps(factor);
  return {_mm256_mul_ps(_mm256_cvtepi32_ps(x.low), f), _mm256_mul_ps(_mm256_cvtepi32_ps(x.high), f)};
}

// x and y without their zero points, sixteen of each, to multiples of the output's scale.
template <OpKind kind>
OCTET_AVX2 inline WideFloat result(__m256i x, __m256i y, const QuantizedParams& p) {
  if constexpr (kind == OpKind::MUL) {
    return times(product(x, y), p.o);
  } else if constexpr (kind == OpKind::PRELU) {
    const __m256i zero = _mm256_setzero_si256();
    const WideFloat up = times(widened(_mm256_max_epi16(x, zero)), p.a);
    const WideFloat down = times(product(_mm256_min_epi16(x, zero), y), p.o);
    return {_mm256_add_ps(up.low, down.low), _mm256_add_ps(up.high, down.high)};
  } else {
    static_assert(kind == OpKind::SQUARED_DIFFERENCE);
    const WideFloat a = times(widened(x), p.a), b = times(widened(y), p.b);
    const __m256 low = _mm256_sub_ps(a.low, b.low), high = _mm256_sub_ps(a.high, b.high);
    return {_mm256_mul_ps(low, low), _mm256_mul_ps(high, high)};
  }
}

template <class T>
OCTET_AVX2 inline __m256i load16(const T* x, __m256i zero_point) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return _mm256_sub_epi16(std::is_signed_v<T> ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes),
                          zero_point);
}

template <class T, OpKind kind>
[[gnu::target("avx2")]] void byte_block(const void* const* in, void* out, size_t n, const void* params) {
  const QuantizedParams p = *static_cast<const QuantizedParams*>(params);
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  T* o = static_cast<T*>(out);
  const __m256i za = _mm256_set1_epi16(static_cast<int16_t>(p.za));
  const __m256i zb = _mm256_set1_epi16(static_cast<int16_t>(p.zb));
  const __m256i zo = _mm256_set1_epi16(static_cast<int16_t>(p.zo));
  const __m256i lo = _mm256_set1_epi16(static_cast<int16_t>(static_cast<int>(p.lo) + p.zo));
  const __m256i hi = _mm256_set1_epi16(static_cast<int16_t>(static_cast<int>(p.hi) + p.zo));
  const auto sixteen = [&](const T* x, const T* y) OCTET_AVX2 {
    const WideFloat r = result<kind>(load16(x, za), load16(y, zb), p);
    const __m256i q = _mm256_packs_epi32(_mm256_cvtps_epi32(r.low), _mm256_cvtps_epi32(r.high));
    return _mm256_min_epi16(_mm256_max_epi16(_mm256_adds_epi16(q, zo), lo), hi);
  };
  alignas(32) std::array<T, 32> rest_a{}, rest_b{}, rest_o{};
  for (size_t i = 0; i < n; i += 32) {
    const bool whole = n - i >= 32;
    const T *x = a + i, *y = b + i;
    if (!whole) {
      std::copy_n(x, n - i, rest_a.data());
      std::copy_n(y, n - i, rest_b.data());
      x = rest_a.data(), y = rest_b.data();
    }
    const __m256i first = sixteen(x, y), second = sixteen(x + 16, y + 16);
    const __m256i bytes =
        std::is_signed_v<T> ? _mm256_packs_epi16(first, second) : _mm256_packus_epi16(first, second);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(whole ? o + i : rest_o.data()),
                        _mm256_permute4x64_epi64(bytes, 0xD8));
    if (!whole) std::copy_n(rest_o.data(), n - i, o + i);
  }
}

#undef OCTET_AVX2

template <class T>
Broadcast::BlockFn block_of(OpKind kind) {
  switch (kind) {
    case OpKind::MUL: return byte_block<T, OpKind::MUL>;
    case OpKind::PRELU: return byte_block<T, OpKind::PRELU>;
    case OpKind::SQUARED_DIFFERENCE: return byte_block<T, OpKind::SQUARED_DIFFERENCE>;
    default: return nullptr;
  }
}

}  // namespace

Broadcast::BlockFn byte_product_fn(OpKind kind, DType type, const QuantizedParams& p) {
  if (loop_isa() != Isa::avx2) return nullptr;
  // Beyond 2^31 a conversion to int32 does not saturate.
  const double most = kind == OpKind::SQUARED_DIFFERENCE
                          ? std::pow(255.0 * (std::fabs(p.a) + std::fabs(p.b)), 2)
                          : 255.0 * 255.0 * std::fabs(p.o) + 255.0 * std::fabs(p.a);
  if (!(most < 1 << 30)) return nullptr;
  return type == DType::int8    ? block_of<int8_t>(kind)
         : type == DType::uint8 ? block_of<uint8_t>(kind)
                                : nullptr;
}

}  // namespace octet

#else

namespace octet {
Broadcast::BlockFn byte_product_fn(OpKind, DType, const QuantizedParams&) {
  return nullptr;
}
}  // namespace octet

#endif
