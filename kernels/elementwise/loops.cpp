// Which element-wise loops a CPU runs, and the portable ones.
#include "kernels/elementwise/loops.hpp"

#include <initializer_list>

namespace octet {
namespace {

// Weakest first.
struct ElementwiseIsa {
  CpuFeature feature;
  void (*add)(ElementwiseLoops&);
};
constexpr std::initializer_list<ElementwiseIsa> kElementwiseIsas = {
#if defined(__x86_64__)
    {CpuFeature::avx2, add_avx2},
    {CpuFeature::avx512, add_avx512},
    {CpuFeature::avx512_vbmi, add_avx512_vbmi},
#elif defined(__aarch64__)
    {CpuFeature::neon, add_neon},
#endif
};

}  // namespace

void look_up_portable(const uint8_t* table, const uint8_t* in, uint8_t* out, size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = table[in[i]];
}

ElementwiseLoops elementwise_loops_of(const Cpu& cpu) {
  ElementwiseLoops loops;
  for (const ElementwiseIsa& isa : kElementwiseIsas)
    if (cpu.has(isa.feature)) isa.add(loops);
  return loops;
}

const ElementwiseLoops& elementwise_loops() {
  static const ElementwiseLoops loops = elementwise_loops_of(cpu());
  return loops;
}

}  // namespace octet
