#include "quant/quantize.hpp"

#include <fmt/format.h>

#include "octet/try.hpp"
#include "quant/measure/expected_sqnr.hpp"
#include "quant/passes/channel_balance.hpp"
#include "quant/pipeline.hpp"
#include "quant/portable.hpp"
#include "quant/search.hpp"

namespace octet {
namespace {

// What the search for a result works with.
struct Work {
  const Recipe& recipe;
  const ValueStatistics& values;
  WorkingSamples samples;
  KeptSamples& every;  // of the samples: what there is to work with
  const QuantizeOptions& options;
  StepOptions step;

  Result<Candidate> candidate(const PreparedModel& prepared, const Recipe& r,
                              const GraphStatistics& statistics_of_graph,
                              const std::vector<TypeOverride>& overrides) const {
    if (!is_integer(r.scheme)) return weights_candidate(prepared, r, samples, step);
    return integer_candidate(prepared, statistics_of_graph, r, overrides, samples, step);
  }
};

Result<GraphStatistics> statistics_for(const ValueStatistics& values, const PreparedModel& prepared,
                                       const Recipe& recipe) {
  GraphStatistics of_graph(values, *prepared.model);
  if (is_integer(recipe.scheme) && !of_graph.missing().empty())
    return Status::invalid(fmt::format(
        "the statistics have nothing on tensor '{}': they were gathered from another model or with other "
        "options",
        of_graph.missing()[0]));
  return of_graph;
}

// What values of a model hold on kept samples.
Result<ValueStatistics> values_on(const PreparedModel& prepared, KeptSamples& samples,
                                  const StepOptions& options) {
  const ModelData* graphs[] = {prepared.model.get()};
  Gatherer gatherer(graphs, {options.threads, nullptr, options.custom_ops});
  ValueStatistics values;
  std::vector<ConstTensorView> sample;
  OCTET_TRY(samples.rewind());
  for (;;) {
    OCTET_ASSIGN(const bool more, samples.next(sample));
    if (!more) return values;
    OCTET_TRY(gatherer.run(sample, values));
  }
}

// A candidate, what it was prepared from, and the statistics that others like it are made with.
struct Chosen {
  Candidate candidate;
  PreparedModel unbalanced;
  std::shared_ptr<const ValueStatistics> values;
};

// What the recipe's reader does not have is not tried.
Recipe for_reader(Recipe recipe) {
  if (recipe.reader == Reader::int8_only) recipe.wide = false;
  return recipe;
}

Result<Chosen> choose_candidate(const ModelData& source, const Work& work) {
  OCTET_ASSIGN(std::vector<Variant> variants, variants_of(source, work.recipe));
  std::optional<Chosen> best;
  const std::shared_ptr<const ValueStatistics> all(&work.values, [](const ValueStatistics*) {});
  for (Variant& v : variants) {
    // Without samples there is nothing to choose by.
    if (best && !work.samples.select) break;
    OCTET_TRY(check_operators(v.recipe, v.prepared.graph()).at("the recipe"));
    OCTET_ASSIGN(const GraphStatistics statistics, statistics_for(*all, v.prepared, v.recipe));
    OCTET_ASSIGN(Candidate c, work.candidate(v.prepared, v.recipe, statistics, {}));
    if (!best || is_better(c, best->candidate)) best = Chosen{std::move(c), v.prepared, all};
  }
  if (work.recipe.scheme != Scheme::int8 || !work.recipe.balance || !work.samples.select)
    return *std::move(best);
  OCTET_ASSIGN(const PreparedModel balanced, balance(best->unbalanced, work.samples.correct, work.step));
  if (balanced.model == best->unbalanced.model) return *std::move(best);
  OCTET_ASSIGN(ValueStatistics values, values_on(balanced, work.every, work.step));
  const auto own = std::make_shared<const ValueStatistics>(std::move(values));
  OCTET_ASSIGN(const GraphStatistics statistics, statistics_for(*own, balanced, best->candidate.recipe));
  OCTET_ASSIGN(Candidate c, work.candidate(balanced, best->candidate.recipe, statistics, {}));
  if (is_better(c, best->candidate)) {
    best->candidate = std::move(c);
    best->values = own;
  }
  return *std::move(best);
}

// Promotes operators of the chosen candidate until the targets are met.
Status meet_targets(Chosen& chosen, const Work& work, QuantizeReport& report) {
  const Recipe recipe = chosen.candidate.recipe;
  const PreparedModel prepared = chosen.candidate.prepared;
  const GraphStatistics of_graph(*chosen.values, *prepared.model);
  const MakeCandidate make = [&](const std::vector<TypeOverride>& overrides) {
    return work.candidate(prepared, recipe, of_graph, overrides);
  };
  const auto run = [&](const TargetFunction& target, const std::string& reason) -> Status {
    OCTET_ASSIGN(SearchResult found,
                 search(std::move(chosen.candidate), target, reason, make, work.samples.select, work.step));
    chosen.candidate = std::move(found.candidate);
    report.target_met = report.target_met && found.met;
    return {};
  };
  if (recipe.min_sqnr_db > 0 && is_integer(recipe.scheme) && work.every.size() > 0)
    OCTET_TRY(run(sqnr_target(recipe.min_sqnr_db, work.every, work.step),
                  fmt::format("to reach {:g} dB", recipe.min_sqnr_db)));
  if (work.options.loss.loss) {
    OCTET_TRY(run(loss_target(work.options.loss, report.loss), work.options.loss.reason));
    OCTET_ASSIGN(report.loss, work.options.loss.loss(chosen.candidate.quantized.model));
  }
  return {};
}

// The same with promotions that a search with fewer samples ended with.
Result<Candidate> with_overrides(const Chosen& chosen, const std::vector<TypeOverride>& overrides,
                                 const Work& work) {
  const PreparedModel& prepared = chosen.candidate.prepared;
  return work.candidate(prepared, chosen.candidate.recipe, GraphStatistics(*chosen.values, *prepared.model),
                        overrides);
}

// The result that is handed out: made in the way that was measured, now with the held-out samples, too, for
// data is scarce.
Result<Candidate> make_with_all(const ModelData& source, const StatisticsStore& s, const Candidate& measured,
                                const Recipe& recipe, const QuantizeOptions& options,
                                const StepOptions& step) {
  const auto sets = {&s.kept(SampleRole::correct), &s.kept(SampleRole::select),
                     &s.kept(SampleRole::held_out)};
  KeptSamples every(sets), select({&s.kept(SampleRole::select)});
  KeptSamples correct = options.correction != nullptr ? KeptSamples({options.correction})
                                                      : KeptSamples(sets, SamplePlan::kMaxCorrect);
  const WorkingSamples samples{{correct.size() > 0 ? &correct : nullptr},
                               {select.size() > 0    ? &select
                                : correct.size() > 0 ? &correct
                                                     : nullptr}};
  OCTET_ASSIGN(const ValueStatistics values, merged(s.values(), s.held_out_values()));
  const Work work{recipe, values, samples, every, options, step};
  OCTET_ASSIGN(Chosen chosen, choose_candidate(source, work));
  // Operators keep their numbers from one variant of the weights to the other.
  if (measured.quantized.overrides == chosen.candidate.quantized.overrides)
    return std::move(chosen.candidate);
  return with_overrides(chosen, measured.quantized.overrides, work);
}

// What became of each operator.
void count_operators(const Candidate& c, QuantizeReport& report) {
  const Graph& g = c.prepared.graph();
  const GraphAssignment& a = c.quantized.assignment;
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const NodeForm& f = a.nodes[n];
    if (f.kind == NodeForm::Kind::integer) ++(f.type == DType::int16 ? report.ops_int16 : report.ops_int8);
    if (f.kind == NodeForm::Kind::untouched) ++report.ops_other;
    if (f.kind == NodeForm::Kind::floating) ++report.ops_float;
    if (f.reason.empty()) continue;
    report.fallback.push_back({node_name(g, static_cast<NodeId>(n)), std::string(name_of(g.nodes[n].kind)),
                               f.kind == NodeForm::Kind::floating ? DType::float32 : f.type, f.reason});
  }
}

// The same where weights alone shrink: an operator counts by what its weights are.
void count_shrunk_operators(const Candidate& c, QuantizeReport& report) {
  const Graph &g = c.quantized.model->main(), &real = c.prepared.graph();
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const NodeId source = c.quantized.source[i];
    if (source < 0) continue;
    const Node& n = g.nodes[i];
    bool any_float = false, hybrid = false;
    for (const auto* ids : {&n.inputs, &n.outputs})
      for (ValueId v : *ids)
        any_float = any_float || (v != kNoValue && is_float(g.value(v).dtype));
    for (ValueId v : n.inputs)
      hybrid =
          hybrid || (v != kNoValue && (g.value(v).dtype == DType::int8 || g.value(v).dtype == DType::int4));
    ++(!any_float ? report.ops_other : hybrid ? report.ops_int8 : report.ops_float);
    if (const OperatorChoice choice = choice_for(c.recipe, real, source);
        choice.scheme == Scheme::floating && choice.pattern)
      report.fallback.push_back(
          {node_name(real, source), std::string(name_of(n.kind)), DType::float32, choice.reason()});
  }
}

