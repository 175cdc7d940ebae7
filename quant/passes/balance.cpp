#include "quant/passes/balance.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <set>

#include "graph/linear_op.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"
#include "quant/passes/equalize.hpp"

namespace octet {
namespace {

// Where the channels of one linear operator's output go: values that hold them, the first at channel `first`
// of their last axis, and linear operators that read those.
struct ChannelSpace {
  struct Place {
    ValueId value;
    int64_t first;
  };
  struct Reader {
    NodeId node;
    int64_t first;
  };
  std::vector<Place> places;
  std::vector<Reader> readers;
  RealRange bounds;  // of the operator's activation; infinite, or so far from 0
};

// Of the axis of channels, as the file has it: shapes may be wrong there. 0: none.
int64_t last_extent(const Graph& g, ValueId v) {
  if (v == kNoValue || !g.value(v).has_rank || g.value(v).shape.rank() == 0) return 0;
  return std::max<int64_t>(g.value(v).shape[-1], 0);
}

// A rescaled operator has weights of its own; others that share them would keep a second copy.
bool owns_weights(const GraphEditor& ed, const LinearOp& op, const Node& n) {
  return ed.consumers(n.inputs[op.form().weights]).size() == 1;
}

// Adds where `place` is in the output of a concatenation of channels.
bool follow_concatenation(const Graph& g, const ChannelSpace::Place& place, const Node& n,
                          ChannelSpace& space) {
  const int rank = g.value(place.value).shape.rank();
  const auto* attrs = std::get_if<ConcatAttrs>(&n.attrs);
  if (attrs == nullptr || (attrs->axis < 0 ? attrs->axis + rank : attrs->axis) != rank - 1 ||
      !commutes_with_factors(&attrs->act))
    return false;
  int64_t first = 0;
  for (ValueId in : n.inputs) {
    const int64_t extent = last_extent(g, in);
    if (extent == 0) return false;
    if (in == place.value) space.places.push_back({n.outputs[0], first + place.first});
    first += extent;
  }
  return first == last_extent(g, n.outputs[0]);
}

// Adds where `place` goes through node `c`; false when the node does not commute with factors per channel.
bool follow(const GraphEditor& ed, const ChannelSpace::Place& place, NodeId c, ChannelSpace& space) {
  const Graph& g = ed.graph();
  const Node& n = ed.node(c);
  if (const auto reader = LinearOp::of(g, n)) {
    if (n.inputs[reader->form().x] != place.value || reader->in_channels() != last_extent(g, place.value) ||
        !owns_weights(ed, *reader, n))
      return false;
    space.readers.push_back({c, place.first});
    return true;
  }
  if (n.outputs.size() != 1) return false;
  if (n.kind == OpKind::CONCATENATION) return follow_concatenation(g, place, n, space);
  if (!keeps_factors(g, n, place.value)) return false;
  space.places.push_back({n.outputs[0], place.first});
  return true;
}

std::optional<ChannelSpace> space_of(const GraphEditor& ed, NodeId producer) {
  const Graph& g = ed.graph();
  const Node& p = ed.node(producer);
  const auto op = LinearOp::of(g, p);
  if (!op || last_extent(g, p.outputs[0]) != op->out_channels() || !owns_weights(ed, *op, p))
    return std::nullopt;
  ChannelSpace space;
  if (const Activation* act = activation_of(p.attrs); act != nullptr) {
    space.bounds = range_of(*act);
    const bool clamps = act->kind != Activation::Kind::tanh && act->kind != Activation::Kind::sign_bit;
    if (!clamps || space.bounds.lo > 0 || space.bounds.hi < 0) return std::nullopt;
  }
  constexpr size_t kMaxPlaces = 256;  // concatenations of concatenations multiply them
  space.places.push_back({p.outputs[0], 0});
  for (size_t i = 0; i < space.places.size(); ++i) {
    const ChannelSpace::Place place = space.places[i];
    if (ed.is_graph_output(place.value) || space.places.size() > kMaxPlaces) return std::nullopt;
    const std::vector<NodeId>& all = ed.consumers(place.value);
    for (NodeId c : std::set<NodeId>(all.begin(), all.end()))
      if (!follow(ed, place, c, space)) return std::nullopt;
  }
  if (space.readers.empty()) return std::nullopt;
  return space;
}

std::vector<double> powers(const std::vector<int8_t>& exponents, int sign) {
  std::vector<double> f;
  for (int8_t e : exponents)
    f.push_back(std::exp2(sign * e / kExponentSteps));
  return f;
}

// (Q19) The noise to expect behind the readers of a space whose channels are divided by `by`: that of the
// tensor's integers, and that of the weights' integers. `others`: what channels of other operators hold that
// share a tensor with these.
double expected_noise(const Graph& g, const ChannelSpace& space, const std::vector<ChannelStats>& stats,
                      const RealRange& others, const std::vector<double>& by) {
  double lo = static_cast<double>(others.lo), hi = static_cast<double>(others.hi);
  for (size_t c = 0; c < by.size(); ++c) {
    lo = std::min(lo, stats[c].least / by[c]);
    hi = std::max(hi, stats[c].most / by[c]);
  }
  const double step = (hi - lo) / 255;
  double sum = 0;
  for (const ChannelSpace::Reader& r : space.readers) {
    const auto op = LinearOp::of(g, g.nodes[static_cast<size_t>(r.node)]);
    const auto w = op->weights().constant.as<float>();
    const auto outs = static_cast<size_t>(op->out_channels());
    std::vector<double> most(outs, 0.0), energy(outs, 0.0);  // of weights; of what meets them
    double squares = 0;
    for (size_t i = 0; i < w.size(); ++i) {
      const int64_t c = op->in_channel(static_cast<int64_t>(i)) - r.first;
      const auto o = static_cast<size_t>(op->out_channel(static_cast<int64_t>(i)));
      const bool own = c >= 0 && c < static_cast<int64_t>(by.size());
      const double f = own ? by[static_cast<size_t>(c)] : 1;
      const double scaled = static_cast<double>(w[i]) * f;
      most[o] = std::max(most[o], std::fabs(scaled));
      if (!own) continue;
      // Zeros are exact.
      const ChannelStats& s = stats[static_cast<size_t>(c)];
      squares += scaled * scaled * static_cast<double>(s.nonzero) / static_cast<double>(s.count);
      energy[o] += s.variance() / (f * f);  // a bias takes up the mean
    }
    sum += squares * step * step / 12;
    for (size_t o = 0; o < outs; ++o)
      sum += energy[o] * (most[o] / 127) * (most[o] / 127) / 12;
  }
  return sum;
}

// How far a channel reaches: 1 is where one of the activation's bounds is, or, without bounds, the `greatest`
// range of all channels.
double reach(const ChannelStats& s, const RealRange& bounds, double greatest) {
  const bool above = std::isfinite(bounds.hi) && bounds.hi > 0,
             below = std::isfinite(bounds.lo) && bounds.lo < 0;
  if (!above && !below) return s.range() / greatest;
  return std::max(above ? s.most / static_cast<double>(bounds.hi) : 0,
                  below ? s.least / static_cast<double>(bounds.lo) : 0);
}

// Exponents of a space's channels: their reach to the power of `share`, which ends where those of others do.
std::vector<int8_t> exponents_for(const ChannelSpace& space, const std::vector<ChannelStats>& stats,
                                  const RealRange& others, double share) {
  // A channel that the data hardly showed may hold more elsewhere.
  constexpr double kMaxOctaves = 3;
  double greatest = 0;
  for (const ChannelStats& s : stats)
    greatest = std::max(greatest, s.range());
  // As a whole they may be far below the others.
  constexpr double kMostBelow = 20;
  const auto joint = std::max({greatest, static_cast<double>(others.hi), -static_cast<double>(others.lo)});
  const bool bounded = (std::isfinite(space.bounds.hi) && space.bounds.hi > 0) ||
                       (std::isfinite(space.bounds.lo) && space.bounds.lo < 0);
  const double below = bounded || !(greatest > 0) ? 0 : std::max(std::log2(greatest / joint), -kMostBelow);
  std::vector<int8_t> e(stats.size(), 0);
  for (size_t c = 0; c < e.size(); ++c) {
    const double r = reach(stats[c], space.bounds, greatest);
    if (!(r > 0) || !(r < 1 || below < 0)) continue;
    const double octaves = std::max(std::min(std::log2(r), 0.0), -kMaxOctaves) + below;
    // Rounded up: where there are bounds, nothing seen is cut off.
    e[c] = static_cast<int8_t>(std::ceil(share * kExponentSteps * octaves));
  }
  return e;
}

std::vector<int8_t> best_exponents(const Graph& g, const ChannelSpace& space,
                                   const std::vector<ChannelStats>& stats, const RealRange& others) {
  constexpr double kMinGain = 0.1;  // of the noise
  std::vector<int8_t> best(stats.size(), 0);
  double least = (1 - kMinGain) * expected_noise(g, space, stats, others, powers(best, 1));
  for (const double share : {0.25, 0.5, 0.75, 1.0}) {
    auto e = exponents_for(space, stats, others, share);
    const double noise = expected_noise(g, space, stats, others, powers(e, 1));
    if (!(noise < least)) continue;
    least = noise;
    best = std::move(e);
  }
  return best;
}

Status rescale(GraphEditor& ed, NodeId producer, const ChannelSpace& space, const std::vector<int8_t>& e) {
  OCTET_TRY(scale_and_shift_output(ed, producer, powers(e, -1), std::vector<double>(e.size(), 0.0)));
  const std::vector<double> own = powers(e, 1);
  for (const ChannelSpace::Reader& r : space.readers) {
    const auto channels = static_cast<size_t>(LinearOp::of(ed.graph(), ed.node(r.node))->in_channels());
    std::vector<double> f(channels, 1.0);
    std::copy(own.begin(), own.end(), f.begin() + r.first);
    OCTET_TRY(scale_and_shift_input(ed, r.node, f, std::vector<double>(channels, 0.0)));
  }
  return {};
}

}  // namespace

void ChannelStats::add(float x) {
  const auto v = static_cast<double>(x);
  least = std::min(least, v);
  most = std::max(most, v);
  sum += v;
  squares += v * v;
  ++count;
  nonzero += x != 0;
}

double ChannelStats::range() const {
  return std::max(most, -least);
}

double ChannelStats::variance() const {
  const auto n = static_cast<double>(std::max<int64_t>(count, 1));
  return std::max(squares / n - sum / n * (sum / n), 0.0);
}

std::vector<ValueId> rescalable_values(const Graph& g) {
  Graph copy = g;
  const GraphEditor ed(copy);
  std::vector<ValueId> result;
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (space_of(ed, static_cast<NodeId>(i))) result.push_back(g.nodes[i].outputs[0]);
  return result;
}

namespace {

// Which exponents the channels of a producer's output get; empty: leave it as it is.
using Choice =
    std::function<std::vector<int8_t>(const Graph& balanced, const ChannelSpace& space, ValueId output)>;

// Whose channels share a tensor: those of a concatenation come from several operators.
class Neighbours {
 public:
  Neighbours(const Graph& g, const ChannelStatistics& statistics) : statistics_(statistics) {
    Graph copy = g;
    const GraphEditor ed(copy);
    for (const auto& [output, _] : statistics) {
      const NodeId producer = ed.producer(output);
      const auto space = producer < 0 ? std::nullopt : space_of(ed, producer);
      if (!space) continue;
      for (const ChannelSpace::Place& p : space->places)
        outputs_[p.value].insert(output);
    }
  }
  // What the others hold that share a tensor with the channels of `output`.
  RealRange beside(ValueId output, const ChannelSpace& space) const {
    double lo = 0, hi = 0;
    for (const ChannelSpace::Place& p : space.places) {
      const auto at = outputs_.find(p.value);
      if (at == outputs_.end()) continue;
      for (const ValueId other : at->second) {
        if (other == output) continue;
        for (const ChannelStats& s : statistics_.at(other)) {
          lo = std::min(lo, s.least);
          hi = std::max(hi, s.most);
        }
      }
    }
    return {static_cast<float>(lo), static_cast<float>(hi)};
  }

