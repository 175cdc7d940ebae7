// Where samples come from. The quantizer reads them one at a time, so that memory does not grow with their
// number.
//
//   std::vector<octet::ConstTensorView> one = {{pixels, octet::DType::float32, {1, 32, 32, 1}, {}}};
//   octet::MemorySamples samples({one, one});
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

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

// Samples whose memory the program keeps.
class MemorySamples final : public SampleSource {
 public:
  explicit MemorySamples(std::vector<std::vector<ConstTensorView>> samples) : samples_(std::move(samples)) {}
  Result<bool> next(std::vector<ConstTensorView>& sample) override {
    if (at_ == samples_.size()) return false;
    sample = samples_[at_++];
    return true;
  }
  Status rewind() override {
    at_ = 0;
    return {};
  }
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }

 private:
  std::vector<std::vector<ConstTensorView>> samples_;
  size_t at_ = 0;
};

// Roles that types keep apart: what a figure is measured on must not have set what is measured.

// Rounding of weights and biases is corrected on these.
struct CorrectionSamples {
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