Status describe(const Candidate& c, const ModelData& file, QuantizeReport& report) {
  if (is_integer(c.recipe.scheme))
    count_operators(c, report);
  else
    count_shrunk_operators(c, report);
  report.findings = c.prepared.findings;
  const std::vector<Finding>& decided = c.quantized.assignment.findings;
  report.findings.insert(report.findings.end(), decided.begin(), decided.end());
  report.findings.insert(report.findings.end(), c.findings.begin(), c.findings.end());
  report.fusions = c.prepared.fusions;
  report.fusion_text = c.prepared.fusion_text;
  report.input_bytes = c.prepared.input_bytes;
  OCTET_ASSIGN(report.output_bytes, file_bytes_of(file));
  report.ops_float_in_file =
      report.ops_float + count_float_operators(file) - count_float_operators(*c.quantized.model);
  for (const std::string& kind : unknown_operators(file, c.recipe.reader))
    report.findings.push_back({kind, fmt::format("{} has no such operator", name_of(c.recipe.reader))});
  return {};
}

// The figures that people see: on samples that nothing was set or chosen with.
Status measure(const Candidate& c, HeldOutSamples samples, const StepOptions& options,
               QuantizeReport& report) {
  OCTET_ASSIGN(report.error, compare_on(c.prepared, *c.quantized.model, *samples.source, options));
  report.measured_on = {report.error->samples, true, report.error->sqnr_db};
  return {};
}

