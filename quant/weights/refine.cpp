// Corrects weights and biases of a quantized graph on samples.
#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "quant/measure/lockstep.hpp"
#include "quant/pipeline.hpp"
#include "quant/reals.hpp"
#include "quant/statistics/runner.hpp"
#include "quant/weights/weight_rounding.hpp"

namespace octet {
namespace {

constexpr int64_t kLockstepBytes = int64_t{64} << 20;

// The scales of a site's weights, one per output channel.
std::vector<double> channel_scales(const Value& weights, int64_t channels) {
  std::vector<double> scale;
  for (int64_t c = 0; c < channels; ++c)
    scale.push_back(static_cast<double>(weights.quant.at(static_cast<size_t>(c)).scale));
  return scale;
}

std::vector<double> difference(std::vector<double> a, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    a[i] -= b[i];
  return a;
}

// Calls f with the samples, or with so many of them, spread evenly.
template <class F>
Status each_sample(CorrectionSamples samples, int64_t most, const F& f) {
  const int64_t size = samples.source->size();
  std::vector<ConstTensorView> sample;
  OCTET_TRY(samples.source->rewind());
  for (int64_t i = 0;; ++i) {
    OCTET_ASSIGN(const bool more, samples.source->next(sample));
    if (!more) return {};
    const bool passed_over = size > most && (i + 1) * most / size == i * most / size;
    if (!passed_over && std::all_of(sample.begin(), sample.end(), all_finite)) OCTET_TRY(f(sample));
  }
}

// The means of what sites meet in the float graph.
class RealMeans final : public Tap {
 public:
  RealMeans(const std::vector<WeightSite>& sites, ThreadPool& pool) : pool_(pool) {
    for (size_t i = 0; i < sites.size(); ++i) {
      means_.emplace_back(sites[i].windows.g);
      readers_[sites[i].windows.input].push_back(i);
    }
  }
  void on_value(ValueId id, const ConstTensorView& view) override {
    const auto it = readers_.find(id);
    if (it == readers_.end()) return;
    for (size_t i : it->second)
      means_[i].add({view.as<float>(), static_cast<size_t>(view.elements())}, pool_);
  }
  const WindowMeans& operator[](size_t i) const { return means_[i]; }

 private:
  ThreadPool& pool_;
  std::map<ValueId, std::vector<size_t>> readers_;
  std::vector<WindowMeans> means_;
};

// Shift the biases of an integer graph in the order in which they are computed with, each by what its
// operator's mean output lacks when everything before it is integer and corrected already: noise that passes
// a ReLU shifts means, and so do ranges that end early. Does nothing where the graph can't run that way.
Status shift_in_order(const ModelData& real, Graph& g, const std::vector<WeightSite>& sites,
                      CorrectionSamples samples, const StepOptions& options) {
  auto made = Lockstep::create(g, options.threads, options.custom_ops);
  if (made.status().code() == Code::unsupported) return {};
  OCTET_ASSIGN(const std::unique_ptr<Lockstep> lockstep, std::move(made));
  const int64_t capacity = std::max<int64_t>(lockstep->capacity(kLockstepBytes), 1);
  ThreadPool pool(options.threads);
  Runner runner(real, options.threads, true, options.custom_ops);
  RealMeans means(sites, pool);
  std::vector<std::vector<std::byte>> storage(g.inputs.size());
  auto status = each_sample(samples, capacity, [&](const std::vector<ConstTensorView>& sample) -> Status {
    std::vector<ConstTensorView> converted;
    for (size_t i = 0; i < sample.size(); ++i) {
      const Value& v = g.value(g.inputs[i]);
      OCTET_ASSIGN(const ConstTensorView c, convert(sample[i], v.dtype, v.quant, storage[i]));
      converted.push_back(c);
    }
    OCTET_TRY(lockstep->add_sample(converted));
    return runner.run(sample, &means);
  });
  if (status.code() == Code::unsupported) return {};
  OCTET_TRY(std::move(status));
  std::map<ValueId, size_t> site_of;  // by the weights, which no other operator reads
  for (size_t i = 0; i < sites.size(); ++i)
    if (sites[i].bias != kNoValue) site_of[sites[i].weights] = i;
  std::vector<float> reals;
  return lockstep->run([&](NodeId n) {
    const Node& node = lockstep->graph().nodes[static_cast<size_t>(n)];
    const auto site =
        std::find_if(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return site_of.contains(v); });
    if (site == node.inputs.end()) return false;
    const WeightSite& s = sites[site_of[*site]];
    const WindowMeans& m = means[site_of[*site]];
    WindowMeans held(m.g);
    for (size_t k = 0; k < lockstep->samples(); ++k) {
      to_reals(lockstep->value(node.inputs[s.input_slot], k), reals);
      held.add(reals, pool);
    }
    const Value& weights = g.value(s.weights);
    const auto lack = difference(
        mean_outputs(s.real->constant.as<float>(), m),
        mean_outputs(weights.constant.as<int8_t>(), channel_scales(weights, m.g.out_channels), held));
    g.value(s.bias).constant = shifted(g.value(s.bias), lack);
    lockstep->set_constant(s.bias, g.value(s.bias).constant);
    return true;
  });
}

}  // namespace

