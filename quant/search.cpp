#include "quant/search.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "octet/try.hpp"
#include "quant/measure/sensitivity.hpp"

namespace octet {
namespace {

// Integer nodes by the noise they add: the drop from the worst of a node's inputs to its output, in dB, the
// worst first. With `keep_borders` none that reads an input or writes an output of the graph.
std::vector<NodeId> by_harm(const Candidate& c, bool keep_borders) {
  const Graph& g = c.prepared.graph();
  const GraphAssignment& a = c.quantized.assignment;
  std::set<ValueId> borders;
  if (keep_borders)
    for (const auto* list : {&g.inputs, &g.outputs})
      borders.insert(list->begin(), list->end());
  const auto is_border = [&](ValueId v) { return borders.contains(v); };
  std::map<std::string_view, double> db;
  for (const TensorError& e : c.error->layers)
    db[e.name] = e.sqnr_db;
  const auto of = [&](ValueId v) {
    if (v == kNoValue || g.value(v).is_constant()) return kExactDb;
    const auto it = db.find(g.value(v).name);
    return it == db.end() ? kExactDb : it->second;
  };
  std::vector<std::pair<double, NodeId>> nodes;
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const Node& node = g.nodes[n];
    if (a.nodes[n].kind != NodeForm::Kind::integer || std::ranges::any_of(node.inputs, is_border) ||
        std::ranges::any_of(node.outputs, is_border))
      continue;
    constexpr double kBestOf8Bits = 60;
    double in = kBestOf8Bits, out = kExactDb;
    for (ValueId v : node.inputs)
      in = std::min(in, of(v));
    for (ValueId v : node.outputs)
      out = std::min(out, of(v));
    // Noise that this node added, weighed by how bad its output has become.
    nodes.emplace_back(std::max(in - out, 0.0) + std::max(40 - out, 0.0) / 4, static_cast<NodeId>(n));
  }
  std::ranges::stable_sort(nodes, std::greater(), [](const auto& p) { return p.first; });
  std::vector<NodeId> order;
  for (const auto& [_, n] : nodes)
    order.push_back(n);
  return order;
}

// The promotions in their order, taken a few at a time.
class Promotions {
 public:
  Promotions(const Candidate& start, std::string reason, SelectionSamples samples, const StepOptions& options)
      : reason_(std::move(reason)), samples_(samples), options_(options) {
    to_int16_ = start.recipe.scheme == Scheme::int8 && start.recipe.raise_to == RaiseTo::int16;
  }

  // Empty when nothing is left.
  Result<std::vector<TypeOverride>> next(const Candidate& c, const TargetFigure& figure) {
    std::vector<TypeOverride> more;
    if (to_int16_) {
      if (!ranked_) {
        OCTET_ASSIGN(ranked_,
                     rank_activations(c.prepared, c.quantized.assignment, c.recipe, samples_, options_));
      }
      for (const NoisyActivation& n : take_next(figure))
        for (NodeId node : n.nodes)
          more.push_back({node, DType::int16, "promoted to int16 " + reason_});
      if (!more.empty()) return more;
    }
    // In float there are no integer inputs and outputs.
    const std::vector<NodeId> order = by_harm(c, c.recipe.io != Io::keep);
    for (size_t i = 0; i < std::min(batch_, order.size()); ++i)
      more.push_back({order[i], DType::float32, "kept in float " + reason_});
    batch_ *= 2;
    return more;
  }

 private:
  std::vector<NoisyActivation> take_next(const TargetFigure& figure) {
    if (figure.excess_share > 0) return take(*ranked_, 1, 1 - figure.excess_share);
    const size_t count = std::min(int16_batch_, ranked_->size());
    int16_batch_ *= 2;
    std::vector<NoisyActivation> taken(ranked_->begin(), ranked_->begin() + static_cast<ptrdiff_t>(count));
    ranked_->erase(ranked_->begin(), ranked_->begin() + static_cast<ptrdiff_t>(count));
    return taken;
  }

  std::string reason_;
  SelectionSamples samples_;
  const StepOptions& options_;
  bool to_int16_ = false;
  size_t batch_ = 1, int16_batch_ = 1;
  std::optional<std::vector<NoisyActivation>> ranked_;
};

// The fewest of the last step's promotions that still meet the target.
Result<SearchResult> shorten(SearchResult found, const std::vector<TypeOverride>& before,
                             const std::vector<TypeOverride>& step, const TargetFunction& target,
                             const MakeCandidate& make) {
  size_t misses = 0, meets = step.size();
  while (meets - misses > 1) {
    const size_t middle = misses + (meets - misses) / 2;
    std::vector<TypeOverride> some = before;
    some.insert(some.end(), step.begin(), step.begin() + static_cast<ptrdiff_t>(middle));
    OCTET_ASSIGN(Candidate c, make(some));
    OCTET_ASSIGN(const TargetFigure figure, target(c));
    if (figure.met) {
      meets = middle;
      found.candidate = std::move(c);
    } else {
      misses = middle;
    }
  }
  return found;
}

}  // namespace

TargetFunction sqnr_target(double db, SampleSource& samples, const StepOptions& options) {
  return [db, &samples, options](const Candidate& c) -> Result<TargetFigure> {
    CompareOptions how;
    how.threads = options.threads;
    how.custom_ops = options.custom_ops;
    OCTET_ASSIGN(const Comparison error,
                 compare(c.prepared.reference_model(), *c.quantized.model, samples, how));
    const double have = error.worst.sqnr_db;
    return TargetFigure{have >= db, have >= db ? 0 : 1 - std::pow(10, (have - db) / 10), -have};
  };
}

TargetFunction loss_target(const LossLimit& limit, std::optional<double>& last) {
  return [&limit, &last](const Candidate& c) -> Result<TargetFigure> {
    OCTET_ASSIGN(last, limit.loss(c.quantized.model));
    return TargetFigure{*last <= limit.limit, 0, *last};
  };
}

Result<SearchResult> search(Candidate start, const TargetFunction& target, const std::string& reason,
                            const MakeCandidate& make, SelectionSamples samples, const StepOptions& options) {
  Promotions promotions(start, reason, samples, options);
  std::vector<TypeOverride> overrides = start.quantized.overrides;
  SearchResult best{std::move(start), false};
  OCTET_ASSIGN(TargetFigure figure, target(best.candidate));
  double least = figure.badness;
  if (figure.met) return SearchResult{std::move(best.candidate), true};
  Candidate current = best.candidate;
  for (int64_t step = 0;; ++step) {
    if (options.progress) options.progress("promoting operators", step, -1);
    OCTET_ASSIGN(const std::vector<TypeOverride> more, promotions.next(current, figure));
    if (more.empty()) return best;
    const std::vector<TypeOverride> before = overrides;
    overrides.insert(overrides.end(), more.begin(), more.end());
    OCTET_ASSIGN(current, make(overrides));
    OCTET_ASSIGN(figure, target(current));
    if (figure.met) return shorten({std::move(current), true}, before, more, target, make);
    // What is promoted may, once in a while, be worse.
    if (figure.badness < least) {
      least = figure.badness;
      best.candidate = current;
    }
  }
}

}  // namespace octet