 private:
  const ChannelStatistics& statistics_;
  std::map<ValueId, std::set<ValueId>> outputs_;
};

// All or nothing: biases may leave the range of float where no weight does.
ChannelExponents rescale_channels(Graph& g, const Choice& choose, FusionReport& report) {
  Graph balanced = g;
  ChannelExponents exponents;
  FusionReport changed;
  GraphEditor ed(balanced);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const auto producer = static_cast<NodeId>(i);
    const auto space = space_of(ed, producer);
    if (!space) continue;
    const ValueId output = g.nodes[i].outputs[0];
    const std::vector<int8_t> e = choose(balanced, *space, output);
    if (static_cast<int64_t>(e.size()) != last_extent(g, output)) continue;
    if (std::all_of(e.begin(), e.end(), [](int8_t x) { return x == 0; })) continue;
    if (!rescale(ed, producer, *space, e).ok()) return {};
    for (const ChannelSpace::Place& p : space->places) {
      std::vector<int8_t>& all = exponents[g.value(p.value).name];
      all.resize(static_cast<size_t>(last_extent(g, p.value)), 0);
      std::copy(e.begin(), e.end(), all.begin() + p.first);
    }
    changed.entries.push_back({"balance", node_name(g, producer)});
  }
  ed.finish();
  g = std::move(balanced);
  report.append(changed);
  return exponents;
}

}  // namespace

ChannelExponents balance_channels(Graph& g, const ChannelStatistics& statistics, FusionReport& report) {
  const Graph before = g;
  const Neighbours neighbours(before, statistics);
  return rescale_channels(
      g,
      [&](const Graph& balanced, const ChannelSpace& space, ValueId output) {
        const auto it = statistics.find(output);
        const bool known = it != statistics.end() && !it->second.empty() && it->second[0].count > 0 &&
                           static_cast<int64_t>(it->second.size()) == last_extent(before, output);
        return known ? best_exponents(balanced, space, it->second, neighbours.beside(output, space))
                     : std::vector<int8_t>();
      },
      report);
}

ChannelExponents balance_channels(Graph& g, const ChannelExponents& exponents, FusionReport& report) {
  const Graph before = g;
  return rescale_channels(
      g,
      [&](const Graph&, const ChannelSpace&, ValueId output) {
        const auto it = exponents.find(before.value(output).name);
        return it == exponents.end() ? std::vector<int8_t>() : it->second;
      },
      report);
}

}  // namespace octet
