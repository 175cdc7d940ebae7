#include "quant/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "graph/rewriter.hpp"
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/assign/materialize.hpp"
#include "quant/measure/sensitivity.hpp"
#include "quant/passes/channel_balance.hpp"
#include "quant/passes/equalize.hpp"
#include "quant/passes/round_once.hpp"
#include "quant/passes/spare_channels.hpp"
#include "quant/passes/unroll.hpp"
#include "quant/pipeline.hpp"
#include "quant/reals.hpp"
#include "quant/verify.hpp"
#include "schema/flatbuffer/format.hpp"

namespace octet {
namespace {

Status refuse_quantized(const Graph& g) {
  for (const Value& v : g.values)
    if (!v.is_constant() && !v.quant.empty() && !is_float(v.dtype) && v.dtype != DType::int32 &&
        v.dtype != DType::int64)
      return Status::invalid(fmt::format("is quantized already: tensor '{}' is {} with scale {:g}", v.name,
                                         name_of(v.dtype), v.quant.scale()));
  return {};
}

// Weights that are int8 or int4 next to float activations (a dynamic-range model) become the floats they
// stand for, so that the operators can become int8 as a whole. Rounded again to their own scale they are what
// they were.
void widen_hybrid_weights(Graph& g) {
  std::map<ValueId, ValueId> wide;
  for (Node& n : g.nodes) {
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr || n.outputs.empty() || n.outputs[0] == kNoValue ||
        g.value(n.outputs[0]).dtype != DType::float32)
      continue;
    const QuantRule& rules = quant_rule(*spec, n);
    for (size_t i = 0; rules.has_int8 && i < n.inputs.size(); ++i) {
      const ValueId v = n.inputs[i];
      if (v == kNoValue || rules.input(i).kind != TensorRule::Kind::weights) continue;
      const bool narrow = g.value(v).dtype == DType::int8 || g.value(v).dtype == DType::int4;
      if (!g.value(v).is_constant() || !narrow || g.value(v).quant.empty()) continue;
      const auto [at, fresh] = wide.try_emplace(v, kNoValue);
      if (fresh) {
        Value real = g.value(v);
        std::vector<float> reals;
        to_reals(real.view(), reals);
        real.dtype = DType::float32;
        real.quant = {};
        real.constant = Constant::of(reals);
        at->second = g.add_value(std::move(real));
      }
      n.inputs[i] = at->second;
    }
  }
  remove_dead(g);
}

// Equalization is worth it when it changes the ratio of two channels' ranges by this factor or more.
constexpr double kMostImbalance = 10;

// By how much more one channel was rescaled than another, at most: over all constants that differ.
double imbalance(const Graph& before, const Graph& after) {
  std::map<std::string_view, const Value*> old;
  for (const Value& v : before.values)
    if (v.is_constant() && v.dtype == DType::float32) old[v.name] = &v;
  double most = 1;
  for (const Value& v : after.values) {
    const auto it = old.find(v.name);
    if (it == old.end() || !v.is_constant() || v.dtype != DType::float32 || v.shape != it->second->shape)
      continue;
    const auto a = it->second->constant.as<float>(), b = v.constant.as<float>();
    double lo = 1, hi = 1;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] == 0 || b[i] == 0) continue;
      const double ratio = std::fabs(static_cast<double>(b[i]) / static_cast<double>(a[i]));
      lo = std::min(lo, ratio);
      hi = std::max(hi, ratio);
    }
    most = std::max(most, hi / lo);
  }
  return most;
}

Result<int64_t> bytes_of(const ModelData& m) {
  OCTET_ASSIGN(const auto bytes, serialize(m));
  return static_cast<int64_t>(bytes.size());
}

int64_t constant_bytes(const ModelData& m) {
  int64_t n = 0;
  for (const Graph& g : m.graphs)
    for (const Value& v : g.values)
      n += static_cast<int64_t>(v.constant.bytes().size());
  return n;
}

int64_t first_measured(const SampleSource& samples, int64_t most) {
  return samples.size() > most ? samples.size() - most : 0;
}

}  // namespace

Result<Comparison> measure(const PreparedModel& prepared, const ModelData& quantized,
                           const QuantizeOptions& o) {
  CompareOptions c;
  c.threads = o.threads;
  c.custom_ops = o.custom_ops;
  c.layers = true;
  c.first = first_measured(*o.samples, o.max_measured);
  c.count = o.max_measured;
  const ModelData& real = prepared.reference ? *prepared.reference : *prepared.model;
  return compare(real, quantized, *o.samples, c);
}

