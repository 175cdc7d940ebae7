// Samples that are kept: a bounded number of them, by their position in the data.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <vector>

#include "octet/status.hpp"
#include "quant/statistics/sample_source.hpp"

namespace octet {

// One tensor of a kept sample. Few different values (a picture has 256) are kept as a table and indices.
struct KeptTensor {
  DType dtype = DType::float32;
  Shape shape;
  std::vector<std::byte> table;  // of `dtype`; empty: `data` holds the elements themselves
  std::vector<std::byte> data;

  static KeptTensor of(const ConstTensorView& view);
  // The elements, into `out`, with room behind them for kernels that read a little further.
  ConstTensorView unpack(std::vector<std::byte>& out) const;
  // Whether what was read from a file is a tensor: sizes fit, indices lie inside the table.
  Status check() const;
};

using SampleSet = std::map<int64_t, std::vector<KeptTensor>>;

// Adds a sample unless it holds NaN or Inf.
void keep_sample(SampleSet& set, int64_t index, const std::vector<ConstTensorView>& sample);

// All samples of some sets in the order of their positions, at most so many.
class KeptSamples final : public SampleSource {
 public:
  explicit KeptSamples(std::initializer_list<const SampleSet*> sets, int64_t most = INT64_MAX);
  Result<bool> next(std::vector<ConstTensorView>& sample) override;
  Status rewind() override {
    at_ = samples_.begin();
    return {};
  }
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  // Position in the data of the sample that next() gave last.
  int64_t index() const { return index_; }

 private:
  std::map<int64_t, const std::vector<KeptTensor>*> samples_;
  std::map<int64_t, const std::vector<KeptTensor>*>::const_iterator at_ = samples_.begin();
  std::vector<std::vector<std::byte>> buffers_;
  int64_t index_ = -1;
};

}  // namespace octet
