// The samples on which PyTorch's error was measured. Only some are stored beside a model, but all come from a
// generator that the models' MANIFEST.md documents: SplitMix64, started at the FNV-1a hash of a label.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octet::test {

// A distribution as a model's meta.json writes it: "n" (normal), "('n', mean, sd)", "('u', a, b)" (uniform),
// "('su', a, b)" (uniform with a random sign), "b" (fair booleans: 0 and 1).
std::vector<float> draw(const std::string& label, int64_t count, std::string_view distribution);

// A stack of samples for one graph input.
struct SampleStack {
  std::vector<int64_t> dims;  // samples first, then the input's shape
  bool is_bool = false;
  std::vector<float> values;
};

// `count` evaluation samples of every graph input of the model in `folder`; empty for models whose samples
// are not from the generator (those are stored in full).
std::vector<SampleStack> evaluation_samples(const std::string& folder, int64_t count);

}  // namespace octet::test
