// Operators of bytes by one look-up each.
#include "kernels/elementwise/lookup.hpp"

#include "kernels/elementwise/loops.hpp"

namespace octet {

void look_up(const LookupTable& table, const uint8_t* in, uint8_t* out, size_t n) {
  elementwise_loops().look_up(table.bytes.data(), in, out, n);
}

std::unique_ptr<Kernel> make_lookup_kernel(const LookupTable& table, size_t elements, size_t input) {
  return make_kernel([=](const RunArgs& args) -> Status {
    const auto* in = static_cast<const uint8_t*>(args.in[input]);
    auto* out = static_cast<uint8_t*>(args.out[0]);
    constexpr size_t kLookupGrain = 65536;
    args.pool.for_range(elements, kLookupGrain, [&](size_t begin, size_t end) {
      look_up(table, in + begin, out + begin, end - begin);
    });
    return {};
  });
}

}  // namespace octet
