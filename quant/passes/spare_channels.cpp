#include "quant/passes/spare_channels.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <optional>

#include "graph/linear_op.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// An input has to be larger than this to wake up a channel that counts as dead or constant.
constexpr double kMaxInput = 1e4;
constexpr double kSteps = 255;

// first -> [depthwise] -> last, each the only reader of the one before it, zero padding aside.
struct Chain {
  NodeId first = -1, depthwise = -1, last = -1;
  bool padded = false;  // between the depthwise convolution and the last operator, or in the latter
};

// Every output channel sees every input channel.
bool mixes_all(const LinearOp& op) {
  return op.form().in_axis >= 0 && !op.form().transposed &&
         op.weights().shape[op.form().in_axis] == op.in_channels();
}

// The activation's clamp; nothing for other functions.
std::optional<RealRange> clamp_of(const Node& n) {
  const Activation* act = activation_of(n.attrs);
  if (act == nullptr) return RealRange{};
  if (act->kind == Activation::Kind::tanh || act->kind == Activation::Kind::sign_bit) return std::nullopt;
  return range_of(*act);
}

// 0 to something finite: the step of its quantization is known before any data.
bool is_bounded_from_zero(const Node& n) {
  const auto r = clamp_of(n);
  return r && r->lo == 0 && std::isfinite(r->hi);
}

std::optional<Chain> chain_from(const GraphEditor& ed, NodeId first) {
  const auto a = LinearOp::of(ed.graph(), ed.node(first));
  if (!a || !mixes_all(*a)) return std::nullopt;
  Chain c;
  c.first = first;
  ValueId v = ed.node(first).outputs[0];
  while (ed.is_exclusive(v)) {
    const NodeId next = ed.consumers(v)[0];
    const Node& n = ed.node(next);
    if (n.kind == OpKind::PAD && n.inputs[0] == v) {
      c.padded = true;
      v = n.outputs[0];
      continue;
    }
    const auto op = LinearOp::of(ed.graph(), n);
    if (!op || n.inputs[op->form().x] != v || op->in_channels() != a->out_channels()) break;
    if (mixes_all(*op)) {
      c.last = next;
      c.padded = c.padded || !op->is_unpadded();
      return c;
    }
    if (op->form().in_axis >= 0 || c.depthwise >= 0 || op->out_channels() != op->in_channels() ||
        !clamp_of(n))
      break;
    c.depthwise = next;
    c.padded = false;
    v = n.outputs[0];
  }
  return std::nullopt;
}

// Weights and biases of an operator while they change.
struct Parameters {
  LinearOp op;
  std::vector<double> w, b;

  explicit Parameters(const LinearOp& o) : op(o), b(static_cast<size_t>(o.out_channels()), 0.0) {
    const auto weights = op.weights().constant.as<float>();
    w.assign(weights.begin(), weights.end());
    if (op.bias() != nullptr) {
      const auto bias = op.bias()->constant.as<float>();
      b.assign(bias.begin(), bias.end());
    }
  }
  size_t out(size_t i) const { return static_cast<size_t>(op.out_channel(static_cast<int64_t>(i))); }
  size_t in(size_t i) const { return static_cast<size_t>(op.in_channel(static_cast<int64_t>(i))); }
  // Per output channel, the sum of f(weight).
  template <class F>
  std::vector<double> sums(const F& f) const {
    std::vector<double> s(static_cast<size_t>(op.out_channels()), 0.0);
    for (size_t i = 0; i < w.size(); ++i)
      s[out(i)] += f(w[i]);
    return s;
  }
  void copy_output(size_t from, size_t to) {
    std::vector<double> row;
    for (size_t i = 0; i < w.size(); ++i)
      if (out(i) == from) row.push_back(w[i]);
    for (size_t i = 0, k = 0; i < w.size(); ++i)
      if (out(i) == to) w[i] = row[k++];
    b[to] = b[from];
  }
  bool fits() const {
    const auto finite = [](double x) { return std::isfinite(static_cast<float>(x)); };
    return std::all_of(w.begin(), w.end(), finite) && std::all_of(b.begin(), b.end(), finite);
  }
};

double square(double x) {
  return x * x;
}

// The spare channels that copy each channel. The error of n copies that lie 1/n step apart is 1/n of one's,
// so every spare channel goes where gain / n^2 is greatest. `gain`: how much of a channel's noise arrives.
std::vector<std::vector<size_t>> copies_of(const std::vector<double>& gain,
                                           const std::vector<size_t>& spare) {
  std::vector<std::vector<size_t>> copies(gain.size());
  for (size_t d : spare) {
    size_t best = 0;
    double most = -1;
    for (size_t k = 0; k < gain.size(); ++k)
      if (const double g = gain[k] / square(static_cast<double>(copies[k].size() + 1)); g > most)
        best = k, most = g;
    if (most <= 0) break;
    copies[best].push_back(d);
  }
  return copies;
}

