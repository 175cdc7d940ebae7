// Which sample of a data set serves what.
#pragma once

#include <cstdint>
#include <vector>

namespace octet {

enum class SampleRole : uint8_t {
  range,     // sets ranges, and nothing else
  correct,   // sets ranges; weights and biases are corrected on it
  select,    // sets ranges; candidates for the result are compared on it
  held_out,  // the result is measured on it
};

// A fixed function of a sample's number and of how many there are, so that shards of a data set agree.
// Samples of each role are spread evenly over the data, which may be sorted.
class SamplePlan {
 public:
  static constexpr int64_t kMaxCorrect = 256, kMaxSelect = 32, kMaxHeldOut = 128;

  // `total`: -1 when it is not known. `sample_bytes`: of one sample; those that are kept fit into a budget.
  // `hold_out`: false when the user has other data to measure on.
  static SamplePlan of(int64_t total, int64_t sample_bytes, bool hold_out = true);
  SampleRole role(int64_t index) const;

 private:
  SampleRole role_in_stream(int64_t index) const;

  bool stream_ = false;
  int64_t correct_ = kMaxCorrect, select_ = kMaxSelect, held_out_ = kMaxHeldOut;
  std::vector<int64_t> correct_at_, select_at_, held_out_at_;  // ascending
};

}  // namespace octet
