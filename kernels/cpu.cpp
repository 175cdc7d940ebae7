#include "kernels/cpu.hpp"

#include <cpuinfo.h>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <initializer_list>

namespace octet {
namespace {

using enum CpuFeature;

struct Reported {
  const char* name;
  bool (*present)();
};

// cpuinfo's tests are inline functions, compiled to `false` for other architectures.
constexpr Reported kReported[] = {
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

Cpu set_of(std::initializer_list<CpuFeature> features) {
  Cpu set;
  for (const CpuFeature f : features)
    set = set.with(f);
  return set;
}

// A value of OCTET_ISA: a CPU that has what it needs is lowered to what it keeps.
struct Level {
  std::string_view name;
  Cpu needs, keeps;
};

std::vector<Level> levels() {
  std::vector<Level> all;
  const auto add = [&](std::string_view name, std::initializer_list<CpuFeature> features) {
    all.push_back({name, set_of(features), set_of(features)});
  };
#if CPUINFO_ARCH_X86 || CPUINFO_ARCH_X86_64
  add("base", {});
  add("sse4.1", {sse41});
  add("avx2", {sse41, avx2});
  add("avx-vnni", {sse41, avx2, avx_vnni});
  add("avx512", {sse41, avx2, avx512});
  add("avx512-vnni", {sse41, avx2, avx512, avx512_vnni, avx512_vbmi});
  all.back().keeps = all.back().keeps.with(avx_vnni);
#elif CPUINFO_ARCH_ARM || CPUINFO_ARCH_ARM64
#if CPUINFO_ARCH_ARM
  add("base", {});
#endif
  add("neon", {neon});
  add("neon-dot", {neon, neon_dot});
  add("i8mm", {neon, neon_dot, i8mm});
#else
  add("base", {});
#endif
  return all;
}

Cpu detected() {
  Cpu set;
  if (!cpuinfo_initialize()) return set;
  const auto add = [&](bool present, CpuFeature f) {
    if (present) set = set.with(f);
  };
  add(cpuinfo_has_x86_sse4_1(), sse41);
  add(cpuinfo_has_x86_avx2() && cpuinfo_has_x86_fma3(), avx2);
  add(cpuinfo_has_x86_avxvnni(), avx_vnni);
  add(cpuinfo_has_x86_avx512f() && cpuinfo_has_x86_avx512bw() && cpuinfo_has_x86_avx512dq() &&
          cpuinfo_has_x86_avx512vl(),
      avx512);
  add(cpuinfo_has_x86_avx512vnni(), avx512_vnni);
  add(cpuinfo_has_x86_avx512vbmi(), avx512_vbmi);
  add(cpuinfo_has_arm_neon(), neon);
  add(cpuinfo_has_arm_neon_dot(), neon_dot);
  add(cpuinfo_has_arm_i8mm(), i8mm);
  return set;
}

// XNNPACK chooses its kernels by cpuinfo's answers, so these are lowered with ours, before it first asks. A
// template: fields that a version of cpuinfo lacks are left out.
#if CPUINFO_ARCH_X86 || CPUINFO_ARCH_X86_64
template <class Isa>
void lower_cpuinfo(Isa& isa, const Cpu& keeps) {
  if (!keeps.has(avx_vnni)) isa.avxvnni = false;
  if constexpr (requires { isa.avx_vnni_int8; })
    if (!keeps.has(avx_vnni)) isa.avx_vnni_int8 = isa.avx_vnni_int16 = false;
  if constexpr (requires { isa.avx10_1; })
    if (!keeps.has(avx512_vnni)) isa.avx10_1 = isa.avx10_2 = false;
  if constexpr (requires { isa.amx_fp16; })
    if (!keeps.has(avx512_vnni)) isa.amx_fp16 = false;
  if (!keeps.has(avx512_vnni))
    isa.avx512vnni = isa.avx512vbmi = isa.avx512vbmi2 = isa.avx512bf16 = isa.avx512fp16 = isa.gfni =
        isa.amx_tile = isa.amx_int8 = isa.amx_bf16 = false;
  if (!keeps.has(avx512)) isa.avx512f = isa.avx512cd = isa.avx512bw = isa.avx512dq = isa.avx512vl = false;
  if (!keeps.has(avx2)) isa.avx = isa.f16c = isa.fma3 = isa.fma4 = isa.xop = isa.avx2 = false;
  if (!keeps.has(sse41)) isa.sse3 = isa.ssse3 = isa.sse4_1 = isa.sse4_2 = isa.sse4a = false;
}
#elif CPUINFO_ARCH_ARM || CPUINFO_ARCH_ARM64
template <class Isa>
void lower_cpuinfo(Isa& isa, const Cpu& keeps) {
  if constexpr (requires { isa.neon; })
    if (!keeps.has(neon)) isa.neon = false;
  if (!keeps.has(neon_dot)) isa.dot = isa.fp16arith = false;
  if constexpr (requires { isa.i8mm; })
    if (!keeps.has(i8mm)) isa.i8mm = isa.bf16 = isa.sve = isa.sve2 = false;
}
#endif

struct Setting {
  Cpu cpu;
  Status status;
};

std::vector<std::string_view> names_on(const Cpu& cpu) {
  std::vector<std::string_view> names;
  for (const Level& level : levels())
    if ((cpu & level.needs) == level.needs) names.push_back(level.name);
  return names;
}

Setting read_setting() {
  Setting s{detected(), {}};
  const char* const wanted = std::getenv("OCTET_ISA");
  if (wanted == nullptr || *wanted == '\0') return s;
  const std::string_view name = wanted;
  for (const Level& level : levels()) {
    if (level.name != name) continue;
    if ((s.cpu & level.needs) != level.needs) {
      s.status = Status::unsupported(
          fmt::format("OCTET_ISA: this CPU has no {}, only {}", name, fmt::join(names_on(s.cpu), ", ")));
      return s;
    }
    s.cpu = s.cpu & level.keeps;
#if CPUINFO_ARCH_X86 || CPUINFO_ARCH_X86_64 || CPUINFO_ARCH_ARM || CPUINFO_ARCH_ARM64
    lower_cpuinfo(cpuinfo_isa, level.keeps);
#endif
    return s;
  }
  s.status = Status::invalid(fmt::format("OCTET_ISA: there is no instruction set '{}'; this CPU has {}", name,
                                         fmt::join(names_on(s.cpu), ", ")));
  return s;
}

const Setting& setting() {
  static const Setting s = read_setting();
  return s;
}

}  // namespace

const Cpu& cpu() {
  return setting().cpu;
}

Status cpu_status() {
  return setting().status;
}

std::vector<std::string_view> isa_names() {
  return names_on(cpu());
}

Cpu lowered_to(std::string_view isa) {
  for (const Level& level : levels())
    if (level.name == isa) return cpu() & level.keeps;
  return cpu();
}

std::vector<std::string> cpu_features() {
  std::vector<std::string> names;
  setting();  // lowers what cpuinfo tells
  if (!cpuinfo_initialize()) return names;
  for (const Reported& f : kReported)
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
