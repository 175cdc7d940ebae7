// Candidates for a result: made, corrected on samples, compared.
#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/pipeline.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

// What is corrected on samples.
enum class Refinement : uint8_t { biases, weights };  // weights: and biases

// Weights and biases corrected on the samples.
Result<std::shared_ptr<ModelData>> refined(const Candidate& c, Refinement refinement,
                                           CorrectionSamples samples, const StepOptions& options) {
  auto model = std::make_shared<ModelData>(*c.quantized.model);
  Recipe recipe = c.recipe;
  if (refinement == Refinement::biases) recipe.rounding = Rounding::nearest;
  OCTET_TRY(refine_weights(c.prepared, model->main(), weight_sites(c.prepared, c.quantized), recipe, samples,
                           options));
  return model;
}

// Keeps a refinement if the output is the better for it: of weights and biases or, where rounding fits the
// samples alone, of biases, which need less data.
Status try_refinements(Candidate& c, const WorkingSamples& samples, const StepOptions& options) {
  if (weight_sites(c.prepared, c.quantized).empty()) return {};
  std::vector<Refinement> kinds;
  if (c.recipe.rounding == Rounding::compensated) kinds.push_back(Refinement::weights);
  if (c.recipe.bias_correction) kinds.push_back(Refinement::biases);
  for (const Refinement kind : kinds) {
    OCTET_ASSIGN(std::shared_ptr<ModelData> model, refined(c, kind, samples.correct, options));
    OCTET_ASSIGN(Comparison after, compare_on(c.prepared, *model, *samples.select.source, options));
    if (selection_score(c.prepared, after) <= selection_score(c.prepared, *c.error)) continue;
    c.quantized.model = std::move(model);
    c.error = std::move(after);
    return {};
  }
  return {};
}

// Everything float: materialize() only spells out what no file format has a code for.
GraphAssignment all_float(const Graph& g) {
  GraphAssignment a;
  a.nodes.resize(g.nodes.size());
  a.values.resize(g.values.size());
  a.types.assign(g.values.size(), DType::float32);
  a.narrow.resize(g.values.size());
  return a;
}

// The graph with the weights shrunk, and what that costs where there are samples.
Result<Candidate> shrunk(const PreparedModel& prepared, Materialized m, const Recipe& recipe,
                         const WeightMoments* moments, const WorkingSamples& samples,
                         const StepOptions& options) {
  Candidate c;
  c.recipe = recipe;
  c.prepared = prepared;
  c.findings = shrink_weights(prepared, m, recipe, moments);
  auto model = std::make_shared<ModelData>(*prepared.model);
  model->main() = std::move(m.graph);
  model->path.clear();
  model->file_bytes = 0;
  if (auto status = validate(*model); !status.ok())
    return Status::internal("the converted graph is wrong: " + status.message());
  if (samples.select) {
    OCTET_ASSIGN(c.error, compare_on(prepared, *model, *samples.select.source, options));
  }
  c.quantized = {std::move(model), all_float(prepared.graph()), std::move(m.source), {}};
  return c;
}

}  // namespace

Result<Candidate> integer_candidate(const PreparedModel& prepared, const GraphStatistics& statistics,
                                    const Recipe& recipe, const std::vector<TypeOverride>& overrides,
                                    const WorkingSamples& samples, const StepOptions& options) {
  OCTET_ASSIGN(const auto moments, WeightMoments::gather(prepared, recipe, samples.correct, options));
  Candidate c;
  c.recipe = recipe;
  c.prepared = prepared;
  OCTET_ASSIGN(c.quantized, quantize_once(prepared, statistics, recipe, overrides, moments.get()));
  if (!samples.select) return c;
  OCTET_ASSIGN(c.error, compare_on(prepared, *c.quantized.model, *samples.select.source, options));
  if (samples.correct) OCTET_TRY(try_refinements(c, samples, options));
  return c;
}

Result<Candidate> weights_candidate(const PreparedModel& prepared, const Recipe& recipe,
                                    const WorkingSamples& samples, const StepOptions& options) {
  OCTET_ASSIGN(Materialized m, materialize(prepared.graph(), all_float(prepared.graph()), Io::keep));
  OCTET_ASSIGN(Candidate plain, shrunk(prepared, m, recipe, nullptr, samples, options));
  OCTET_ASSIGN(const auto moments, WeightMoments::gather(prepared, recipe, samples.correct, options));
  if (moments == nullptr) return plain;
  OCTET_ASSIGN(Candidate refined, shrunk(prepared, std::move(m), recipe, moments.get(), samples, options));
  return is_better(refined, plain) ? std::move(refined) : std::move(plain);
}

Result<Comparison> compare_on(const PreparedModel& prepared, const ModelData& quantized,
                              SampleSource& samples, const StepOptions& options) {
  CompareOptions how;
  how.threads = options.threads;
  how.custom_ops = options.custom_ops;
  how.layers = true;
  return compare(prepared.reference_model(), quantized, samples, how);
}

double selection_score(const PreparedModel& prepared, const Comparison& error) {
  const Graph& g = prepared.graph();
  std::map<std::string_view, double> db;
  for (const TensorError& e : error.layers)
    if (e.real) db[e.name] = e.sqnr_db;
  const Uses uses = uses_of(g);
  double sum = 0, count = 0;
  for (size_t i = 0; i < g.outputs.size() && i < error.outputs.size(); ++i) {
    if (!error.outputs[i].real) continue;
    double v = error.outputs[i].worst_db();
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

bool is_better(const Candidate& a, const Candidate& b) {
  return a.error && b.error && selection_score(a.prepared, *a.error) > selection_score(b.prepared, *b.error);
}

}  // namespace octet
