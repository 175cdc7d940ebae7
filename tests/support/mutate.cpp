#include "tests/support/mutate.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace octet::test {

std::vector<std::byte> mutated(const std::vector<std::byte>& original, std::mt19937& random) {
  static constexpr uint32_t kWords[] = {0,          1,          2,          4,          8,
                                        0xff,       0x100,      0x7fff,     0xffff,     0x10000,
                                        0x00ffffff, 0x7fffffff, 0x80000000, 0xfffffffc, 0xfffffffe,
                                        0xffffffff, 0x7f800000, 0x7fc00000};
  std::vector<std::byte> bytes = original;
  auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  const size_t changes = 1 + below(4);
  for (size_t i = 0; i < changes && bytes.size() > 8; ++i) {
    const size_t at = below(bytes.size());
    switch (below(8)) {
      case 0: bytes[at] = static_cast<std::byte>(random()); break;
      case 1: bytes[at] ^= static_cast<std::byte>(1u << below(8)); break;
      case 2:
      case 3:
      case 4: {  // mostly words: nearly everything in the format is one
        const size_t word = at & ~size_t{3};
        uint32_t v = kWords[below(std::size(kWords))];
        if (below(3) == 0) {
          std::memcpy(&v, bytes.data() + word, std::min<size_t>(4, bytes.size() - word));
          v += static_cast<uint32_t>(below(9)) - 4;
        }
        std::memcpy(bytes.data() + word, &v, std::min<size_t>(4, bytes.size() - word));
        break;
      }
      case 5: {
        const size_t from = below(bytes.size()),
                     n = std::min({below(64), bytes.size() - from, bytes.size() - at});
        std::memmove(bytes.data() + at, bytes.data() + from, n);
        break;
      }
      case 6: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{}); break;
      default:
        if (below(8) == 0) bytes.resize(at);
        break;
    }
  }
  return bytes;
}

}  // namespace octet::test
