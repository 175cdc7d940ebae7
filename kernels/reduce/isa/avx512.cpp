// SOFTMAX with AVX512: tables of bytes in registers (VBMI).
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/reduce/softmax_table.hpp"

namespace octet::softmax {
namespace {

// 64 look-ups in a register table at once, byte by byte of the fixed point; each byte is summed by itself.
[[gnu::target("avx512vbmi,avx512bw")]] Summary summarize_vbmi(const Table& t, const uint8_t* in, size_t n,
                                                              uint8_t flip) {
  if (n < 16) return summarize_portable(t, in, n, flip);
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  const auto some_of = [n](size_t i) { return n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1; };
  __m512i most = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 64) {
    const __mmask64 some = some_of(i);
    const __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(some, in + i), flips);
    most = _mm512_mask_max_epu8(most, some, most, x);
  }
  alignas(64) uint8_t lanes[64];  // gcc 12's own headers warn where a part of a register is taken
  _mm512_store_si512(lanes, most);
  const auto* quarters = reinterpret_cast<const __m128i*>(lanes);
  const __m128i most16 =
      _mm_max_epu8(_mm_max_epu8(quarters[0], quarters[1]), _mm_max_epu8(quarters[2], quarters[3]));
  // The least of eight 16-bit lanes is one instruction: of 255 - x, pairs folded into one byte each.
  const __m128i inverted = _mm_xor_si128(most16, _mm_set1_epi8(-1));
  const __m128i least = _mm_minpos_epu16(_mm_min_epu8(inverted, _mm_srli_epi16(inverted, 8)));
  Summary s;
  s.greatest = static_cast<uint8_t>(~_mm_cvtsi128_si32(least));
  const __m512i greatest = _mm512_set1_epi8(static_cast<char>(s.greatest)), zero = _mm512_setzero_si512();
  __m512i sums = zero;
  for (unsigned byte = 0; byte < 4; ++byte) {
    const uint8_t* table = t.exp_bytes[byte].data();
    const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
    const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
    __m512i byte_sums = zero;
    for (size_t i = 0; i < n; i += 64) {
      const __mmask64 some = some_of(i);
      const __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(some, in + i), flips);
      const __m512i d = _mm512_sub_epi8(greatest, x);
      const __m512i low = _mm512_permutex2var_epi8(t0, d, t1), high = _mm512_permutex2var_epi8(t2, d, t3);
      const __m512i e = _mm512_mask_blend_epi8(_mm512_movepi8_mask(d), low, high);
      byte_sums = _mm512_add_epi64(byte_sums, _mm512_sad_epu8(_mm512_maskz_mov_epi8(some, e), zero));
    }
    sums = _mm512_add_epi64(sums, _mm512_maskz_slli_epi64(0xff, byte_sums, 8 * byte));
  }
  alignas(64) uint64_t parts[8];
  _mm512_store_si512(parts, sums);
  for (uint64_t part : parts)
    s.sum += part;
  return s;
}

}  // namespace

void add_avx512_vbmi(Loops& loops) {
  loops.summarize = summarize_vbmi;
}

}  // namespace octet::softmax

#endif
