// float16, weight-only and dynamic, for a whole graph or for some operators: what computes stays float, its
// large constants shrink.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <tuple>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/assign/kernel_probe.hpp"
#include "quant/assign/materialize.hpp"
#include "quant/assign/scales.hpp"
#include "quant/pipeline.hpp"
#include "quant/reals.hpp"
#include "quant/weights/weight_rounding.hpp"
#include "schema/core/half.hpp"
#include "schema/core/int4.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

// Below this a constant is not worth the operator that makes it float again.
constexpr int64_t kMinElements = 64;

bool shrinks_to_integers(Scheme s) {
  return s == Scheme::weight_only || s == Scheme::dynamic;
}

// A linear operator's windows and slots; nothing where there are none.
std::optional<linear::Convolution> windows_of(const Graph& g, const Node& n,
                                              const std::vector<Shape>& shapes) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || spec->convolution == nullptr) return std::nullopt;
  auto c = spec->convolution(describe(g, n, shapes).desc(n));
  if (!c.ok() || c->g.empty()) return std::nullopt;
  return *std::move(c);
}

std::vector<Shape> shapes_of(const Graph& g) {
  std::vector<Shape> shapes;
  for (const Value& v : g.values)
    shapes.push_back(v.shape);
  return shapes;
}

class Shrinker {
 public:
  Shrinker(const PreparedModel& prepared, Materialized& m, const Recipe& recipe, const WeightMoments* moments)
      : real_(prepared.model->main()),
        m_(m),
        g_(m.graph),
        recipe_(recipe),
        moments_(moments),
        readers_(uses_of(g_).consumers),
        shapes_(shapes_of(real_)) {}

  std::vector<Finding> run() {
    std::vector<Node> nodes;
    std::vector<NodeId> source;
    nodes.swap(g_.nodes);
    source.swap(m_.source);
    for (size_t k = 0; k < nodes.size(); ++k) {
      Node& n = nodes[k];
      // Conversions and what a clamp was spelled out as hold nothing that is large.
      if (source[k] >= 0) {
        source_ = source[k];
        choice_ = choice_for(recipe_, real_, source_);
        for (size_t i = 0; i < n.inputs.size(); ++i)
          if (const int axis = shrinkable_axis(n, i); axis != kNo) n.inputs[i] = shrink(n, i, axis);
      }
      push(std::move(n), source[k]);
    }
    if (!done_.empty()) drop_unread();
    return std::move(findings_);
  }

 private:
  static constexpr int kNo = -2;  // do not touch; -1: per tensor

  void push(Node n, NodeId source) {
    g_.nodes.push_back(std::move(n));
    m_.source.push_back(source);
  }

  // What was shrunk is still there as it was.
  void drop_unread() {
    std::vector<char> keep_value(g_.values.size(), 0);
    const auto keep = [&](const std::vector<ValueId>& ids) {
      for (ValueId v : ids)
        if (v != kNoValue) keep_value[static_cast<size_t>(v)] = 1;
    };
    keep(g_.inputs);
    keep(g_.outputs);
    for (const Node& n : g_.nodes) {
      keep(n.inputs);
      keep(n.outputs);
      keep(n.intermediates);
    }
    keep_only(g_, keep_value, std::vector<char>(g_.nodes.size(), 1));
  }

  int shrinkable_axis(const Node& n, size_t i) const {
    const ValueId v = n.inputs[i];
    const OpSpec* spec = find_spec(n.kind);
    if (v == kNoValue || spec == nullptr) return kNo;
    const Value& value = g_.value(v);
    if (!value.is_constant() || value.dtype != DType::float32) return kNo;
    if (choice_.scheme == Scheme::float16) return value.shape.elements() < kMinElements ? kNo : -1;
    if (!shrinks_to_integers(choice_.scheme)) return kNo;
    const QuantRule& rules = quant_rule(*spec, n);
    if (!rules.has_int8) return kNo;
    const TensorRule& rule = rules.input(i);
    if (rule.kind != TensorRule::Kind::weights || rule.a >= value.shape.rank()) return kNo;
    // An operator with several weights (LSTM) has them all in one type.
    int64_t size = 0;
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (n.inputs[k] != kNoValue && rules.input(k).kind == TensorRule::Kind::weights)
        size += g_.value(n.inputs[k]).shape.elements();
    if (size < kMinElements) return kNo;
    return choice_.weights.per_channel ? rule.a : -1;
  }