// Where the held-out samples are too few to tell (MATH.md, Q21), the figure is the one to expect of the
// result on unseen samples.
Status expect(const PreparedModel& measured_from, const ModelData& measured, const Candidate& result,
              const StatisticsStore& s, const StepOptions& options, QuantizeReport& report) {
  constexpr double kWellDeterminedDb = 0.5;
  KeptSamples working({&s.kept(SampleRole::correct), &s.kept(SampleRole::select)}),
      held_out({&s.kept(SampleRole::held_out)}),
      all({&s.kept(SampleRole::correct), &s.kept(SampleRole::select), &s.kept(SampleRole::held_out)});
  const ModelData &right = result.prepared.reference_model(), &made = *result.quantized.model;
  const std::optional<ProbabilityGrid> grid = probability_grid(right, made);
  if (!grid) return {};
  OCTET_ASSIGN(std::optional<ScoreErrors> of_result, score_errors(right, made, all, options));
  OCTET_ASSIGN(std::optional<ScoreErrors> on_working,
               score_errors(measured_from.reference_model(), measured, working, options));
  OCTET_ASSIGN(std::optional<ScoreErrors> on_held_out,
               score_errors(measured_from.reference_model(), measured, held_out, options));
  if (!of_result || !on_working || !on_held_out) return {};
  const ExpectedSqnr expected =
      expected_sqnr({*std::move(of_result), *std::move(on_working), *std::move(on_held_out), *grid});
  if (expected.deviation_db > kWellDeterminedDb) report.error->sqnr_db = expected.db;
  return {};
}

// Branches, bodies of loops and whatever else an operator calls is not quantized: it is said, operator by
// operator.
void add_called_graphs(const ModelData& m, QuantizeReport& report) {
  for (size_t i = 1; i < m.graphs.size(); ++i) {
    const bool entered = std::ranges::any_of(
        m.signatures, [&](const Signature& s) { return s.graph == static_cast<int32_t>(i); });
    if (entered) continue;
    const Graph& g = m.graphs[i];
    const int before = report.ops_float;
    for (size_t n = 0; n < g.nodes.size(); ++n)
      if (computes_in_float(g, g.nodes[n])) {
        ++report.ops_float;
        ++report.ops_float_in_file;
        report.fallback.push_back({node_name(g, static_cast<NodeId>(n)), kind_name(g.nodes[n]),
                                   DType::float32, "stands in a graph that an operator calls"});
      }
    if (report.ops_float > before)
      report.findings.push_back(
          {g.name.empty() ? fmt::format("graph {}", i) : g.name,
           fmt::format("{} operators of this called graph stay in float", report.ops_float - before)});
  }
}

