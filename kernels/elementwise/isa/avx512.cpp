// AVX512: a table of 256 bytes lies in four registers where bytes can be permuted (VBMI).
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/elementwise/loops.hpp"

namespace octet {
namespace {

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

}  // namespace

void add_avx512(ElementwiseLoops& loops) {
  loops.byte_product = nullptr;  // the compiler's own loop, 512 bits wide, is faster than AVX2's
}

void add_avx512_vbmi(ElementwiseLoops& loops) {
  loops.look_up = look_up_vbmi;
}

}  // namespace octet

#endif
