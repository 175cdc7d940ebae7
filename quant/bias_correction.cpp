#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "quant/pipeline.hpp"
#include "quant/reals.hpp"
#include "quant/runner.hpp"

namespace octet {
namespace {

// Mean per channel (last axis) of some values of a graph, over samples.
class ChannelMeans final : public Tap {
 public:
  ChannelMeans(const Graph& g, const std::vector<ValueId>& values) : slot_(g.values.size(), -1) {
    for (size_t i = 0; i < values.size(); ++i)
      slot_[static_cast<size_t>(values[i])] = static_cast<int>(i);
    sums_.resize(values.size());
    counts_.resize(values.size(), 0);
  }
  void on_value(ValueId id, const ConstTensorView& view) override {
    const int slot = slot_[static_cast<size_t>(id)];
    if (slot < 0 || view.shape.rank() == 0) return;
    to_reals(view, reals_);
    auto& sums = sums_[static_cast<size_t>(slot)];
    const auto channels = static_cast<size_t>(view.shape[-1]);
    if (channels == 0) return;
    sums.resize(channels, 0.0);
    for (size_t i = 0; i < reals_.size(); ++i)
      sums[i % channels] += static_cast<double>(reals_[i]);
    counts_[static_cast<size_t>(slot)] += static_cast<int64_t>(reals_.size() / channels);
  }
  double mean(size_t slot, size_t channel) const {
    return sums_[slot][channel] / static_cast<double>(std::max<int64_t>(counts_[slot], 1));
  }
  size_t channels(size_t slot) const { return sums_[slot].size(); }

 private:
  std::vector<int> slot_;
  std::vector<std::vector<double>> sums_;
  std::vector<int64_t> counts_;
  std::vector<float> reals_;
};

// An operator with a constant bias and its output, in the float and in the int8 graph.
struct Site {
  ValueId bias = kNoValue;  // in the int8 graph
  ValueId output = kNoValue, float_output = kNoValue;
};

std::vector<Site> find_sites(const Graph& f, const Graph& q) {
  std::map<std::string_view, ValueId> by_name;
  for (size_t i = 0; i < f.values.size(); ++i)
    if (f.values[i].dtype == DType::float32) by_name[f.values[i].name] = static_cast<ValueId>(i);
  const Uses uses = uses_of(q);
  std::vector<Site> sites;
  for (const Node& n : q.nodes) {
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr || n.outputs.size() != 1) continue;
    const QuantRule& rules = quant_rule(*spec, n);
    // Where something lies between the bias and the output, the output's error is not the bias's.
    if (!rules.has_int8 || !spec->inner.empty()) continue;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const ValueId b = n.inputs[i];
      if (b == kNoValue || rules.input(i).kind != TensorRule::Kind::bias) continue;
      if (q.value(b).dtype != DType::int32 || !q.value(b).is_constant()) continue;
      if (uses.consumers[static_cast<size_t>(b)].size() != 1) continue;
      std::string_view name = q.value(n.outputs[0]).name;
      if (!by_name.contains(name) && name.ends_with("_int8")) name.remove_suffix(5);
      if (const auto it = by_name.find(name); it != by_name.end())
        sites.push_back({b, n.outputs[0], it->second});
    }
  }
  return sites;
}

}  // namespace

Status correct_biases(const PreparedModel& prepared, Quantized& q, const QuantizeOptions& options) {
  const Graph& f = prepared.model->main();
  const std::vector<Site> sites = find_sites(f, q.model->main());
  if (sites.empty()) return {};
  std::vector<ValueId> float_outputs, outputs;
  for (const Site& s : sites) {
    float_outputs.push_back(s.float_output);
    outputs.push_back(s.output);
  }
  ChannelMeans want(f, float_outputs), have(q.model->main(), outputs);
  Runner run_float(*prepared.model, options.threads, true), run_int8(*q.model, options.threads, true);
  std::vector<ConstTensorView> sample, converted;
  std::vector<std::vector<std::byte>> storage(f.inputs.size());
  OCTET_TRY(options.samples->rewind());
  for (int64_t i = 0; i < kCorrectionSamples; ++i) {
    OCTET_ASSIGN(const bool more, options.samples->next(sample));
    if (!more) break;
    OCTET_TRY(run_float.run(sample, &want));
    converted.clear();
    for (size_t k = 0; k < sample.size(); ++k) {
      const Value& v = q.model->main().value(q.model->main().inputs[k]);
      OCTET_ASSIGN(const ConstTensorView c, convert(sample[k], v.dtype, v.quant, storage[k]));
      converted.push_back(c);
    }
    OCTET_TRY(run_int8.run(converted, &have));
  }
  Graph& g = q.model->main();
  for (size_t s = 0; s < sites.size(); ++s) {
    Value& bias = g.value(sites[s].bias);
    const auto old = bias.constant.as<int32_t>();
    if (want.channels(s) != old.size() || have.channels(s) != old.size()) continue;
    std::vector<int32_t> shifted(old.begin(), old.end());
    for (size_t c = 0; c < old.size(); ++c) {
      const double error = want.mean(s, c) - have.mean(s, c);
      const auto scale = static_cast<double>(bias.quant.at(c).scale);
      shifted[c] = saturate<int32_t>(static_cast<double>(old[c]) + round_even(error / scale));
    }
    bias.constant = Constant::of(shifted);
  }
  return {};
}

}  // namespace octet