// Whether all samples that were kept are one and the same.
Result<bool> are_repeated(KeptSamples& samples) {
  std::vector<ConstTensorView> sample;
  std::vector<std::vector<std::byte>> first;
  OCTET_TRY(samples.rewind());
  for (;;) {
    OCTET_ASSIGN(const bool more, samples.next(sample));
    if (!more) break;
    for (size_t i = 0; i < sample.size(); ++i) {
      const auto* data = static_cast<const std::byte*>(sample[i].data);
      const std::span bytes(data, static_cast<size_t>(sample[i].bytes()));
      if (first.size() < sample.size())
        first.emplace_back(bytes.begin(), bytes.end());
      else if (!std::ranges::equal(bytes, first[i]))
        return false;
    }
  }
  return samples.size() > 1 && !first.empty();
}

// What says that a result is not fit for use, with what to do.
Status add_warnings(const Recipe& recipe, KeptSamples& samples, QuantizeReport& report) {
  constexpr double kPoorDb = 15;
  OCTET_ASSIGN(const bool repeated, are_repeated(samples));
  if (repeated)
    report.findings.push_back({"the data", "is one sample again and again; give samples that differ"});
  const int integers = report.ops_int8 + report.ops_int16;
  if (is_integer(recipe.scheme) && report.ops_float > integers)
    report.findings.push_back(
        {"the result", fmt::format("is mostly float: {} operators of {}; the reasons stand with each of them",
                                   report.ops_float, report.ops_float + integers)});
  if (report.error && report.error->worst.sqnr_db < kPoorDb)
    report.findings.push_back(
        {report.error->worst.output,
         fmt::format(
             "{} has {:.1f} dB, which is little: compare --layers says where it is lost, --min-sqnr or "
             "--max-drop promote operators",
             report.error->worst.part.empty() ? "as a whole" : report.error->worst.part,
             report.error->worst.sqnr_db)});
  return {};
}

void add_target_findings(const Recipe& recipe, const QuantizeOptions& options, QuantizeReport& report) {
  const double db = recipe.min_sqnr_db;
  if (!report.target_met)
    report.findings.push_back(
        {"the outputs", db > 0 ? fmt::format("miss the target of {:g} dB", db)
                               : fmt::format("miss the target: more than {:g} is lost", options.loss.limit)});
  else if (db > 0 && report.measured_on.held_out && report.error->worst.sqnr_db < db)
    report.findings.push_back(
        {"the outputs", fmt::format("reach {:g} dB on the samples of the search, and {:.1f} dB "
                                    "on held-out ones",
                                    db, report.error->worst.sqnr_db)});
}

}  // namespace

Result<QuantizedData> quantize(const ModelData& source, const StatisticsStore& statistics,
                               const Recipe& wanted, const QuantizeOptions& options) {
  OCTET_TRY(wanted.check().at("the recipe"));
  const Recipe recipe = for_reader(wanted);
  if (recipe.observer == "moving-average" && is_integer(recipe.scheme) && !statistics.scope().running)
    return Status::invalid("the statistics have no moving averages; gather them with that observer");
  KeptSamples correct(
      {options.correction != nullptr ? options.correction : &statistics.kept(SampleRole::correct)});
  KeptSamples select({&statistics.kept(SampleRole::select)});
  KeptSamples held_out({&statistics.kept(SampleRole::held_out)});
  KeptSamples every({&statistics.kept(SampleRole::correct), &statistics.kept(SampleRole::select)});
  const StepOptions step{options.threads, options.progress, options.custom_ops};
  WorkingSamples samples{{correct.size() > 0 ? &correct : nullptr}, {select.size() > 0 ? &select : nullptr}};
  // Few samples have to serve for both.
  if (!samples.select && samples.correct) samples.select = {&correct};
  const Work work{recipe, statistics.values(), samples, every, options, step};
  OCTET_ASSIGN(Chosen best, choose_candidate(source, work));
  QuantizedData result;
  OCTET_TRY(meet_targets(best, work, result.report));
  QuantizeReport& report = result.report;
  report.calibration_samples = statistics.samples();
  result.measured = best.candidate.quantized.model;
  if (options.held_out) {
    OCTET_TRY(measure(best.candidate, options.held_out, work.step, report));
  } else if (held_out.size() > 0) {
    OCTET_TRY(measure(best.candidate, {&held_out}, work.step, report));
  } else if (best.candidate.error) {  // all there is was worked with
    report.error = best.candidate.error;
    report.measured_on = {report.error->samples, false, report.error->sqnr_db};
  }
  const PreparedModel measured_from = best.candidate.prepared;
  if (!statistics.held_out_values().empty() || held_out.size() > 0) {
    OCTET_ASSIGN(best.candidate, make_with_all(source, statistics, best.candidate, recipe, options, step));
  }
  if (!options.held_out && held_out.size() > 0)
    OCTET_TRY(expect(measured_from, *result.measured, best.candidate, statistics, step, report));
  OCTET_ASSIGN(result.model, portable_model(best.candidate));
  OCTET_TRY(describe(best.candidate, *result.model, report));
  if (recipe.signature.empty()) add_called_graphs(*result.model, report);
  add_target_findings(recipe, options, report);
  OCTET_TRY(add_warnings(recipe, every, report));
  OCTET_ASSIGN(result.assignment, document_of(best.candidate));
  return result;
}

