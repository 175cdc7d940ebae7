#include "quant/assign/joined_outputs.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/op_spec.hpp"

namespace octet {
namespace {

using enum OpKind;

// Pieces whose reach differs by more than this would lose three of their eight bits and more.
constexpr double kApart = 8;

double reach_of(const Range& r) {
  return std::max(std::fabs(static_cast<double>(r.min)), std::fabs(static_cast<double>(r.max)));
}

bool is_moving(const Graph& g, ValueId v) {
  return v != kNoValue && g.value(v).dtype == DType::float32 && !g.value(v).is_constant();
}

std::vector<ValueId> moving_inputs(const Graph& g, const Node& n) {
  std::vector<ValueId> moving;
  for (ValueId v : n.inputs)
    if (is_moving(g, v)) moving.push_back(v);
  return moving;
}

// By how much factors per column differ; 1 where there is one number.
double spread_of(const Value& constant) {
  if (constant.dtype != DType::float32) return 1;
  double least = INFINITY, most = 0;
  for (const float x : constant.constant.as<float>()) {
    const auto magnitude = static_cast<double>(std::fabs(x));
    if (magnitude == 0 || !std::isfinite(magnitude)) continue;
    least = std::min(least, magnitude);
    most = std::max(most, magnitude);
  }
  return most > least ? most / least : 1;
}

// What stands at the end of a network and computes nothing that integers are needed for.
class Tail {
 public:
  Tail(const Graph& g, const Uses& uses, ValueId output) : g_(g), uses_(uses) {
    for (ValueId v : g.outputs)
      outputs_.insert(v);
    follow(output);
  }
  const std::vector<NodeId>& operators() const { return operators_; }
  const std::vector<ValueId>& leaves() const { return leaves_; }
  double spread() const { return spread_; }

 private:
  void follow(ValueId v) {
    std::vector<ValueId> pending{v};
    std::set<ValueId> seen;
    while (!pending.empty()) {
      const ValueId at = pending.back();
      pending.pop_back();
      if (!seen.insert(at).second) continue;
      const NodeId n = uses_.producer[static_cast<size_t>(at)];
      if (n < 0 || !belongs(n) || read_elsewhere(at)) {
        leaves_.push_back(at);
        continue;
      }
      operators_.push_back(n);
      const std::vector<ValueId> in = moving_inputs(g_, g_.nodes[static_cast<size_t>(n)]);
      pending.insert(pending.end(), in.begin(), in.end());
    }
  }
  // Others than the operators found so far read it.
  bool read_elsewhere(ValueId v) const {
    return std::ranges::any_of(uses_.consumers[static_cast<size_t>(v)], [&](NodeId n) {
      return std::ranges::find(operators_, n) == operators_.end();
    });
  }
  bool belongs(NodeId id) {
    const Node& n = g_.nodes[static_cast<size_t>(id)];
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr || n.outputs.size() != 1 || n.outputs[0] == kNoValue) return false;
    if (const Activation* act = activation_of(n.attrs); act != nullptr && !act->none()) return false;
    const auto moving = moving_inputs(g_, n).size();
    if (n.kind == CONCATENATION || n.kind == PACK || n.kind == DYNAMIC_UPDATE_SLICE) return moving > 0;
    if (spec->traits.has(Trait::moves)) return moving == 1;
    // Pieces in zeros, added.
    if (n.kind == ADD && moving == 2)
      return std::ranges::all_of(n.inputs, [&](ValueId v) { return is_padded(v); });
    if (const Value* factors = factors_of_channels(*spec, n)) {
      spread_ = std::max(spread_, spread_of(*factors));
      return moving == 1;
    }
    if (!spec->traits.has(Trait::scales) && !spec->traits.has(Trait::shifts)) return false;
    if (moving != 1 || n.inputs.size() != 2) return false;
    for (ValueId v : n.inputs)
      if (g_.value(v).is_constant() && spec->traits.has(Trait::scales))
        spread_ = std::max(spread_, spread_of(g_.value(v)));
    return true;
  }
  // The weights of a depthwise convolution of one pixel: a factor for each channel.
  const Value* factors_of_channels(const OpSpec& spec, const Node& n) const {
    if (!spec.linear || spec.linear->in_axis >= 0) return nullptr;
    const Value& w = g_.value(n.inputs[spec.linear->weights]);
    const int axis = spec.linear->out_axis;
    if (!w.is_constant() || w.dtype != DType::float32 || axis >= w.shape.rank()) return nullptr;
    return w.shape.elements() == w.shape[axis] ? &w : nullptr;
  }
  bool is_padded(ValueId v) const {
    const NodeId n = uses_.producer[static_cast<size_t>(v)];
    return n >= 0 && g_.nodes[static_cast<size_t>(n)].kind == PAD;
  }

  const Graph& g_;
  const Uses& uses_;
  std::set<ValueId> outputs_;
  std::vector<NodeId> operators_;
  std::vector<ValueId> leaves_;
  double spread_ = 1;
};

}  // namespace

std::vector<JoinedOutput> joined_outputs(const Graph& g, const std::function<Range(ValueId)>& range) {
  std::vector<JoinedOutput> found;
  const Uses uses = uses_of(g);
  for (const ValueId output : g.outputs) {
    if (!is_moving(g, output)) continue;
    const Tail tail(g, uses, output);
    if (tail.operators().empty()) continue;
    double least = INFINITY, most = 0;
    for (const ValueId v : tail.leaves()) {
      const double reach = reach_of(range(v));
      if (reach == 0) continue;
      least = std::min(least, reach);
      most = std::max(most, reach);
    }
    // A shift or a factor behind the pieces may take them apart, too.
    const double whole = reach_of(range(output));
    const bool apart = most > kApart * least || tail.spread() > kApart ||
                       (tail.leaves().size() > 1 && std::max(whole, most) > kApart * least);
    if (apart) found.push_back({output, tail.operators()});
  }
  return found;
}

}  // namespace octet
