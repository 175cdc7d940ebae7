// NEON on both ARM architectures. 32-bit ARM binaries are built for CPUs without it (Debian armhf), so NEON
// functions carry their own target there and are chosen at run time.
#pragma once

#if defined(__aarch64__) || defined(__arm__)
#define OCTET_HAS_NEON 1
#include <arm_neon.h>

#if defined(__ARM_NEON)
#define OCTET_NEON
namespace octet::linear {
inline bool cpu_has_neon() {
  return true;
}
}  // namespace octet::linear
#else
#define OCTET_NEON __attribute__((target("fpu=neon")))
#include <sys/auxv.h>
namespace octet::linear {
inline bool cpu_has_neon() {
  constexpr unsigned long kNeon = 1UL << 12;  // HWCAP_NEON of the Linux kernel's ARM port
  return (getauxval(AT_HWCAP) & kNeon) != 0;
}
}  // namespace octet::linear
#endif
#endif
