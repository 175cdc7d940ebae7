// Weights and biases of a quantized graph, set anew with what real samples show.
#include <algorithm>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"
#include "quant/pipeline.hpp"
#include "quant/runner.hpp"
#include "quant/weight_rounding.hpp"

namespace octet {
namespace {

constexpr int64_t kRefineSamples = 128;

// The scales of a site's weights, one per output channel.
std::vector<double> channel_scales(const Value& weights, int64_t channels) {
  std::vector<double> scale;
  for (int64_t c = 0; c < channels; ++c)
    scale.push_back(static_cast<double>(weights.quant.at(static_cast<size_t>(c)).scale));
  return scale;
}

void shift_bias(Value& bias, const std::vector<double>& lack) {
  if (bias.dtype == DType::float32) {
    const auto old = bias.constant.as<float>();
    std::vector<float> b(old.begin(), old.end());
    for (size_t c = 0; c < b.size(); ++c)
      b[c] = static_cast<float>(static_cast<double>(b[c]) + lack[c]);
    bias.constant = Constant::of(b);
    return;
  }
  const auto old = bias.constant.as<int32_t>();
  std::vector<int32_t> b(old.begin(), old.end());
  for (size_t c = 0; c < b.size(); ++c) {
    const auto scale = static_cast<double>(bias.quant.at(c).scale);
    b[c] = saturate<int32_t>(static_cast<double>(b[c]) + round_even(lack[c] / scale));
  }
  bias.constant = Constant::of(b);
}

// Run samples from all over the data, kRefineSamples at most, through the float model.
Status run_samples(const Model& model, SampleSource& samples, int threads, Tap& tap) {
  const int64_t size = samples.size();
  const int64_t stride = size > kRefineSamples ? size / kRefineSamples : 1;
  Runner runner(model, threads, true);
  std::vector<ConstTensorView> sample;
  OCTET_TRY(samples.rewind());
  for (int64_t i = 0, taken = 0; taken < kRefineSamples; ++i) {
    OCTET_ASSIGN(const bool more, samples.next(sample));
    if (!more) break;
    if (i % stride != 0) continue;
    OCTET_TRY(runner.run(sample, &tap));
    ++taken;
  }
  return {};
}

}  // namespace

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
    const ValueId x = real.input(c->slots.x);
    if (!is_own(s.weights, DType::int8) || x == kNoValue || f.value(x).is_constant()) continue;
    s.real = &f.value(real.input(c->slots.w));
    s.axis = spec->quant.input(c->slots.w).a;
    if (const ValueId b = n.input(c->slots.bias); is_own(b, DType::int32)) s.bias = b;
    s.windows = {x, c->g, g.value(n.input(c->slots.x)).quant.at()};
    sites.push_back(std::move(s));
  }
  return sites;
}

Status refine_weights(const PreparedModel& prepared, Graph& quantized, const std::vector<WeightSite>& sites,
                      const Recipe& recipe, const QuantizeOptions& options) {
  if (sites.empty()) return {};
  std::vector<WatchedWindows> watched;
  for (const WeightSite& s : sites)
    watched.push_back(s.windows);
  const int64_t size = options.samples->size();
  ThreadPool pool(options.threads);
  MomentsTap moments(prepared.model->main().values.size(), watched,
                     size < 0 ? kRefineSamples : std::min(size, kRefineSamples), pool);
  OCTET_TRY(run_samples(*prepared.model, *options.samples, options.threads, moments));
  for (size_t i = 0; i < sites.size(); ++i) {
    const WeightSite& s = sites[i];
    const WindowMoments& m = moments[i];
    if (m.windows == 0) continue;
    Value& weights = quantized.value(s.weights);
    const auto real = s.real->constant.as<float>();
    const std::vector<double> scale = channel_scales(weights, m.g.out_channels);
    const bool shifts = recipe.bias_correction && s.bias != kNoValue;
    if (recipe.rounding == Rounding::compensated)
      weights.constant = Constant::of(compensated_rounding(real, scale, m, shifts, pool));
    if (shifts)
      shift_bias(quantized.value(s.bias), mean_lack(real, weights.constant.as<int8_t>(), scale, m));
  }
  return {};
}

}  // namespace octet