Result<QuantizedData> result_of(const ModelData& source, AssignmentDocument assignment,
                                HeldOutSamples held_out, const StepOptions& options) {
  QuantizedData result;
  OCTET_ASSIGN(const Candidate c, candidate_of(source, assignment));
  OCTET_ASSIGN(result.model, portable_model(c));
  OCTET_TRY(describe(c, *result.model, result.report));
  if (held_out) OCTET_TRY(measure(c, held_out, options, result.report));
  result.assignment = std::move(assignment);
  return result;
}

Result<StatisticsGatherer> StatisticsGatherer::begin(const ModelData& source, const Recipe& recipe,
                                                     const GatherScope& scope, const GatherOptions& options,
                                                     StatisticsStore so_far) {
  OCTET_ASSIGN(std::vector<Variant> variants, variants_of(source, recipe));
  std::vector<const ModelData*> graphs;
  if (is_integer(recipe.scheme))
    for (const Variant& v : variants)
      graphs.push_back(v.prepared.model.get());
  const StatisticsStore::Scope wanted{scope.total, scope.shard, scope.shards,
                                      recipe.observer == "moving-average"};
  if (so_far.position() == 0)
    so_far.begin(wanted);
  else if (!(so_far.scope() == wanted))
    return Status::invalid(
        "the statistics to resume were gathered from other data, another shard or for another kind of "
        "observer");
  OCTET_ASSIGN(auto pass, StatisticsPass::begin(graphs, scope.hold_out, std::move(so_far), options));
  return StatisticsGatherer(std::move(variants), std::move(pass));
}

Result<StatisticsStore> gather_statistics(const ModelData& source, SampleSource& samples,
                                          const Recipe& recipe, const GatherScope& scope,
                                          const GatherOptions& options, StatisticsStore so_far,
                                          const std::function<Status(const StatisticsStore&)>& checkpoint) {
  GatherScope all = scope;
  if (all.total < 0) all.total = samples.size();
  OCTET_ASSIGN(StatisticsGatherer gatherer,
               StatisticsGatherer::begin(source, recipe, all, options, std::move(so_far)));
  gatherer.store().set_partial(true);
  const int64_t seen = gatherer.store().position(), size = samples.size();
  std::vector<ConstTensorView> sample;
  OCTET_TRY(samples.rewind());
  for (int64_t i = 0;; ++i) {
    OCTET_ASSIGN(const bool more, samples.next(sample));
    if (!more) break;
    if (i < seen) continue;
    OCTET_TRY(gatherer.add(sample));
    if (options.progress) options.progress("calibrating", i + 1, size);
    if (checkpoint) OCTET_TRY(checkpoint(gatherer.store()));
  }
  if (gatherer.store().samples() == 0) return Status::invalid("no calibration data");
  gatherer.store().set_partial(false);
  return std::move(gatherer.store());
}

Result<QuantizedData> quantize(const ModelData& source, SampleSource& samples, const Recipe& recipe,
                               const QuantizeOptions& options) {
  OCTET_TRY(recipe.check().at("the recipe"));
  GatherScope scope;
  scope.hold_out = !options.held_out;
  OCTET_ASSIGN(const StatisticsStore statistics,
               gather_statistics(source, samples, recipe, scope,
                                 {options.threads, options.progress, options.custom_ops}));
  return quantize(source, statistics, recipe, options);
}

}  // namespace octet
