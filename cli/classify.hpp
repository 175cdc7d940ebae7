// Classifiers: what they say, and whether it is right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/data/labels.hpp"
#include "cli/session.hpp"

namespace octet {

// The class with the greatest value; the first one when there are several. NaN is below everything.
int64_t best_class(std::span<const float> scores);
// How many classes are ahead of class `c`: 0 for the best one.
int64_t rank_of(std::span<const float> scores, int64_t c);

// The labels of a dataset: from `path` when it is not empty, else from the data's sub-folders; nothing when
// there are neither. Errors when their number is not that of the samples.
Result<std::vector<int64_t>> labels_for(const Dataset& data, const std::string& path,
                                        const LabelOptions& options);

struct Scores {
  int64_t samples = 0;
  std::optional<double> top1, top5;  // shares of the samples; none without labels
  std::optional<double> agreement;   // share of the samples in which `against` chooses the same class
  std::optional<double> against_top1, against_top5;
};

// Run these samples of `session` (and of `against`, which may be null) and count.
Result<Scores> score(Session& session, Session* against, const std::vector<int64_t>& labels,
                     const std::vector<int64_t>& samples);

}  // namespace octet
