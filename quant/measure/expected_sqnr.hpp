// The SQNR that a classifier will have on unseen samples. The noise of its outputs comes from
// the few samples whose best classes are close: a figure measured on some dozens of samples hangs on how many
// of these are among them. Scores, in front of the SOFTMAX, have no such tail. MATH.md, Q21.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "quant/pipeline.hpp"

namespace octet {

// A classifier's scores for samples, and how far another model's are from them. Of each sample the class with
// the greatest score comes first, and so on.
struct ScoreErrors {
  size_t classes = 0;
  std::vector<double> scores, errors;  // one sample after the other

  size_t samples() const { return classes == 0 ? 0 : scores.size() / classes; }
  void add(const std::vector<float>& right, const std::vector<float>& other);
};

// How probabilities are stored: in steps, up to a greatest one.
struct ProbabilityGrid {
  double step = 0;  // 0: as real numbers
  double most = 1;
};

struct ScoreEvidence {
  ScoreErrors result;    // of the model that is handed out, on all samples
  ScoreErrors working;   // of the one that is measured, on those that it was made with
  ScoreErrors held_out;  // and on the others
  ProbabilityGrid grid;
};

struct ExpectedSqnr {
  double db = 0;
  double deviation_db = 0;  // one standard error of what is measured on the held-out samples alone
};
ExpectedSqnr expected_sqnr(const ScoreEvidence& evidence);

// What samples say of two models whose one output is a row of SOFTMAX; nothing for others.
std::optional<ProbabilityGrid> probability_grid(const ModelData& right, const ModelData& other);
Result<std::optional<ScoreErrors>> score_errors(const ModelData& right, const ModelData& other,
                                                SampleSource& samples, const StepOptions& options);

}  // namespace octet
