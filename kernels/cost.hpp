// Estimates of what implementations cost, for OpSpec's tables: picoseconds of one thread for each element or
// multiply-accumulate, as measured on a CPU with AVX512. Only the order within one operator matters.
#pragma once

#include "kernels/cpu.hpp"
#include "kernels/op_spec.hpp"

namespace octet::cost {

template <int picoseconds>
double per_element(const NodeDesc& n, const Cpu&) {
  return picoseconds * static_cast<double>(n.out[0].elements());
}

template <int picoseconds>
double per_mac(const NodeDesc& n, const Cpu&) {
  return picoseconds * static_cast<double>(find_spec(n.kind)->macs(n));
}

}  // namespace octet::cost