// How much of the noise of each channel between the chain's operators arrives, up to a common factor.
// `onward`: the same for the channels that the last operator makes; empty where it isn't known.
std::vector<double> gain_of(const GraphEditor& ed, const Chain& c, const std::vector<double>& onward) {
  const Parameters last(*LinearOp::of(ed.graph(), ed.node(c.last)));
  std::vector<double> gain(static_cast<size_t>(last.op.in_channels()), 0.0);
  for (size_t i = 0; i < last.w.size(); ++i)
    gain[last.in(i)] += square(last.w[i]) * (onward.empty() ? 1 : onward[last.out(i)]);
  if (c.depthwise >= 0) {
    const auto taps = Parameters(*LinearOp::of(ed.graph(), ed.node(c.depthwise))).sums(square);
    for (size_t k = 0; k < gain.size(); ++k)
      gain[k] *= taps[k];
  }
  const double most = *std::max_element(gain.begin(), gain.end());
  if (most > 0)
    for (double& g : gain)
      g /= most;
  return gain;
}

Status use_spare_channels_of(GraphEditor& ed, const Chain& c, std::vector<double> gain,
                             FusionReport& report) {
  Parameters first(*LinearOp::of(ed.graph(), ed.node(c.first)));
  Parameters last(*LinearOp::of(ed.graph(), ed.node(c.last)));
  std::optional<Parameters> middle;
  if (c.depthwise >= 0) middle.emplace(*LinearOp::of(ed.graph(), ed.node(c.depthwise)));
  const auto top = static_cast<double>(clamp_of(ed.node(c.first))->hi);
  const auto magnitude = [](double w) { return std::fabs(w); };
  const std::vector<double> reach = first.sums(magnitude);

  const auto activated = [&](double v) {
    if (!middle) return v;
    const RealRange r = *clamp_of(ed.node(c.depthwise));
    return std::clamp(v, static_cast<double>(r.lo), static_cast<double>(r.hi));
  };
  std::vector<size_t> spare;
  for (size_t k = 0; k < gain.size(); ++k) {
    const double most = reach[k] * kMaxInput;
    if (most > top / kSteps) continue;
    gain[k] = 0;  // constant: nothing rounds
    // What such a channel contributes where the depthwise convolution has a bias: a constant, which moves on
    // into the last bias unless padding takes it away at the border.
    if (first.b[k] + most <= 0 && (!middle || !c.padded || activated(middle->b[k]) == 0)) spare.push_back(k);
  }
  const auto copies = copies_of(gain, spare);
  size_t used = 0;
  const std::vector<double> taps = middle ? middle->sums([](double w) { return w; }) : std::vector<double>();
  for (size_t k = 0; k < copies.size(); ++k) {
    if (copies[k].empty()) continue;
    const auto n = static_cast<double>(copies[k].size() + 1);
    used += copies[k].size();
    std::vector<size_t> all = copies[k];
    all.push_back(k);
    for (size_t d : copies[k]) {
      for (size_t i = 0; i < last.w.size(); ++i)
        if (last.in(i) == d && middle) last.b[last.out(i)] += last.w[i] * activated(middle->b[d]);
      first.copy_output(k, d);
      if (middle) middle->copy_output(k, d);
    }
    // Their offsets add up to nothing at the last operator, at the border too.
    for (size_t j = 0; j < all.size(); ++j) {
      const double offset = ((static_cast<double>(j) + 0.5) / n - 0.5) * top / kSteps;
      first.b[all[j]] += offset;
      if (middle) middle->b[all[j]] -= offset * taps[k];
    }
    std::vector<double> row;
    for (size_t i = 0; i < last.w.size(); ++i)
      if (last.in(i) == k) row.push_back(last.w[i] / n);
    for (size_t d : all)
      for (size_t i = 0, r = 0; i < last.w.size(); ++i)
        if (last.in(i) == d) last.w[i] = row[r++];
  }
  if (used == 0 || !first.fits() || !last.fits() || (middle && !middle->fits())) return {};
  OCTET_TRY(set_parameters(ed, c.first, first.w, first.b));
  if (middle) OCTET_TRY(set_parameters(ed, c.depthwise, middle->w, middle->b));
  OCTET_TRY(set_parameters(ed, c.last, last.w, last.b));
  report.entries.push_back(
      {"spare_channels", fmt::format("{}: {} of {}", node_name(ed.graph(), c.first), used, gain.size())});
  return {};
}

}  // namespace

Result<FusionReport> use_spare_channels(Graph& g) {
  GraphEditor ed(g);
  FusionReport report;
  std::vector<Chain> chains;
  std::map<NodeId, std::vector<double>> gains;  // by the chain's first operator
  for (size_t i = g.nodes.size(); i-- > 0;)
    if (const auto chain = chain_from(ed, static_cast<NodeId>(i))) {
      chains.push_back(*chain);
      gains[chain->first] = gain_of(ed, *chain, gains[chain->last]);
    }
  for (const Chain& c : chains)
    if (is_bounded_from_zero(ed.node(c.first)))
      OCTET_TRY(use_spare_channels_of(ed, c, std::move(gains[c.first]), report));
  ed.finish();
  return report;
}

}  // namespace octet
