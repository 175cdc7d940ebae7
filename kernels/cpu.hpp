// What the processor can do: one set of features, read once. Whatever chooses code by instruction set asks
// it.
//
// The environment variable OCTET_ISA lowers the set to one of isa_names(), for tests and comparisons: Octet's
// own kernels and XNNPACK's alike then run as on a CPU that has nothing beyond that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "octet/status.hpp"

namespace octet {

enum class CpuFeature : uint8_t {
  sse41,
  avx2,         // and FMA
  avx_vnni,     // products of bytes in 256 bits
  avx512,       // F, BW, DQ and VL
  avx512_vnni,  // products of bytes in 512 bits
  avx512_vbmi,  // permutations of bytes
  neon,
  neon_dot,
  i8mm,
};

// The instruction sets that element loops are compiled for (kernels/vector_loop.hpp).
enum class LoopIsa : uint8_t { base, avx2, avx512, neon };

class Cpu {
 public:
  bool has(CpuFeature f) const { return (bits_ >> static_cast<unsigned>(f) & 1) != 0; }
  Cpu with(CpuFeature f) const { return Cpu(bits_ | 1U << static_cast<unsigned>(f)); }
  Cpu operator&(const Cpu& other) const { return Cpu(bits_ & other.bits_); }
  bool operator==(const Cpu&) const = default;
  LoopIsa loops() const {
    return has(CpuFeature::avx512) ? LoopIsa::avx512
           : has(CpuFeature::avx2) ? LoopIsa::avx2
           : has(CpuFeature::neon) ? LoopIsa::neon
                                   : LoopIsa::base;
  }

  Cpu() = default;

 private:
  explicit Cpu(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

// This CPU, lowered by OCTET_ISA.
const Cpu& cpu();
// An error when OCTET_ISA names no instruction set (Code::invalid) or one that this CPU does not have
// (Code::unsupported); cpu() is not lowered then. Plans are not made with such a setting.
Status cpu_status();
// What OCTET_ISA may be on this CPU, lowered as it is, weakest first.
std::vector<std::string_view> isa_names();
// cpu() as one of isa_names() would lower it.
Cpu lowered_to(std::string_view isa);

// Names of the instruction sets that matter to the kernels and that are used here ("avx2", "avx512vnni",
// "neon", "dotprod", "i8mm"), weakest first: for reports.
std::vector<std::string> cpu_features();
// The CPU's name, as far as it is known.
std::string cpu_name();
// "x86-64", "aarch64", "armhf".
std::string cpu_architecture();
// The pinned snapshot of XNNPACK: it has no version numbers.
std::string xnnpack_version();

}  // namespace octet
