// AVX512 with VNNI. Depthwise: four taps of a channel at a time, as in avx_vnni.cpp. Panels: two k of all
// lanes per instruction.
#if defined(__x86_64__) || defined(__i386__)
#include <cstring>
#include <immintrin.h>

#include "kernels/linear/loops.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// gcc 12's own AVX512 headers start from vectors that are undefined on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#define OCTET_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")))

namespace octet::linear {
namespace {

OCTET_AVX512_VNNI inline __m128i load_tap_512(const std::byte* base, const ptrdiff_t* offset) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + *offset));
}

struct Constants {
  __m512i order, pixels;  // of the bytes of four taps; of the results of four pixels
  __m512 scale, hi;
  __m512i zero, lo;
  __mmask16 lanes;
};

template <class T, int kCount, int kOuter>
struct alignas(64) Transposed {
  T at[kCount];
  constexpr Transposed() : at() {
    for (int i = 0; i < kCount; ++i)
      at[i] = static_cast<T>(i % 4 * kOuter + i / 4);
  }
};
constexpr Transposed<uint8_t, 64, 16> kByteOrder;
constexpr Transposed<int32_t, 16, 4> kPixelOrder;

OCTET_AVX512_VNNI inline Constants constants(const DepthwiseRow& r) {
  const Requant& q = r.requant;
  const auto least = static_cast<int8_t>(static_cast<int32_t>(q.lo) + q.zero);
  return {_mm512_load_si512(kByteOrder.at),
          _mm512_load_si512(kPixelOrder.at),
          _mm512_loadu_ps(q.scale),
          _mm512_set1_ps(q.hi),
          _mm512_set1_epi16(static_cast<int16_t>(q.zero)),
          _mm512_set1_epi8(least),
          static_cast<__mmask16>((1U << r.width) - 1)};
}

OCTET_AVX512_VNNI inline __m512i quad(const std::byte* base, const ptrdiff_t* offsets, __m512i order) {
  __m512i x = _mm512_castsi128_si512(load_tap_512(base, offsets));
  x = _mm512_inserti32x4(x, load_tap_512(base, offsets + 1), 1);
  x = _mm512_inserti32x4(x, load_tap_512(base, offsets + 2), 2);
  x = _mm512_inserti32x4(x, load_tap_512(base, offsets + 3), 3);
  return _mm512_xor_si512(_mm512_permutexvar_epi8(order, x), _mm512_set1_epi8(-128));
}

// (Q7) for the sums of `count` pixels, at most four.
OCTET_AVX512_VNNI inline void finish(const __m512i* acc, int count, const DepthwiseRow& r, const Constants& k,
                                     std::byte* out) {
  __m512i q[4];
  for (int i = 0; i < 4; ++i) {
    const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[i < count ? i : 0]), k.scale);
    q[i] = _mm512_cvtps_epi32(_mm512_min_ps(v, k.hi));
  }
  const __m512i a = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), k.zero);
  const __m512i b = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), k.zero);
  const __m512i y = _mm512_permutexvar_epi32(k.pixels, _mm512_max_epi8(_mm512_packs_epi16(a, b), k.lo));
  _mm_mask_storeu_epi8(out, k.lanes, _mm512_castsi512_si128(y));
  if (count > 1) _mm_mask_storeu_epi8(out + r.out_step, k.lanes, _mm512_extracti32x4_epi32(y, 1));
  if (count > 2) _mm_mask_storeu_epi8(out + 2 * r.out_step, k.lanes, _mm512_extracti32x4_epi32(y, 2));
  if (count > 3) _mm_mask_storeu_epi8(out + 3 * r.out_step, k.lanes, _mm512_extracti32x4_epi32(y, 3));
}

// Pixels at once share the weights and hide each other's latency.
template <int kPixels>
OCTET_AVX512_VNNI inline void quads_of(const DepthwiseRow& r, int64_t p, const Constants& k) {
  const auto* w = static_cast<const std::byte*>(r.weights);
  const std::byte* base = r.base + p * r.step;
  __m512i acc[kPixels];
  for (int i = 0; i < kPixels; ++i)
    acc[i] = _mm512_loadu_si512(r.bias);
  for (int64_t t = 0; t < r.taps; t += 4, w += 64) {
    const __m512i weights = _mm512_loadu_si512(w);
    for (int i = 0; i < kPixels; ++i)
      acc[i] = _mm512_dpbusd_epi32(acc[i], quad(base + i * r.step, r.offsets + t, k.order), weights);
  }
  finish(acc, kPixels, r, k, r.out + p * r.out_step);
}

OCTET_AVX512_VNNI void avx512_quads(const DepthwiseRow& r) {
  const Constants k = constants(r);
  int64_t p = 0;
  for (; p + 4 <= r.pixels; p += 4)
    quads_of<4>(r, p, k);
  for (; p < r.pixels; ++p)
    quads_of<1>(r, p, k);
}

