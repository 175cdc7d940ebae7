// What the processor can do, in words, for reports.
#pragma once

#include <string>
#include <vector>

namespace octet {

// Names of the instruction sets that matter to the kernels and that this CPU has ("avx2", "avx512vnni",
// "neon", "dotprod", "i8mm"), weakest first.
std::vector<std::string> cpu_features();
// The CPU's name, as far as it is known.
std::string cpu_name();
// "x86-64", "aarch64", "armhf".
std::string cpu_architecture();
// The pinned snapshot of XNNPACK: it has no version numbers.
std::string xnnpack_version();

}  // namespace octet
