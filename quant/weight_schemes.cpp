// float16, weight-only and dynamic: the graph stays float, its large constants shrink.
#include <fmt/format.h>
#include <map>

#include "kernels/op_spec.hpp"
#include "quant/kernel_probe.hpp"
#include "quant/materialize.hpp"
#include "quant/pipeline.hpp"
#include "quant/scales.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

// Below this a constant is not worth the operator that makes it float again.
constexpr int64_t kSmallest = 64;

class Shrinker {
 public:
  Shrinker(Graph& g, const Recipe& recipe, QuantizeReport& report)
      : g_(g), recipe_(recipe), report_(report) {}

  void run() {
    std::vector<Node> nodes;
    nodes.swap(g_.nodes);
    for (Node& n : nodes) {
      const std::string why = why_not(n);
      bool shrunk = false;
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        const int axis = why.empty() ? shrinkable_axis(n, i) : kNo;
        if (axis == kNo) continue;
        n.inputs[i] = shrink(n, i, axis);
        shrunk = true;
      }
      count(n, shrunk, why);
      g_.nodes.push_back(std::move(n));
    }
  }

 private:
  static constexpr int kNo = -2;  // do not touch; -1: per tensor

  std::string why_not(const Node& n) const {
    const std::string name = n.outputs.empty() || n.outputs[0] == kNoValue ? "" : g_.value(n.outputs[0]).name;
    for (const std::string& pattern : recipe_.keep_float)
      if (glob_match(pattern, name) || glob_match(pattern, name_of(n.kind)))
        return fmt::format("kept in float by '{}'", pattern);
    return {};
  }

  int shrinkable_axis(const Node& n, size_t i) const {
    const ValueId v = n.inputs[i];
    const OpSpec* spec = find_spec(n.kind);
    if (v == kNoValue || spec == nullptr) return kNo;
    const Value& value = g_.value(v);
    if (!value.is_constant() || value.dtype != DType::float32) return kNo;
    if (recipe_.scheme == Scheme::float16) return value.shape.elements() < kSmallest ? kNo : -1;
    const QuantRule& rules = quant_rule(*spec, n);
    if (!rules.has_int8) return kNo;
    const TensorRule& rule = rules.input(i);
    if (rule.kind != TensorRule::Kind::weights || rule.a >= value.shape.rank()) return kNo;
    // An operator with several weights (LSTM) has them all in one type.
    int64_t size = 0;
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (n.inputs[k] != kNoValue && rules.input(k).kind == TensorRule::Kind::weights)
        size += g_.value(n.inputs[k]).shape.elements();
    if (size < kSmallest) return kNo;
    return recipe_.per_channel ? rule.a : -1;
  }

  // The value that takes the place of input i: the small constant itself where the operator computes with it,
  // else what a DEQUANTIZE makes of it.
  ValueId shrink(const Node& n, size_t i, int axis) {
    const ValueId v = n.inputs[i];
    auto& known = done_[{v, axis}];
    if (known.first == kNoValue) {
      Value small = g_.value(v);
      const auto w = small.constant.as<float>();
      if (recipe_.scheme == Scheme::float16) {
        std::vector<uint16_t> half(w.size());
        for (size_t k = 0; k < w.size(); ++k)
          half[k] = float_to_half(w[k]);
        small.dtype = DType::float16;
        small.constant = Constant::of(half);
      } else {
        const WeightScales s = weight_scales(w, small.shape, axis);
        std::vector<Affine> params;
        for (float scale : s.scale)
          params.push_back({scale, 0});
        small.quant =
            axis < 0 ? Quantization::per_tensor(params[0]) : Quantization::per_channel(axis, params);
        small.constant = quantize_constant(small, small.quant, DType::int8, true);
        small.dtype = DType::int8;
      }
      known.first = g_.add_value(std::move(small));
    }
    if (recipe_.scheme == Scheme::dynamic && takes(n, i, known.first)) return known.first;
    if (known.second == kNoValue) {
      Value real = g_.value(v);
      real.constant = Constant();
      real.name += "_float";
      known.second = g_.add_value(std::move(real));
      Node d;
      d.kind = OpKind::DEQUANTIZE;
      d.inputs = {known.first};
      d.outputs = {known.second};
      d.version = recipe_.scheme == Scheme::float16 ? 3 : find_spec(OpKind::DEQUANTIZE)->version_int8;
      g_.nodes.push_back(std::move(d));
    }
    return known.second;
  }

  bool takes(const Node& n, size_t i, ValueId small) {
    Node hybrid = n;
    hybrid.inputs[i] = small;
    return why_no_kernel(g_, hybrid, pool_).empty();
  }

  void count(const Node& n, bool shrunk, const std::string& why) {
    bool real = false;
    for (const auto* ids : {&n.inputs, &n.outputs})
      for (ValueId v : *ids)
        real = real || (v != kNoValue && is_float(g_.value(v).dtype));
    if (!real) {
      ++report_.ops_other;
    } else {
      bool hybrid = false;
      for (ValueId v : n.inputs)
        hybrid = hybrid || (v != kNoValue && g_.value(v).dtype == DType::int8);
      ++(hybrid ? report_.ops_int8 : report_.ops_float);
    }
    if (!shrunk && !why.empty())
      report_.fallback.push_back({n.outputs.empty() ? "" : g_.value(n.outputs[0]).name,
                                  std::string(name_of(n.kind)), DType::float32, why});
  }

  Graph& g_;
  const Recipe& recipe_;
  QuantizeReport& report_;
  ThreadPool pool_{1};
  struct Ids {
    ValueId first = kNoValue, second = kNoValue;
  };
  std::map<std::pair<ValueId, int>, Ids> done_;
};

}  // namespace

Result<QuantizeResult> quantize_weights(const PreparedModel& prepared, const Recipe& recipe) {
  QuantizeResult result;
  auto model = std::make_shared<Model>(*prepared.model);
  // Everything float: materialize() only spells out what no file format has a code for.
  Assignment none;
  none.nodes.resize(model->main().nodes.size());
  none.values.resize(model->main().values.size());
  none.types.assign(none.values.size(), DType::float32);
  OCTET_ASSIGN(Materialized m, materialize(model->main(), none, Io::keep));
  model->main() = std::move(m.graph);
  Shrinker(model->main(), recipe, result.report).run();
  remove_dead(model->main());
  model->path.clear();
  model->file_bytes = 0;
  if (auto status = validate(*model); !status.ok())
    return Status::internal("the converted graph is wrong: " + status.message());
  result.model = std::move(model);
  return result;
}

}  // namespace octet