  // How many neighbours share a scale; 0 where this operator does not take blocks, or these weights have
  // none.
  int32_t block_for(const Node& n, size_t i) {
    const int32_t block = choice_.weights.block;
    if (block == 0 || find_spec(n.kind)->blocks_at != static_cast<int>(i)) return 0;
    const Value& w = g_.value(n.inputs[i]);
    std::string why;
    if (w.shape[-1] % block != 0)
      why = fmt::format("its {} inputs are not blocks of {}", w.shape[-1], block);
    else if (const auto values = w.constant.as<float>(); std::any_of(
                 values.begin(), values.end(), [](float x) { return !(std::fabs(x) <= kMostBlockWeight); }))
      why = "its weights are beyond float16";
    if (why.empty()) return block;
    findings_.push_back({node_name(real_, source_), why + "; one scale per channel"});
    return 0;
  }

  // The value that takes the place of input i: the small constant itself where the operator computes with it,
  // else what a DEQUANTIZE makes of it.
  ValueId shrink(const Node& n, size_t i, int axis) {
    const ValueId v = n.inputs[i];
    const Scheme scheme = choice_.scheme;
    const int bits = scheme == Scheme::float16 ? 16 : choice_.weights.bits;
    const int32_t block = bits == 4 ? block_for(n, i) : 0;
    auto& known = done_[{v, axis, bits, block}];
    if (known.first == kNoValue) {
      Value small = g_.value(v);
      if (bits == 16)
        make_half(small);
      else
        make_integers(small, n, i, axis, bits, block);
      known.first = g_.add_value(std::move(small));
    }
    // No format has a DEQUANTIZE of blocks.
    if (block != 0 || (scheme == Scheme::dynamic && takes(n, i, known.first))) return known.first;
    if (known.second == kNoValue) {
      Value real = g_.value(v);
      real.constant = Constant();
      real.name += "_float";
      known.second = g_.add_value(std::move(real));
      Node d;
      d.kind = OpKind::DEQUANTIZE;
      d.inputs = {known.first};
      d.outputs = {known.second};
      // Versions of TFLite's converter: float16 3, int4 6.
      d.version = bits == 16 ? 3 : bits == 4 ? 6 : find_spec(OpKind::DEQUANTIZE)->version_int8;
      push(std::move(d), -1);
    }
    return known.second;
  }

  static void make_half(Value& value) {
    const auto w = value.constant.as<float>();
    std::vector<uint16_t> half(w.size());
    for (size_t k = 0; k < w.size(); ++k)
      half[k] = float_to_half(w[k]);
    value.dtype = DType::float16;
    value.constant = Constant::of(half);
  }

  void make_integers(Value& value, const Node& n, size_t i, int axis, int bits, int32_t block) {
    const Constant real = value.constant;
    const auto w = real.as<float>();
    if (block != 0) {
      value.quant = int4_blocks(w, block);
    } else if (bits == 4) {
      value.quant = int4_quantization(w, value.shape, axis);
    } else {
      std::vector<Affine> params;
      for (float scale : weight_scales(w, value.shape, axis).scale)
        params.push_back({scale, 0});
      value.quant =
          axis < 0 ? Quantization::per_tensor(params[0]) : Quantization::per_channel(axis, std::move(params));
    }
    std::vector<int8_t> q;
    if (bits == 4) {
      q = int4_weights(w, value.shape, value.quant);
    } else {
      const Constant c = quantize_constant(value, value.quant, DType::int8, true);
      q.assign(c.as<int8_t>().begin(), c.as<int8_t>().end());
    }
    if (const WindowMoments* m = moments_of(n, i); m != nullptr) refine(value, n, w, *m, bits, q);
    value.dtype = bits == 4 ? DType::int4 : DType::int8;
    value.constant = bits == 4 ? Constant::of(pack_int4(q)) : Constant::of(q);
  }

  // What this operator, which alone reads these weights, meets in the samples; else null.
  const WindowMoments* moments_of(const Node& n, size_t i) {
    if (moments_ == nullptr || readers_[static_cast<size_t>(n.inputs[i])].size() != 1) return nullptr;
    const auto c = windows_of(real_, real_.nodes[static_cast<size_t>(source_)], shapes_);
    if (!c || c->slots.w != i || real_.nodes[static_cast<size_t>(source_)].kind != n.kind) return nullptr;
    slots_ = c->slots;
    return moments_->of(source_);
  }

