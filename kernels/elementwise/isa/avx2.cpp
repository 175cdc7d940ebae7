// AVX2, which has no 8-bit arithmetic that would do for products: sixteen at a time in 16 bits, the product
// in 32, float only for the factor. And look-ups by shuffles.
#if defined(__x86_64__)
#include <algorithm>
#include <array>
#include <immintrin.h>

#include "kernels/elementwise/binary.hpp"
#include "kernels/elementwise/loops.hpp"

#define OCTET_ELEMENTWISE_AVX2 __attribute__((target("avx2"), always_inline))

namespace octet {
namespace {

// Sixteen shuffles of sixteen bytes each by the low four bits of the index; the high four choose among them,
// bit by bit, as in a knockout cup: a blend looks at bit 7 of each byte of its mask. Two registers at a time
// share the loads of the table.
[[gnu::target("avx2")]] void look_up_avx2(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n) {
  const __m256i four_bits = _mm256_set1_epi8(15);
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i + 32));
    const __m256i lx = _mm256_and_si256(x, four_bits), ly = _mm256_and_si256(y, four_bits);
    // Bits that cross from one byte to the next end up below bit 7.
    const __m256i x4 = _mm256_slli_epi16(x, 3), x5 = _mm256_slli_epi16(x, 2), x6 = _mm256_add_epi8(x, x);
    const __m256i y4 = _mm256_slli_epi16(y, 3), y5 = _mm256_slli_epi16(y, 2), y6 = _mm256_add_epi8(y, y);
    struct Both {
      __m256i x, y;
    };
    const auto row = [=](int k) OCTET_ELEMENTWISE_AVX2 {
      const __m256i t =
          _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table + 16 * k)));
      return Both{_mm256_shuffle_epi8(t, lx), _mm256_shuffle_epi8(t, ly)};
    };
    const auto choose = [](Both a, Both b, __m256i mx, __m256i my) OCTET_ELEMENTWISE_AVX2 {
      return Both{_mm256_blendv_epi8(a.x, b.x, mx), _mm256_blendv_epi8(a.y, b.y, my)};
    };
    const auto of4 = [=](int k) OCTET_ELEMENTWISE_AVX2 {
      return choose(choose(row(k), row(k + 1), x4, y4), choose(row(k + 2), row(k + 3), x4, y4), x5, y5);
    };
    const Both low = choose(of4(0), of4(4), x6, y6), high = choose(of4(8), of4(12), x6, y6);
    const Both all = choose(low, high, x, y);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), all.x);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i + 32), all.y);
  }
  look_up_portable(table, in + i, out + i, n - i);
}

// Eight 32-bit lanes of the low and of the high half of each 128 bits of sixteen 16-bit ones.
struct Wide {
  __m256i low, high;
};
struct WideFloat {
  __m256 low, high;
};

OCTET_ELEMENTWISE_AVX2 inline Wide product(__m256i x, __m256i y) {
  const __m256i l = _mm256_mullo_epi16(x, y), h = _mm256_mulhi_epi16(x, y);
  return {_mm256_unpacklo_epi16(l, h), _mm256_unpackhi_epi16(l, h)};
}
OCTET_ELEMENTWISE_AVX2 inline Wide widened(__m256i x) {
  const __m256i sign = _mm256_srai_epi16(x, 15);
  return {_mm256_unpacklo_epi16(x, sign), _mm256_unpackhi_epi16(x, sign)};
}
OCTET_ELEMENTWISE_AVX2 inline WideFloat times(const Wide& x, float factor) {
  const __m256 f = _mm256_set1_ps(factor);
  return {_mm256_mul_ps(_mm256_cvtepi32_ps(x.low), f), _mm256_mul_ps(_mm256_cvtepi32_ps(x.high), f)};
}

// x and y without their zero points, sixteen of each, to multiples of the output's scale.
template <OpKind kind>
OCTET_ELEMENTWISE_AVX2 inline WideFloat result(__m256i x, __m256i y, const QuantizedParams& p) {
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
OCTET_ELEMENTWISE_AVX2 inline __m256i load16(const T* x, __m256i zero_point) {
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
  const auto sixteen = [&](const T* x, const T* y) OCTET_ELEMENTWISE_AVX2 {
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

template <class T>
Broadcast::BlockFn block_of(OpKind kind) {
  switch (kind) {
    case OpKind::MUL: return byte_block<T, OpKind::MUL>;
    case OpKind::PRELU: return byte_block<T, OpKind::PRELU>;
    case OpKind::SQUARED_DIFFERENCE: return byte_block<T, OpKind::SQUARED_DIFFERENCE>;
    default: return nullptr;
  }
}

Broadcast::BlockFn byte_product_avx2(OpKind kind, DType type) {
  return type == DType::int8    ? block_of<int8_t>(kind)
         : type == DType::uint8 ? block_of<uint8_t>(kind)
                                : nullptr;
}

}  // namespace

void add_avx2(ElementwiseLoops& loops) {
  loops.look_up = look_up_avx2;
  loops.byte_product = byte_product_avx2;
}

}  // namespace octet

#endif
