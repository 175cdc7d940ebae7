// Damage to files, reproducible from a seed.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace octet::test {

// One to four random changes: bytes, words of interesting values, copied stretches, lost ends.
std::vector<std::byte> mutated(const std::vector<std::byte>& original, std::mt19937& random);

}  // namespace octet::test