  // Integers whose errors cancel on the data, and a bias that takes up the mean of what is left.
  void refine(const Value& value, const Node& n, std::span<const float> w, const WindowMoments& m, int bits,
              std::vector<int8_t>& q) {
    const ValueId b = n.input(slots_.bias);
    const bool has_bias = b != kNoValue && g_.value(b).is_constant() && g_.value(b).dtype == DType::float32 &&
                          readers_[static_cast<size_t>(b)].size() == 1;
    const bool shifts = recipe_.bias_correction && has_bias;
    if (recipe_.rounding == Rounding::compensated)
      q = compensated_rounding(w, {value.quant, value.shape, bits == 4 ? 7.0 : 127.0}, m, shifts,
                               moments_->pool());
    if (!shifts) return;
    std::vector<float> held;
    to_reals({q.data(), DType::int8, value.shape, value.quant}, held);
    std::vector<double> lack = mean_outputs(w, m.real);
    const std::vector<double> have = mean_outputs(held, m.real);
    for (size_t c = 0; c < lack.size(); ++c)
      lack[c] -= have[c];
    g_.value(b).constant = shifted(g_.value(b), lack);
  }

  bool takes(const Node& n, size_t i, ValueId small) {
    Node hybrid = n;
    hybrid.inputs[i] = small;
    return why_no_kernel(g_, hybrid, pool_).empty();
  }

  const Graph& real_;
  Materialized& m_;
  Graph& g_;
  const Recipe& recipe_;
  const WeightMoments* moments_;
  const std::vector<std::vector<NodeId>> readers_;
  const std::vector<Shape> shapes_;  // of the real graph
  ThreadPool pool_{1};
  // Of the node at hand.
  NodeId source_ = -1;
  OperatorChoice choice_;
  linear::Slots slots_;
  struct Ids {
    ValueId first = kNoValue, second = kNoValue;
  };
  std::map<std::tuple<ValueId, int, int, int32_t>, Ids> done_;
  std::vector<Finding> findings_;
};

}  // namespace

Result<std::unique_ptr<WeightMoments>> WeightMoments::gather(const PreparedModel& prepared,
                                                             const Recipe& recipe, CorrectionSamples samples,
                                                             const StepOptions& options) {
  std::unique_ptr<WeightMoments> moments(new WeightMoments(options.threads));
  if (!samples || (recipe.rounding == Rounding::nearest && !recipe.bias_correction))
    return std::unique_ptr<WeightMoments>();
  const Graph& g = prepared.model->main();
  const std::vector<Shape> shapes = shapes_of(g);
  std::vector<WatchedWindows> watched;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    if (!shrinks_to_integers(choice_for(recipe, g, static_cast<NodeId>(i)).scheme)) continue;
    const auto c = windows_of(g, n, shapes);
    if (!c) continue;
    const ValueId x = n.input(c->slots.x), w = n.input(c->slots.w);
    if (x == kNoValue || w == kNoValue || g.value(x).is_constant() || !g.value(w).is_constant() ||
        g.value(x).dtype != DType::float32 || g.value(w).dtype != DType::float32)
      continue;
    moments->index_[static_cast<NodeId>(i)] = watched.size();
    watched.push_back({x, c->g, std::nullopt});
  }
  if (watched.empty()) return std::unique_ptr<WeightMoments>();
  moments->tap_.emplace(g.values.size(), watched, samples.source->size(), moments->pool_);
  OCTET_TRY(watch_samples(*prepared.model, samples, options, *moments->tap_));
  return moments;
}

const WindowMoments* WeightMoments::of(NodeId node) const {
  const auto at = index_.find(node);
  if (at == index_.end()) return nullptr;
  const WindowMoments& m = (*tap_)[at->second];
  return m.real.windows > 0 ? &m : nullptr;
}

std::vector<Finding> shrink_weights(const PreparedModel& prepared, Materialized& m, const Recipe& recipe,
                                    const WeightMoments* moments) {
  return Shrinker(prepared, m, recipe, moments).run();
}

}  // namespace octet
