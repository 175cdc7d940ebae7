// Searches for what has to be more precise than 8 bits so that a target is met: one list of promotions,
// whatever the target is.
#pragma once

#include "quant/pipeline.hpp"
#include "quant/quantize.hpp"

namespace octet {

// What a target needs to know of a candidate.
struct TargetFigure {
  bool met = false;
  // How far off it is, as noise power relative to that of the candidate's outputs (0: not known): a hint for
  // how much to promote at once.
  double excess_share = 0;
  double badness = 0;  // smaller is better; to keep the best of those that miss
};
using TargetFunction = std::function<Result<TargetFigure>(const Candidate&)>;

// Outputs of at least `db` on all samples that the result is made with: few samples flatter.
TargetFunction sqnr_target(double db, SampleSource& samples, const StepOptions& options);
// At most the limit of the caller's metric. `last`: the figure of the candidate that was asked for last.
TargetFunction loss_target(const LossLimit& limit, std::optional<double>& last);

struct SearchResult {
  Candidate candidate;  // the first that meets the target, or the best of all
  bool met = false;
};

// (Q20) Promotes activations to int16, those with the most noise for their work first, until the target is
// met; operators that harm most to float after that, or at once where the recipe says so. `reason` is what
// the report says of them. `make` gives the candidate with these overrides.
using MakeCandidate = std::function<Result<Candidate>(const std::vector<TypeOverride>&)>;
Result<SearchResult> search(Candidate start, const TargetFunction& target, const std::string& reason,
                            const MakeCandidate& make, SelectionSamples samples, const StepOptions& options);

}  // namespace octet