namespace {

void describe(const Graph& g, const Assignment& a, QuantizeReport& report) {
  report.ops_int8 = report.ops_int16 = report.ops_float = report.ops_other = 0;
  report.fallback.clear();
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const NodeForm& f = a.nodes[n];
    if (f.kind == NodeForm::Kind::integer) ++(f.type == DType::int16 ? report.ops_int16 : report.ops_int8);
    if (f.kind == NodeForm::Kind::untouched) ++report.ops_other;
    if (f.kind == NodeForm::Kind::floating) ++report.ops_float;
    if (f.reason.empty()) continue;
    report.fallback.push_back({node_name(g, static_cast<NodeId>(n)), std::string(name_of(g.nodes[n].kind)),
                               f.kind == NodeForm::Kind::floating ? DType::float32 : f.type, f.reason});
  }
  report.findings = a.findings;
}

// The integer node that loses most: the drop from the worst of its inputs to its output, in dB.
// With `keep_borders` none that reads an input or writes an output of the graph.
NodeId most_harmful(const Graph& g, const Assignment& a, const Comparison& error, bool keep_borders) {
  std::set<ValueId> borders;
  if (keep_borders)
    for (const auto* list : {&g.inputs, &g.outputs})
      borders.insert(list->begin(), list->end());
  const auto is_border = [&](ValueId v) { return borders.contains(v); };
  std::map<std::string_view, double> db;
  for (const TensorError& e : error.layers)
    db[e.name] = e.sqnr_db;
  auto of = [&](ValueId v) {
    if (v == kNoValue || g.value(v).is_constant()) return kExactDb;
    const auto it = db.find(g.value(v).name);
    return it == db.end() ? kExactDb : it->second;
  };
  NodeId worst = -1;
  double most = -1;
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    if (a.nodes[n].kind != NodeForm::Kind::integer) continue;
    if (std::ranges::any_of(g.nodes[n].inputs, is_border) ||
        std::ranges::any_of(g.nodes[n].outputs, is_border))
      continue;
    double in = 60, out = kExactDb;  // 60 dB: what 8 bits can at best hold
    for (ValueId v : g.nodes[n].inputs)
      in = std::min(in, of(v));
    for (ValueId v : g.nodes[n].outputs)
      out = std::min(out, of(v));
    // Noise this node added, weighed by how bad its output has become.
    const double harm = std::max(in - out, 0.0) + std::max(40 - out, 0.0) / 4;
    if (harm > most) {
      most = harm;
      worst = static_cast<NodeId>(n);
    }
  }
  return worst;
}

// What to raise next so that the outputs come closer to the recipe's target.
class Raises {
 public:
  Raises(const PreparedModel& prepared, const Recipe& recipe, const QuantizeOptions& options)
      : prepared_(prepared), recipe_(recipe), options_(options) {}

  // Empty when there is nothing left.
  Result<std::vector<Forced>> next(const Assignment& a, const Comparison& error) {
    const std::string why =
        fmt::format("to reach {:g} dB (it was {:.1f} dB)", recipe_.min_sqnr_db, error.sqnr_db);
    std::vector<Forced> raised;
    if (recipe_.scheme == Scheme::int8 && recipe_.raise_to == RaiseTo::int16) {
      if (!ranked_) {
        OCTET_ASSIGN(ranked_, rank_activations(prepared_, a, recipe_, options_));
      }
      const double now = std::pow(10, -error.sqnr_db / 10), wanted = std::pow(10, -recipe_.min_sqnr_db / 10);
      for (const NoisyActivation& n : take(*ranked_, now, wanted))
        for (NodeId node : n.nodes)
          raised.push_back({node, DType::int16, "has 16-bit activations " + why});
      if (!raised.empty()) return raised;
    }
    // In float there are no integer inputs and outputs.
    const bool keep_borders = recipe_.io != Io::keep;
    if (const NodeId worst = most_harmful(prepared_.model->main(), a, error, keep_borders); worst >= 0)
      raised.push_back({worst, DType::float32, "kept in float " + why});
    return raised;
  }

 private:
  const PreparedModel& prepared_;
  const Recipe& recipe_;
  const QuantizeOptions& options_;
  std::optional<std::vector<NoisyActivation>> ranked_;
};

// Set weights and biases anew with what the samples show, and keep that if the output is the better for it.
Status try_refinement(const PreparedModel& prepared, std::shared_ptr<ModelData>& quantized,
                      const std::vector<WeightSite>& sites, const Recipe& recipe,
                      const QuantizeOptions& options, Comparison& error) {
  if (sites.empty() || (recipe.rounding == Rounding::nearest && !recipe.bias_correction)) return {};
  auto refined = std::make_shared<ModelData>(*quantized);
  OCTET_TRY(refine_weights(prepared, refined->main(), sites, recipe, options));
  OCTET_ASSIGN(Comparison after, measure(prepared, *refined, options));
  if (merit(prepared, after) <= merit(prepared, error)) return {};
  quantized = std::move(refined);
  error = std::move(after);
  return {};
}

