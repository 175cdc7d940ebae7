// Steps of quantize() that have a file of their own. Internal to quant/.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "quant/assign/assign.hpp"
#include "quant/assign/document.hpp"
#include "quant/assign/materialize.hpp"
#include "quant/measure/compare.hpp"
#include "quant/prepare.hpp"
#include "quant/statistics/moments.hpp"
#include "quant/statistics/sample_source.hpp"

namespace octet {

// What every step takes.
struct StepOptions {
  int threads = 1;
  Progress progress;
  std::shared_ptr<const CustomOps> custom_ops;  // the program's custom operators; may be null
};

// Samples with which a result may be made. Those that it is measured on are not among them.
struct WorkingSamples {
  CorrectionSamples correct;
  SelectionSamples select;
};

// One attempt, with what it took.
struct Quantized {
  std::shared_ptr<ModelData> model;
  GraphAssignment assignment;
  std::vector<NodeId> source;  // Materialized::source
  std::vector<TypeOverride>
      overrides;  // the given ones, and those of nodes whose integer form no kernel takes
};

// What operators whose weights alone shrink meet on the samples.
class WeightMoments {
 public:
  // Null when there is nothing to gather, or nothing to gather it from.
  static Result<std::unique_ptr<WeightMoments>> gather(const PreparedModel& prepared, const Recipe& recipe,
                                                       CorrectionSamples samples, const StepOptions& options);
  // Of a node of the prepared graph; null when it was not watched or nothing was seen.
  const WindowMoments* of(NodeId node) const;
  ThreadPool& pool() const { return pool_; }

 private:
  explicit WeightMoments(int threads) : pool_(threads) {}
  mutable ThreadPool pool_;
  std::map<NodeId, size_t> index_;
  std::optional<MomentsTap> tap_;
};

// Assign, materialize, verify, shrink; nodes that no kernel takes in int16 become int8, those it does not
// take in int8 float, and again.
Result<Quantized> quantize_once(const PreparedModel& prepared, const GraphStatistics& statistics,
                                const Recipe& recipe, std::vector<TypeOverride> overrides,
                                const WeightMoments* moments = nullptr);

// Shrink the weights of float operators as the recipe wants them. With `moments` they are rounded so that
// their errors cancel, and biases shifted, as far as the recipe wants that. Returns what a user should know.
std::vector<Finding> shrink_weights(const PreparedModel& prepared, Materialized& m, const Recipe& recipe,
                                    const WeightMoments* moments);

// A linear operator of a quantized graph and what it came from.
struct WeightSite {
  const Value* real = nullptr;  // its float weights
  ValueId weights = kNoValue;   // int8, in the quantized graph; read by this operator alone
  size_t input_slot = 0;        // of the operator: what meets the weights
  ValueId bias = kNoValue;  // int32, int64 or float there; likewise; kNoValue when there is none to change
  WatchedWindows windows;   // of the float graph
};
// The sites of an integer graph.
std::vector<WeightSite> weight_sites(const PreparedModel& prepared, const Quantized& q);
// Round the weights of all sites so that their errors cancel on the samples, and shift biases by the mean
// error that is left (weight_rounding.hpp); either as the recipe says.
Status refine_weights(const PreparedModel& prepared, Graph& quantized, const std::vector<WeightSite>& sites,
                      const Recipe& recipe, CorrectionSamples samples, const StepOptions& options);

// Runs samples through the float graph for `tap`.
Status watch_samples(const ModelData& model, CorrectionSamples samples, const StepOptions& options, Tap& tap);

// The bias that makes up for what the mean output lacks (in real numbers).
Constant shifted(const Value& bias, const std::vector<double>& lack);

// A result that may be kept, and how it does on the samples that candidates are compared on.
struct Candidate {
  Recipe recipe;
  PreparedModel prepared;
  Quantized quantized;
  std::vector<Finding> findings;    // of weights that shrank; those of the assignment are there
  std::optional<Comparison> error;  // against the float model, with layers; nothing without samples
};

// Integer schemes: weights and biases are corrected on the samples where that brings the outputs closer.
Result<Candidate> integer_candidate(const PreparedModel& prepared, const GraphStatistics& statistics,
                                    const Recipe& recipe, const std::vector<TypeOverride>& overrides,
                                    const WorkingSamples& samples, const StepOptions& options);
// float16, weight-only and dynamic: only constants change.
Result<Candidate> weights_candidate(const PreparedModel& prepared, const Recipe& recipe,
                                    const WorkingSamples& samples, const StepOptions& options);

// The candidate's model in the form that the recipe's reader runs.
Result<std::shared_ptr<const ModelData>> portable_model(const Candidate& c);

// What makes the candidate's very bytes again.
Result<AssignmentDocument> document_of(const Candidate& c);
// The reverse; nothing is measured.
Result<Candidate> candidate_of(const ModelData& source, const AssignmentDocument& document);

// The error of a result against the float model, with layers.
Result<Comparison> compare_on(const PreparedModel& prepared, const ModelData& quantized,
                              SampleSource& samples, const StepOptions& options);

// What the choice between candidates is made by: the mean SQNR of the outputs, in dB; of a classifier's
// scores in front of the exponential, which blows up the few samples where classes are close and hides all
// others.
double selection_score(const PreparedModel& prepared, const Comparison& error);
// Whether `a` comes out better than `b`; without figures the one that is there first stays.
bool is_better(const Candidate& a, const Candidate& b);

}  // namespace octet
