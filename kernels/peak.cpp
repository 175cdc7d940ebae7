#include "kernels/peak.hpp"

#include <algorithm>
#include <chrono>
#include <cpuinfo.h>
#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) || defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace octet {
namespace {

// Each loop runs `n` rounds of kChains independent accumulations, enough to hide the latency of the
// instruction, and returns something that depends on all of them. `seed` keeps the compiler from knowing the
// operands.
constexpr int kChains = 12;
using Loop = int32_t (*)(int64_t n, int32_t seed);

#if defined(__x86_64__)

#define OCTET_CHAINS(type, zero, step)                           \
  type acc[kChains];                                             \
  for (int i = 0; i < kChains; ++i)                              \
    acc[i] = zero;                                               \
  for (int64_t r = 0; r < n; ++r) {                              \
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) { \
      step;                                                      \
      asm volatile("" : "+x"(acc[i]));                           \
    }                                                            \
  }

__attribute__((target("sse2"))) int32_t loop_sse2(int64_t n, int32_t seed) {
  const __m128i a = _mm_set1_epi16(static_cast<int16_t>(seed));
  __m128i b = _mm_set1_epi16(static_cast<int16_t>(seed + 1));
  asm volatile("" : "+x"(b));
  OCTET_CHAINS(__m128i, _mm_setzero_si128(), acc[i] = _mm_add_epi32(acc[i], _mm_madd_epi16(a, b)))
  __m128i sum = acc[0];
  for (int i = 1; i < kChains; ++i)
    sum = _mm_add_epi32(sum, acc[i]);
  return _mm_cvtsi128_si32(sum);
}

__attribute__((target("avx2"))) int32_t loop_avx2(int64_t n, int32_t seed) {
  const __m256i a = _mm256_set1_epi16(static_cast<int16_t>(seed));
  __m256i b = _mm256_set1_epi16(static_cast<int16_t>(seed + 1));
  asm volatile("" : "+x"(b));
  OCTET_CHAINS(__m256i, _mm256_setzero_si256(), {
    asm volatile("" : "+x"(b));
    acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(a, b));
  })
  __m256i sum = acc[0];
  for (int i = 1; i < kChains; ++i)
    sum = _mm256_add_epi32(sum, acc[i]);
  return _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
}

__attribute__((target("avx512f,avx512vnni"))) int32_t loop_vnni(int64_t n, int32_t seed) {
  const __m512i a = _mm512_set1_epi32(seed);
  __m512i b = _mm512_set1_epi32(seed + 1);
  __m512i acc[kChains];
  for (auto& x : acc)
    x = _mm512_setzero_si512();
  for (int64_t r = 0; r < n; ++r) {
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) {
      acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
      asm volatile("" : "+v"(acc[i]));
    }
  }
  __m512i sum = acc[0];
  for (int i = 1; i < kChains; ++i)
    sum = _mm512_add_epi32(sum, acc[i]);
  alignas(64) int32_t lanes[16];
  _mm512_store_si512(lanes, sum);
  return lanes[0];
}

#elif defined(__aarch64__)

__attribute__((target("arch=armv8.2-a+dotprod"))) int32_t loop_sdot(int64_t n, int32_t seed) {
  const int8x16_t a = vdupq_n_s8(static_cast<int8_t>(seed));
  const int8x16_t b = vdupq_n_s8(static_cast<int8_t>(seed + 1));
  int32x4_t acc[kChains];
  for (auto& x : acc)
    x = vdupq_n_s32(0);
  for (int64_t r = 0; r < n; ++r) {
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) {
      acc[i] = vdotq_s32(acc[i], a, b);
      asm volatile("" : "+w"(acc[i]));
    }
  }
  int32x4_t sum = acc[0];
  for (int i = 1; i < kChains; ++i)
    sum = vaddq_s32(sum, acc[i]);
  return vgetq_lane_s32(sum, 0);
}

#endif

#if defined(__aarch64__) || defined(__ARM_NEON)

int32_t loop_smlal(int64_t n, int32_t seed) {
  const int16x4_t a = vdup_n_s16(static_cast<int16_t>(seed));
  const int16x4_t b = vdup_n_s16(static_cast<int16_t>(seed + 1));
  int32x4_t acc[kChains];
  for (auto& x : acc)
    x = vdupq_n_s32(0);
  for (int64_t r = 0; r < n; ++r) {
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) {
      acc[i] = vmlal_s16(acc[i], a, b);
      asm volatile("" : "+w"(acc[i]));
    }
  }
  int32x4_t sum = acc[0];
  for (int i = 1; i < kChains; ++i)
    sum = vaddq_s32(sum, acc[i]);
  return vgetq_lane_s32(sum, 0);
}

#endif

[[maybe_unused]] int32_t loop_scalar(int64_t n, int32_t seed) {
  int32_t acc[kChains] = {};
  int32_t a = seed;
  for (int64_t r = 0; r < n; ++r)
    for (int32_t& x : acc) {
      x += a * 3;
      asm volatile("" : "+r"(x), "+r"(a));
    }
  int32_t sum = 0;
  for (const int32_t x : acc)
    sum += x;
  return sum;
}

struct Choice {
  Loop loop;
  int macs;  // per accumulation
  std::string_view instruction;
};

Choice widest() {
  cpuinfo_initialize();
#if defined(__x86_64__)
  if (cpuinfo_has_x86_avx512vnni()) return {loop_vnni, 64, "vpdpbusd"};
  if (cpuinfo_has_x86_avx2()) return {loop_avx2, 16, "vpmaddwd"};
  return {loop_sse2, 8, "pmaddwd"};
#else
#if defined(__aarch64__)
  if (cpuinfo_has_arm_neon_dot()) return {loop_sdot, 16, "sdot"};
#endif
#if defined(__aarch64__) || defined(__ARM_NEON)
  if (cpuinfo_has_arm_neon()) return {loop_smlal, 4, "smlal"};
#endif
  return {loop_scalar, 1, "scalar"};
#endif
}

}  // namespace

Peak measure_int8_peak(ThreadPool& pool, int milliseconds) {
  const Choice c = widest();
  const auto threads = static_cast<size_t>(pool.threads());
  std::vector<int32_t> sinks(threads);
  auto seconds = [&](int64_t n) {
    const auto start = std::chrono::steady_clock::now();
    pool.for_range(threads, 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i)
        sinks[i] = c.loop(n, static_cast<int32_t>(i) + 1);
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  constexpr int kRounds = 5;
  int64_t n = 1000;
  while (seconds(n) * 1e3 * kRounds < milliseconds && n < (int64_t{1} << 40))
    n *= 2;
  double best = 1e30;
  for (int i = 0; i < kRounds; ++i)
    best = std::min(best, seconds(n));
  const double macs = static_cast<double>(n) * kChains * c.macs * static_cast<double>(threads);
  return {macs / best * 1e-9, c.instruction};
}

}  // namespace octet
