// Element loops that the compiler vectorizes, compiled for several instruction sets of one binary.
#pragma once

#include <cstddef>

#include "kernels/cpu.hpp"

namespace octet {

#if defined(__x86_64__) && defined(__GNUC__)
#define OCTET_X86_CLONES 1
#elif defined(__arm__) && defined(__GNUC__) && !defined(__ARM_NEON)
// 32-bit ARM is built for CPUs without NEON (Debian's armhf); 64-bit ARM has it in its base. Only loops over
// integers gain: NEON's 32-bit floats are not IEEE 754's, and compilers leave them alone.
#define OCTET_ARM_CLONES 1
#endif

inline LoopIsa loop_isa() {
  static const LoopIsa isa = cpu().loops();
  return isa;
}

// The loop itself; `f` is copied so that the compiler sees that nothing else changes what it captured.
#define OCTET_ELEMENT_LOOP_BODY \
  const F g = f;                \
  _Pragma("GCC ivdep") for (size_t i = begin; i < end; ++i) g(i)

template <class F>
void element_loop_base(size_t begin, size_t end, const F& f) {
  OCTET_ELEMENT_LOOP_BODY;
}
#ifdef OCTET_X86_CLONES
template <class F>
[[gnu::target("avx2")]] void element_loop_avx2(size_t begin, size_t end, const F& f) {
  OCTET_ELEMENT_LOOP_BODY;
}
template <class F>
[[gnu::target("avx512bw,avx512vl,avx512dq")]] void element_loop_avx512(size_t begin, size_t end, const F& f) {
  OCTET_ELEMENT_LOOP_BODY;
}
#elif defined(OCTET_ARM_CLONES)
template <class F>
[[gnu::target("fpu=neon")]] void element_loop_neon(size_t begin, size_t end, const F& f) {
  OCTET_ELEMENT_LOOP_BODY;
}
#endif
#undef OCTET_ELEMENT_LOOP_BODY

// f(i) for each i in [begin, end), in any order. Iterations must not depend on each other. The lambda should
// capture pointers and scalars by value and carry OCTET_INLINE, or it is called instead of inlined.
#define OCTET_INLINE __attribute__((always_inline))
template <class F>
void element_loop(size_t begin, size_t end, const F& f) {
#ifdef OCTET_X86_CLONES
  switch (loop_isa()) {
    case LoopIsa::avx512: return element_loop_avx512(begin, end, f);
    case LoopIsa::avx2: return element_loop_avx2(begin, end, f);
    default: break;
  }
#elif defined(OCTET_ARM_CLONES)
  if (loop_isa() == LoopIsa::neon) return element_loop_neon(begin, end, f);
#endif
  element_loop_base(begin, end, f);
}

// f(r, i) for each row r in [0, rows) in order and each i in [0, n) in any order: rows may depend on each
// other.
template <class F>
OCTET_INLINE inline void row_loop_body(size_t rows, size_t n, const F& f) {
  const F g = f;
  for (size_t r = 0; r < rows; ++r) {
    _Pragma("GCC ivdep") for (size_t i = 0; i < n; ++i) g(r, i);
  }
}
#ifdef OCTET_X86_CLONES
template <class F>
[[gnu::target("avx2")]] void row_loop_avx2(size_t rows, size_t n, const F& f) {
  row_loop_body(rows, n, f);
}
template <class F>
[[gnu::target("avx512bw,avx512vl,avx512dq")]] void row_loop_avx512(size_t rows, size_t n, const F& f) {
  row_loop_body(rows, n, f);
}
#elif defined(OCTET_ARM_CLONES)
template <class F>
[[gnu::target("fpu=neon")]] void row_loop_neon(size_t rows, size_t n, const F& f) {
  row_loop_body(rows, n, f);
}
#endif
template <class F>
void row_loop(size_t rows, size_t n, const F& f) {
#ifdef OCTET_X86_CLONES
  switch (loop_isa()) {
    case LoopIsa::avx512: return row_loop_avx512(rows, n, f);
    case LoopIsa::avx2: return row_loop_avx2(rows, n, f);
    default: break;
  }
#elif defined(OCTET_ARM_CLONES)
  if (loop_isa() == LoopIsa::neon) return row_loop_neon(rows, n, f);
#endif
  row_loop_body(rows, n, f);
}

// Round `x` to the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves the integer in the
// low bits of the float. Unlike nearbyint it vectorizes on every instruction set.
OCTET_INLINE inline int round_small(float x) {
  const float shifted = x + 12582912.0f;
  int bits = 0;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4B400000;
}

// The same for doubles, |x| < 2^51: by adding 1.5 * 2^52.
OCTET_INLINE inline double round_double(double x) {
  constexpr double kMagic = 6755399441055744.0;
  return (x + kMagic) - kMagic;
}

}  // namespace octet
