#include "kernels/cpu.hpp"

#include <cpuinfo.h>

namespace octet {
namespace {

struct Feature {
  const char* name;
  bool (*present)();
};

// cpuinfo's tests are inline functions, compiled to `false` for other architectures.
constexpr Feature kFeatures[] = {
#if CPUINFO_ARCH_X86 || CPUINFO_ARCH_X86_64
    {"sse2", [] { return cpuinfo_has_x86_sse2(); }},
    {"sse4.1", [] { return cpuinfo_has_x86_sse4_1(); }},
    {"avx", [] { return cpuinfo_has_x86_avx(); }},
    {"f16c", [] { return cpuinfo_has_x86_f16c(); }},
    {"fma3", [] { return cpuinfo_has_x86_fma3(); }},
    {"avx2", [] { return cpuinfo_has_x86_avx2(); }},
    {"avxvnni", [] { return cpuinfo_has_x86_avxvnni(); }},
    {"avx512f", [] { return cpuinfo_has_x86_avx512f(); }},
    {"avx512bw", [] { return cpuinfo_has_x86_avx512bw(); }},
    {"avx512vbmi", [] { return cpuinfo_has_x86_avx512vbmi(); }},
    {"avx512vnni", [] { return cpuinfo_has_x86_avx512vnni(); }},
    {"avx512fp16", [] { return cpuinfo_has_x86_avx512fp16(); }},
    {"amx-int8", [] { return cpuinfo_has_x86_amx_int8(); }},
#elif CPUINFO_ARCH_ARM || CPUINFO_ARCH_ARM64
    {"neon", [] { return cpuinfo_has_arm_neon(); }},
    {"neon-fp16", [] { return cpuinfo_has_arm_neon_fp16(); }},
    {"neon-fma", [] { return cpuinfo_has_arm_neon_fma(); }},
    {"neon-v8", [] { return cpuinfo_has_arm_neon_v8(); }},
    {"fp16-arith", [] { return cpuinfo_has_arm_neon_fp16_arith(); }},
    {"dotprod", [] { return cpuinfo_has_arm_neon_dot(); }},
    {"i8mm", [] { return cpuinfo_has_arm_i8mm(); }},
    {"bf16", [] { return cpuinfo_has_arm_neon_bf16(); }},
    {"sve", [] { return cpuinfo_has_arm_sve(); }},
    {"sve2", [] { return cpuinfo_has_arm_sve2(); }},
#endif
};

}  // namespace

std::vector<std::string> cpu_features() {
  std::vector<std::string> names;
  if (!cpuinfo_initialize()) return names;
  for (const Feature& f : kFeatures)
    if (f.present()) names.emplace_back(f.name);
  return names;
}

std::string cpu_name() {
  if (!cpuinfo_initialize() || cpuinfo_get_packages_count() == 0) return "unknown";
  const std::string name = cpuinfo_get_package(0)->name;
  return name.empty() ? "unknown" : name;
}

std::string cpu_architecture() {
#if defined(__x86_64__)
  return "x86-64";
#elif defined(__aarch64__)
  return "aarch64";
#elif defined(__arm__)
  return "armhf";
#else
  return "unknown";
#endif
}

std::string xnnpack_version() {
  return "20241108";
}

}  // namespace octet
