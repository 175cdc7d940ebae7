#include "quant/passes/equalize.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>

#include "graph/linear_op.hpp"
#include "kernels/op_spec.hpp"

namespace octet {
namespace {

// Two linear operators with nothing between them but what commutes with a positive factor per channel.
struct Pair {
  NodeId first, second;
};

std::vector<Pair> find_pairs(GraphEditor& ed) {
  std::vector<Pair> pairs;
  for (size_t i = 0; i < ed.graph().nodes.size(); ++i) {
    const auto first = static_cast<NodeId>(i);
    const auto a = LinearOp::of(ed.graph(), ed.node(first));
    if (!a || !commutes_with_factors(activation_of(ed.node(first).attrs))) continue;
    ValueId v = ed.node(first).outputs[0];
    while (ed.is_exclusive(v)) {
      const NodeId next = ed.consumers(v)[0];
      const Node& n = ed.node(next);
      if (const auto b = LinearOp::of(ed.graph(), n)) {
        if (n.inputs[b->form().x] == v && b->in_channels() == a->out_channels())
          pairs.push_back({first, next});
        break;
      }
      if (!keeps_factors(ed.graph(), n, v)) break;
      v = n.outputs[0];
    }
  }
  return pairs;
}

// The weights of an operator while factors are being found: scaled copies, written back once at the end.
struct Scaled {
  LinearOp op;
  std::vector<float> w;

  // Greatest magnitude per output channel, or per input channel.
  std::vector<double> ranges(bool outputs) const {
    std::vector<double> r(static_cast<size_t>(outputs ? op.out_channels() : op.in_channels()), 0.0);
    for (size_t i = 0; i < w.size(); ++i)
      r[channel(i, outputs)] = std::max(r[channel(i, outputs)], std::fabs(static_cast<double>(w[i])));
    return r;
  }
  void scale(bool outputs, const std::vector<double>& by) {
    for (size_t i = 0; i < w.size(); ++i)
      w[i] = static_cast<float>(static_cast<double>(w[i]) * by[channel(i, outputs)]);
  }
  size_t channel(size_t i, bool outputs) const {
    const auto k = static_cast<int64_t>(i);
    return static_cast<size_t>(outputs ? op.out_channel(k) : op.in_channel(k));
  }
};

// The factors of one step, equation (11) of the paper: after it both ranges are sqrt(r1 r2).
std::vector<double> factors(const Scaled& first, const Scaled& second) {
  // Beyond these a channel is as good as dead: its factor would only blow up rounding errors.
  constexpr double kMin = 1e-4, kMax = 1e4;
  const std::vector<double> r1 = first.ranges(true), r2 = second.ranges(false);
  std::vector<double> s(r1.size(), 1.0);
  for (size_t i = 0; i < s.size(); ++i)
    if (r1[i] > 0 && r2[i] > 0 && std::isfinite(r1[i]) && std::isfinite(r2[i]))
      s[i] = std::clamp(std::sqrt(r1[i] * r2[i]) / r2[i], kMin, kMax);
  return s;
}

std::vector<double> inverse_of(std::vector<double> v) {
  for (double& x : v)
    x = 1 / x;
  return v;
}

}  // namespace

bool commutes_with_factors(const Activation* act) {
  return act == nullptr || act->none() || act->kind == Activation::Kind::relu;
}

bool keeps_factors(const Graph& g, const Node& n, ValueId x) {
  if (!has_trait(n.kind, Trait::homogeneous) || !has_trait(n.kind, Trait::channelwise) ||
      !commutes_with_factors(activation_of(n.attrs)) || n.outputs.size() != 1 || n.inputs[0] != x)
    return false;
  const auto is_fixed = [&](ValueId v) {
    return v == kNoValue || g.value(v).is_constant() || !is_float(g.value(v).dtype);
  };
  if (!std::all_of(n.inputs.begin() + 1, n.inputs.end(), is_fixed)) return false;
  const Value &from = g.value(x), &to = g.value(n.outputs[0]);
  return from.has_rank && to.has_rank && from.shape.rank() > 0 && from.shape.rank() == to.shape.rank() &&
         from.shape[-1] == to.shape[-1];
}

Status equalize(Graph& g, FusionReport& report) {
  constexpr int kMaxSweeps = 40;
  constexpr double kSettled = 0.01;  // of a factor's logarithm
  GraphEditor ed(g);
  const std::vector<Pair> pairs = find_pairs(ed);
  std::map<NodeId, Scaled> weights;
  for (const Pair& p : pairs)
    for (NodeId n : {p.first, p.second})
      if (weights.find(n) == weights.end()) {
        const auto op = LinearOp::of(g, ed.node(n));
        const auto w = op->weights().constant.as<float>();
        weights.emplace(n, Scaled{*op, {w.begin(), w.end()}});
      }
  std::vector<std::vector<double>> total(pairs.size());
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    double change = 0;
    for (size_t p = 0; p < pairs.size(); ++p) {
      Scaled& first = weights.at(pairs[p].first);
      Scaled& second = weights.at(pairs[p].second);
      const std::vector<double> s = factors(first, second);
      first.scale(true, inverse_of(s));
      second.scale(false, s);
      total[p].resize(s.size(), 1.0);
      for (size_t i = 0; i < s.size(); ++i) {
        total[p][i] *= s[i];
        change = std::max(change, std::fabs(std::log(s[i])));
      }
    }
    if (change < kSettled) break;
  }
  for (size_t p = 0; p < pairs.size(); ++p) {
    const bool changed = std::any_of(total[p].begin(), total[p].end(),
                                     [&](double x) { return std::fabs(std::log(x)) >= kSettled; });
    if (!changed) continue;
    const std::vector<double> none(total[p].size(), 0.0);
    // Biases may leave the range of float where no weight does; both halves or none.
    const Node before = ed.node(pairs[p].first);
    if (Status a = scale_and_shift_output(ed, pairs[p].first, inverse_of(total[p]), none); !a.ok()) continue;
    if (Status b = scale_and_shift_input(ed, pairs[p].second, total[p], none); !b.ok()) {
      for (size_t slot = 0; slot < before.inputs.size(); ++slot)
        ed.set_input(pairs[p].first, slot, before.inputs[slot]);
      continue;
    }
    report.entries.push_back(
        {"equalize", fmt::format("{} + {}", node_name(g, pairs[p].first), node_name(g, pairs[p].second))});
  }
  ed.finish();
  return {};
}

}  // namespace octet
