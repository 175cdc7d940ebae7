// Where samples come from, and the roles that types keep apart: what a figure is measured on must not have
// set what is measured.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

// One sample at a time, so that memory does not grow with their number.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  // The next sample: one view per graph input, of its type and shape, valid until the next call.
  // False when there are no more.
  virtual Result<bool> next(std::vector<ConstTensorView>& sample) = 0;
  // Start again with the first sample.
  virtual Status rewind() = 0;
  // How many there are; -1 when that is not known.
  virtual int64_t size() const { return -1; }
};

// Rounding of weights and biases is corrected on these.
struct CorrectionSamples {
  SampleSource* source = nullptr;
  explicit operator bool() const { return source != nullptr; }
};
// Candidates for the result are compared on these.
struct SelectionSamples {
  SampleSource* source = nullptr;
  explicit operator bool() const { return source != nullptr; }
};
// What is reported is measured on these. Nothing was chosen or set with them.
struct HeldOutSamples {
  SampleSource* source = nullptr;
  explicit operator bool() const { return source != nullptr; }
};

// Called as work goes on: what is being done ("calibrating"), how much of it is done, and how much there is
// (-1: unknown).
using Progress = std::function<void(std::string_view phase, int64_t done, int64_t total)>;

}  // namespace octet