Constant shifted(const Value& bias, const std::vector<double>& lack) {
  if (bias.dtype == DType::float32) {
    const auto old = bias.constant.as<float>();
    std::vector<float> b(old.begin(), old.end());
    for (size_t c = 0; c < b.size(); ++c)
      if (std::isfinite(lack[c])) b[c] = static_cast<float>(static_cast<double>(b[c]) + lack[c]);
    return Constant::of(b);
  }
  const auto integers = [&]<class T>(std::span<const T> old) {
    std::vector<T> b(old.begin(), old.end());
    for (size_t c = 0; c < b.size(); ++c) {
      if (!std::isfinite(lack[c])) continue;  // an infinite value in the data
      const auto scale = static_cast<double>(bias.quant.at(c).scale);
      b[c] = saturate<T>(static_cast<double>(b[c]) + round_even(lack[c] / scale));
    }
    return Constant::of(b);
  };
  return bias.dtype == DType::int64 ? integers(bias.constant.as<int64_t>())
                                    : integers(bias.constant.as<int32_t>());
}

Status watch_samples(const ModelData& model, CorrectionSamples samples, const StepOptions& options,
                     Tap& tap) {
  Runner runner(model, options.threads, true, options.custom_ops);
  return each_sample(samples, INT64_MAX,
                     [&](const std::vector<ConstTensorView>& sample) { return runner.run(sample, &tap); });
}

std::vector<WeightSite> weight_sites(const PreparedModel& prepared, const Quantized& q) {
  const Graph &f = prepared.model->main(), &g = q.model->main();
  const Uses uses = uses_of(g);
  const auto is_own = [&](ValueId v, DType type) {
    return v != kNoValue && g.value(v).is_constant() && g.value(v).dtype == type &&
           uses.consumers[static_cast<size_t>(v)].size() == 1;
  };
  std::vector<Shape> shapes;
  for (const Value& v : f.values)
    shapes.push_back(v.shape);
  std::vector<WeightSite> sites;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const NodeId source = q.source[i];
    if (source < 0) continue;
    const Node &n = g.nodes[i], &real = f.nodes[static_cast<size_t>(source)];
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr || spec->convolution == nullptr || n.kind != real.kind) continue;
    const auto c = spec->convolution(describe(f, real, shapes).desc(real));
    if (!c.ok() || c->g.empty()) continue;
    WeightSite s;
    s.weights = n.input(c->slots.w);
    const ValueId x = real.input(c->slots.x), w = real.input(c->slots.w);
    if (!is_own(s.weights, DType::int8) || x == kNoValue || f.value(x).is_constant()) continue;
    if (g.value(n.input(c->slots.x)).quant.empty()) continue;  // weights alone are int8
    // Weights that were int8 already, next to float activations, stay what they are.
    if (!f.value(w).is_constant() || f.value(w).dtype != DType::float32) continue;
    s.real = &f.value(w);
    if (const ValueId b = n.input(c->slots.bias); is_own(b, DType::int32) || is_own(b, DType::int64))
      s.bias = b;
    s.input_slot = c->slots.x;
    const Value& held = g.value(n.input(c->slots.x));
    s.windows = {x, c->g, held.quant.at(), held.dtype};
    sites.push_back(std::move(s));
  }
  return sites;
}

Status refine_weights(const PreparedModel& prepared, Graph& quantized, const std::vector<WeightSite>& sites,
                      const Recipe& recipe, CorrectionSamples samples, const StepOptions& options) {
  if (sites.empty()) return {};
  std::vector<WatchedWindows> watched;
  for (const WeightSite& s : sites)
    watched.push_back(s.windows);
  ThreadPool pool(options.threads);
  MomentsTap moments(prepared.graph().values.size(), watched, samples.source->size(), pool);
  OCTET_TRY(watch_samples(*prepared.model, samples, options, moments));
  for (size_t i = 0; i < sites.size(); ++i) {
    const WeightSite& s = sites[i];
    const WindowMoments& m = moments[i];
    if (m.real.windows == 0 || recipe.rounding == Rounding::nearest) continue;
    Value& weights = quantized.value(s.weights);
    weights.constant =
        Constant::of(compensated_rounding(s.real->constant.as<float>(), {weights.quant, weights.shape}, m,
                                          recipe.bias_correction && s.bias != kNoValue, pool));
  }
  if (!recipe.bias_correction) return {};
  return shift_in_order(*prepared.model, quantized, sites, samples, options);
}

}  // namespace octet
