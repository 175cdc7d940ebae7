// Samples for tests of the quantizer: pseudo-random, the same on every machine.
#pragma once

#include <random>
#include <vector>

#include "quant/statistics/gather.hpp"
#include "schema/ir/graph.hpp"

namespace octet::test {

inline ModelData model_of(Graph g) {
  ModelData m;
  m.graphs.push_back(std::move(g));
  return m;
}

// `count` samples of uniform values in [-1, 1), starting with number `first` of an endless sequence.
class RandomSamples final : public SampleSource {
 public:
  RandomSamples(const ModelData& m, int64_t count, int64_t first = 0, float scale = 1)
      : model_(m), count_(count), first_(first), scale_(scale) {}

  Result<bool> next(std::vector<ConstTensorView>& sample) override {
    if (at_ == count_) return false;
    std::mt19937 engine(static_cast<uint32_t>(1000 + first_ + at_++));
    const Graph& g = model_.main();
    data_.resize(g.inputs.size());
    sample.clear();
    for (size_t i = 0; i < g.inputs.size(); ++i) {
      const Value& v = g.value(g.inputs[i]);
      data_[i].resize(static_cast<size_t>(v.shape.elements()));
      for (float& x : data_[i])
        x = scale_ * (static_cast<float>(engine() >> 8) / 8388608.0f - 1.0f);
      sample.push_back({data_[i].data(), DType::float32, v.shape, {}});
    }
    return true;
  }
  Status rewind() override {
    at_ = 0;
    return {};
  }
  int64_t size() const override { return count_; }

 private:
  const ModelData& model_;
  int64_t count_, first_, at_ = 0;
  float scale_;
  std::vector<std::vector<float>> data_;
};

// What `count` random samples say of the values of a model; all of them set ranges.
inline ValueStatistics random_statistics(const ModelData& m, int64_t count, float scale = 1) {
  RandomSamples samples(m, count, 0, scale);
  ValueStatistics values;
  Gatherer gatherer(std::vector<const ModelData*>{&m}, {});
  std::vector<ConstTensorView> sample;
  for (int64_t i = 0; i < count; ++i) {
    (void)samples.next(sample);
    if (!gatherer.run(sample, values).ok()) return {};
  }
  return values;
}

}  // namespace octet::test
