#include "kernels/elementwise/lookup.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace octet {
namespace {

constexpr size_t kLookupGrain = 65536;

void look_up_scalar(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = table[in[i]];
}

#if defined(__x86_64__)

#define OCTET_AVX2 __attribute__((target("avx2"), always_inline))

// Bits 0-6 choose among 128 bytes held in two registers; bit 7 chooses which half of the table that is.
[[gnu::target("avx512vbmi,avx512bw")]] void look_up_vbmi(const uint8_t* table, const uint8_t* in,
                                                         uint8_t* out, size_t n) {
  const __m512i t0 = _mm512_load_si512(table), t1 = _mm512_load_si512(table + 64);
  const __m512i t2 = _mm512_load_si512(table + 128), t3 = _mm512_load_si512(table + 192);
  for (size_t i = 0; i < n; i += 64) {
    const __mmask64 some = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i x = _mm512_maskz_loadu_epi8(some, in + i);
    const __m512i low = _mm512_permutex2var_epi8(t0, x, t1), high = _mm512_permutex2var_epi8(t2, x, t3);
    _mm512_mask_storeu_epi8(out + i, some, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high));
  }
}

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
    const auto row = [=](int k) OCTET_AVX2 {
      const __m256i t =
          _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table + 16 * k)));
      return Both{_mm256_shuffle_epi8(t, lx), _mm256_shuffle_epi8(t, ly)};
    };
    const auto choose = [](Both a, Both b, __m256i mx, __m256i my) OCTET_AVX2 {
      return Both{_mm256_blendv_epi8(a.x, b.x, mx), _mm256_blendv_epi8(a.y, b.y, my)};
    };
    const auto of4 = [=](int k) OCTET_AVX2 {
      return choose(choose(row(k), row(k + 1), x4, y4), choose(row(k + 2), row(k + 3), x4, y4), x5, y5);
    };
    const Both low = choose(of4(0), of4(4), x6, y6), high = choose(of4(8), of4(12), x6, y6);
    const Both all = choose(low, high, x, y);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), all.x);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i + 32), all.y);
  }
  look_up_scalar(table, in + i, out + i, n - i);
}

#undef OCTET_AVX2

#elif defined(__aarch64__)

// vqtbl4q gives 0, and vqtbx4q leaves the lane alone, where an index is beyond the 64 bytes of its table.
void look_up_neon(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n) {
  const uint8x16x4_t t0 = vld1q_u8_x4(table), t1 = vld1q_u8_x4(table + 64);
  const uint8x16x4_t t2 = vld1q_u8_x4(table + 128), t3 = vld1q_u8_x4(table + 192);
  const uint8x16_t step = vdupq_n_u8(64);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    uint8x16_t x = vld1q_u8(in + i);
    uint8x16_t y = vqtbl4q_u8(t0, x);
    x = vsubq_u8(x, step);
    y = vqtbx4q_u8(y, t1, x);
    x = vsubq_u8(x, step);
    y = vqtbx4q_u8(y, t2, x);
    x = vsubq_u8(x, step);
    vst1q_u8(out + i, vqtbx4q_u8(y, t3, x));
  }
  look_up_scalar(table, in + i, out + i, n - i);
}

#endif

using LookUpFn = void (*)(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n);

LookUpFn choose() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw")) return look_up_vbmi;
  if (__builtin_cpu_supports("avx2")) return look_up_avx2;
  return look_up_scalar;
#elif defined(__aarch64__)
  return look_up_neon;
#else
  return look_up_scalar;
#endif
}

}  // namespace

void look_up(const LookupTable& table, const uint8_t* in, uint8_t* out, size_t n) {
  static const LookUpFn fn = choose();
  fn(table.bytes.data(), in, out, n);
}

std::unique_ptr<Kernel> make_lookup_kernel(const LookupTable& table, size_t elements, size_t input) {
  return make_kernel([=](const RunArgs& args) -> Status {
    const auto* in = static_cast<const uint8_t*>(args.in[input]);
    auto* out = static_cast<uint8_t*>(args.out[0]);
    args.pool.for_range(elements, kLookupGrain, [&](size_t begin, size_t end) {
      look_up(table, in + begin, out + begin, end - begin);
    });
    return {};
  });
}

}  // namespace octet