Result<QuantizeResult> quantize_integer(const PreparedModel& prepared, const Calibration& calibration,
                                        const Recipe& recipe, const QuantizeOptions& options) {
  const Graph& g = prepared.model->main();
  if (calibration.fingerprint() != fingerprint_of(g))
    return Status::invalid("the statistics were taken from another model, or with another recipe");
  QuantizeResult result, best;
  std::vector<Forced> forced = options.forced;
  Raises raises(prepared, recipe, options);
  OCTET_ASSIGN(const auto moments, WeightMoments::gather(prepared, recipe, options));
  for (;;) {
    OCTET_ASSIGN(Quantized q, quantize_once(prepared, calibration, recipe, forced, moments.get()));
    if (options.samples != nullptr) {
      OCTET_ASSIGN(result.report.error, measure(prepared, *q.model, options));
      OCTET_TRY(try_refinement(prepared, q.model, weight_sites(prepared, q), recipe, options,
                               *result.report.error));
    }
    result.model = std::move(q.model);
    describe(g, q.assignment, result.report);
    if (recipe.min_sqnr_db <= 0 || !result.report.error || result.report.error->sqnr_db >= recipe.min_sqnr_db)
      return result;
    // What is raised may, once in a while, be worse.
    if (!best.report.error || result.report.error->sqnr_db > best.report.error->sqnr_db) best = result;
    OCTET_ASSIGN(const std::vector<Forced> more, raises.next(q.assignment, *result.report.error));
    if (more.empty()) break;
    forced = std::move(q.forced);
    forced.insert(forced.end(), more.begin(), more.end());
  }
  best.report.findings.push_back({"the outputs", fmt::format("don't reach {:g} dB", recipe.min_sqnr_db)});
  return best;
}

}  // namespace

Result<PreparedModel> prepare(const ModelData& source, const Recipe& recipe) {
  if (source.graphs.empty()) return Status::invalid("has no graph");
  OCTET_TRY(recipe.check().at("the recipe"));
  for (const Graph& g : source.graphs)
    OCTET_TRY(check_required(g));
  OCTET_TRY(refuse_quantized(source.main()));
  auto model = std::make_shared<ModelData>(source);
  FusionReport report;
  NodeMarks int16_activations;
  const bool integer = is_integer(recipe.scheme);
  if (integer) {
    auto keep = [&](const Graph& graph, NodeId n) {
      return !is_integer(choice_for(recipe, graph, n).scheme);
    };
    OCTET_ASSIGN(report, unroll(*model, keep, int16_activations));
  }
  Graph& g = model->main();
  if (integer) widen_hybrid_weights(g);
  OCTET_ASSIGN(const FusionReport fused, fuse(g, &int16_activations));
  report.append(fused);
  if (integer) {
    OCTET_ASSIGN(const FusionReport channels, round_once(g, int16_activations));
    report.append(channels);
  }
  bool equalized_graph = false;
  if (recipe.scheme == Scheme::int8 && recipe.equalize) {
    // Small corrections gain nothing and move error from weights to activations: all or nothing.
    Graph equalized = g;
    FusionReport pairs;
    OCTET_TRY(equalize(equalized, pairs));
    if (imbalance(g, equalized) >= kMostImbalance) {
      g = std::move(equalized);
      equalized_graph = true;
      report.append(pairs);
    }
  }
  if (recipe.scheme == Scheme::int8 && recipe.spare_channels) {
    OCTET_ASSIGN(const FusionReport spare, use_spare_channels(g));
    report.append(spare);
  }
  PreparedModel prepared;
  prepared.input_bytes = source.file_bytes;
  if (prepared.input_bytes == 0) {
    // A graph that was never in a file may hold what no file can say.
    const auto bytes = bytes_of(source);
    prepared.input_bytes = bytes.ok() ? *bytes : constant_bytes(source);
  }
  prepared.equalized = equalized_graph;
  prepared.fusions = report.counts();
  prepared.fusion_text = report.to_string();
  prepared.model = std::move(model);
  prepared.int16_activations = std::move(int16_activations);
  return prepared;
}

double merit(const PreparedModel& prepared, const Comparison& error) {
  const Graph& g = prepared.model->main();
  std::map<std::string_view, double> db;
  for (const TensorError& e : error.layers)
    if (e.real) db[e.name] = e.sqnr_db;
  const Uses uses = uses_of(g);
  double sum = 0, count = 0;
  for (size_t i = 0; i < g.outputs.size() && i < error.outputs.size(); ++i) {
    if (!error.outputs[i].real) continue;
    double v = error.outputs[i].sqnr_db;
    const NodeId n = uses.producer[static_cast<size_t>(g.outputs[i])];
    if (n >= 0) {
      const Node& last = g.nodes[static_cast<size_t>(n)];
      const bool squashes =
          last.kind == OpKind::SOFTMAX || last.kind == OpKind::LOG_SOFTMAX || last.kind == OpKind::LOGISTIC;
      if (const auto it = db.find(g.value(last.inputs[0]).name); squashes && it != db.end()) v = it->second;
    }
    sum += v;
    count += 1;
  }
  return count > 0 ? sum / count : error.sqnr_db;
}