template <int kPairs>
OCTET_AVX512_VNNI inline void pairs_of(const DepthwiseRow& r, int64_t p, const Constants& k) {
  const auto* w = static_cast<const std::byte*>(r.weights);
  const std::byte* base = r.base + p * r.step;
  __m512i acc[2 * kPairs];
  for (int i = 0; i < 2 * kPairs; ++i)
    acc[i] = _mm512_loadu_si512(r.bias);
  for (int64_t t = 0; t < r.taps; t += 4, w += 128) {
    const __m512i first = _mm512_loadu_si512(w), second = _mm512_loadu_si512(w + 64);
    for (int i = 0; i < kPairs; ++i) {
      const __m512i x = quad(base + 2 * i * r.step, r.offsets + t, k.order);
      acc[2 * i] = _mm512_dpbusd_epi32(acc[2 * i], x, first);
      acc[2 * i + 1] = _mm512_dpbusd_epi32(acc[2 * i + 1], x, second);
    }
  }
  finish(acc, 2 * kPairs, r, k, r.out + p * r.out_step);
}

OCTET_AVX512_VNNI void avx512_pairs(const DepthwiseRow& r) {
  const Constants k = constants(r);
  int64_t p = 0;
  for (; p + 4 <= r.pixels; p += 4)
    pairs_of<2>(r, p, k);
  for (; p < r.pixels; p += 2)
    pairs_of<1>(r, p, k);
}

// Two k of all lanes per instruction; two sums a row, so that none waits for the last.
OCTET_AVX512_VNNI void row_sums_vnni(const int16_t* const* rows, const int16_t* right, int64_t depth,
                                     int32_t* acc) {
  __m512i a[kPanelRows], b[kPanelRows];
  for (int64_t i = 0; i < kPanelRows; ++i)
    a[i] = b[i] = _mm512_setzero_si512();
  int32_t pair;
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4, right += 4 * kLanes) {
    const __m512i r0 = _mm512_loadu_si512(right), r1 = _mm512_loadu_si512(right + 2 * kLanes);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRows; ++i) {
      std::memcpy(&pair, rows[i] + k, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), r0);
      std::memcpy(&pair, rows[i] + k + 2, sizeof(pair));
      b[i] = _mm512_dpwssd_epi32(b[i], _mm512_set1_epi32(pair), r1);
    }
  }
  for (int64_t i = 0; i < kPanelRows; ++i) {
    if (k < depth) {
      std::memcpy(&pair, rows[i] + k, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), _mm512_loadu_si512(right));
    }
    _mm512_storeu_si512(acc + i * kLanes, _mm512_add_epi32(a[i], b[i]));
  }
}

// The same of packed rows, requantized.
OCTET_AVX512_VNNI void panel_vnni(const PanelJob& job) {
  __m512i a[kPanelRows], b[kPanelRows];
  for (int64_t i = 0; i < kPanelRows; ++i)
    a[i] = b[i] = _mm512_setzero_si512();
  const int16_t *left = job.left, *right = job.right;
  int32_t pair;
  int64_t k = 0;
  for (; k + 4 <= job.depth; k += 4, left += 4 * kPanelRows, right += 4 * kLanes) {
    const __m512i r0 = _mm512_loadu_si512(right), r1 = _mm512_loadu_si512(right + 2 * kLanes);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelRows; ++i) {
      std::memcpy(&pair, left + 2 * i, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), r0);
      std::memcpy(&pair, left + 2 * kPanelRows + 2 * i, sizeof(pair));
      b[i] = _mm512_dpwssd_epi32(b[i], _mm512_set1_epi32(pair), r1);
    }
  }
  const __m512 scale = _mm512_set1_ps(job.scale), lo = _mm512_set1_ps(job.lo), hi = _mm512_set1_ps(job.hi);
  for (int64_t i = 0; i < kPanelRows; ++i) {
    if (k < job.depth) {
      std::memcpy(&pair, left + 2 * i, sizeof(pair));
      a[i] = _mm512_dpwssd_epi32(a[i], _mm512_set1_epi32(pair), _mm512_loadu_si512(right));
    }
    // The forms with a mask: gcc 12 takes its own header's plain ones for uninitialized.
    const __m512 sum = _mm512_maskz_cvtepi32_ps(0xffff, _mm512_add_epi32(a[i], b[i]));
    const __m512 v =
        _mm512_maskz_min_ps(0xffff, _mm512_maskz_max_ps(0xffff, _mm512_mul_ps(sum, scale), lo), hi);
    const __m512i q = _mm512_add_epi32(_mm512_maskz_cvtps_epi32(0xffff, v), _mm512_set1_epi32(job.zero));
    // Clamped already, so that taking the low bytes is the conversion.
    _mm_storeu_si128(reinterpret_cast<__m128i*>(job.out + i * kLanes), _mm512_maskz_cvtepi32_epi8(0xffff, q));
  }
}

}  // namespace

void add_avx512_vnni(LinearLoops& loops) {
  loops.depthwise.s8_bytes = {avx512_quads, 4, true, avx512_pairs};
  // Bytes are clamped already, so that signed and unsigned ones are narrowed alike.
  loops.panels = {2, panel_vnni, panel_vnni, row_sums_vnni};
}

}  // namespace octet::linear

#endif