Result<QuantizeResult> quantize(const PreparedModel& prepared, const Calibration& calibration,
                                const Recipe& recipe, const QuantizeOptions& options) {
  OCTET_TRY(recipe.check().at("the recipe"));
  OCTET_TRY(check_operators(recipe, prepared.model->main()).at("the recipe"));
  Result<QuantizeResult> result = Status::internal("no scheme");
  switch (recipe.scheme) {
    case Scheme::int8:
    case Scheme::int16x8: result = quantize_integer(prepared, calibration, recipe, options); break;
    case Scheme::weight_only:
    case Scheme::float16:
    case Scheme::dynamic:
    case Scheme::floating: result = quantize_weights(prepared, recipe, options); break;
  }
  if (!result.ok()) return result;
  QuantizeReport& report = result->report;
  report.fusions = prepared.fusions;
  report.fusion_text = prepared.fusion_text;
  OCTET_ASSIGN(report.output_bytes, bytes_of(*result->model));
  report.input_bytes = prepared.input_bytes;
  return result;
}

Result<QuantizeRun> quantize_better(const ModelData& source, PreparedModel prepared, const Recipe& recipe,
                                    const QuantizeSteps& steps) {
  const auto attempt = [&](PreparedModel p, const Recipe& r) -> Result<QuantizeRun> {
    OCTET_ASSIGN(Calibration statistics, steps.calibrate(p));
    OCTET_ASSIGN(QuantizeResult result, steps.finish(p, statistics, r));
    return QuantizeRun{r, std::move(p), std::move(statistics), std::move(result)};
  };
  // A target is for the best of them.
  Recipe plainly = recipe;
  plainly.min_sqnr_db = 0;
  OCTET_ASSIGN(QuantizeRun best, attempt(std::move(prepared), plainly));
  if (!best.result.report.error) return best;
  const auto keep_better = [&](QuantizeRun other) {
    if (other.result.report.error &&
        merit(other.prepared, *other.result.report.error) > merit(best.prepared, *best.result.report.error))
      best = std::move(other);
  };
  if (best.prepared.equalized) {
    Recipe without = plainly;
    without.equalize = false;
    OCTET_ASSIGN(PreparedModel plain, prepare(source, without));
    OCTET_ASSIGN(QuantizeRun other, attempt(std::move(plain), without));
    keep_better(std::move(other));
  }
  if (steps.balance && recipe.scheme == Scheme::int8 && recipe.balance) {
    OCTET_ASSIGN(PreparedModel balanced, steps.balance(best.prepared));
    if (balanced.model != best.prepared.model) {
      OCTET_ASSIGN(QuantizeRun other, attempt(std::move(balanced), best.recipe));
      keep_better(std::move(other));
    }
  }
  best.recipe.min_sqnr_db = recipe.min_sqnr_db;
  if (is_integer(recipe.scheme) && recipe.min_sqnr_db > 0 &&
      best.result.report.error->sqnr_db < recipe.min_sqnr_db) {
    OCTET_ASSIGN(best.result, steps.finish(best.prepared, best.calibration, best.recipe));
  }
  return best;
}

Result<QuantizeResult> quantize(const ModelData& source, SampleSource& samples, const Recipe& recipe,
                                const QuantizeOptions& options) {
  QuantizeOptions measured = options;
  measured.samples = &samples;
  measured.forced.clear();  // nobody knows the prepared model yet
  QuantizeSteps steps;
  steps.balance = [&](const PreparedModel& prepared) { return balance(prepared, measured); };
  steps.calibrate = [&](const PreparedModel& prepared) -> Result<Calibration> {
    if (!is_integer(recipe.scheme)) return Calibration();
    OCTET_TRY(samples.rewind());
    return calibrate(*prepared.model, samples,
                     {.observer = recipe.observer,
                      .threads = options.threads,
                      .progress = options.progress,
                      .custom_ops = options.custom_ops});
  };
  steps.finish = [&](const PreparedModel& prepared, const Calibration& calibration, const Recipe& r) {
    return quantize(prepared, calibration, r, measured);
  };
  OCTET_ASSIGN(PreparedModel prepared, prepare(source, recipe));
  OCTET_ASSIGN(QuantizeRun run, quantize_better(source, std::move(prepared), recipe, steps));
  return std::move(run.result);
}

}  // namespace octet
