#include "cli/classify.hpp"

#include <cmath>
#include <fmt/format.h>

#include "octet/convert.hpp"
#include "octet/try.hpp"

namespace octet {

int64_t best_class(std::span<const float> scores) {
  int64_t best = -1;
  for (size_t i = 0; i < scores.size(); ++i)
    if (!std::isnan(scores[i]) && (best < 0 || scores[i] > scores[static_cast<size_t>(best)]))
      best = static_cast<int64_t>(i);
  return best;
}

int64_t rank_of(std::span<const float> scores, int64_t c) {
  const float own = scores[static_cast<size_t>(c)];
  if (std::isnan(own)) return static_cast<int64_t>(scores.size());
  int64_t ahead = 0;
  for (size_t i = 0; i < scores.size(); ++i)
    if (scores[i] > own || (scores[i] == own && static_cast<int64_t>(i) < c)) ++ahead;
  return ahead;
}

Result<std::vector<int64_t>> labels_for(const Dataset& data, const std::string& path,
                                        const LabelOptions& options) {
  std::vector<int64_t> labels = data.folder_labels();
  for (int64_t& l : labels)
    l += options.offset;
  if (!path.empty()) {
    OCTET_ASSIGN(labels, read_labels(path, options, data.files()));
  }
  if (!labels.empty() && static_cast<int64_t>(labels.size()) != data.size())
    return Status::invalid(fmt::format("{}: {} labels for {} samples", path, labels.size(), data.size()));
  return labels;
}

Result<Scores> score(Session& session, Session* against, const std::vector<int64_t>& labels,
                     const std::vector<int64_t>& samples) {
  if (session.outputs() == 0 || (against != nullptr && against->outputs() == 0))
    return Status::invalid(session.model().path() + ": has no outputs");
  if (against != nullptr && against->size() != session.size())
    return Status::invalid(fmt::format("{} reads the data as {} samples, {} as {}", session.model().path(),
                                       session.size(), against->model().path(), against->size()));
  int64_t top1 = 0, top5 = 0, same = 0, against_top1 = 0, against_top5 = 0;
  ProgressBar bar("evaluating");
  int64_t done = 0;
  for (int64_t i : samples) {
    OCTET_TRY(session.run(i));
    const std::vector<float> scores = real_values(session.output(0));
    if (scores.empty()) return Status::invalid(session.model().path() + ": its first output is empty");
    std::vector<float> other;
    if (against != nullptr) {
      OCTET_TRY(against->run(i));
      other = real_values(against->output(0));
      same += best_class(scores) == best_class(other);
    }
    if (!labels.empty()) {
      const int64_t label = labels[static_cast<size_t>(i)];
      if (label < 0 || label >= static_cast<int64_t>(scores.size()) ||
          (against != nullptr && label >= static_cast<int64_t>(other.size())))
        return Status::invalid(fmt::format("{}: label {} of sample {}: the model has {} classes",
                                           session.model().path(), label, i, scores.size()));
      const int64_t rank = rank_of(scores, label);
      top1 += rank == 0, top5 += rank < 5;
      if (against != nullptr) {
        const int64_t other_rank = rank_of(other, label);
        against_top1 += other_rank == 0, against_top5 += other_rank < 5;
      }
    }
    bar.update(++done, static_cast<int64_t>(samples.size()));
  }
  Scores s;
  s.samples = done;
  const auto share = [&](int64_t n) { return static_cast<double>(n) / static_cast<double>(s.samples); };
  if (s.samples == 0) return s;
  if (!labels.empty()) s.top1 = share(top1), s.top5 = share(top5);
  if (against != nullptr) s.agreement = share(same);
  if (against != nullptr && !labels.empty())
    s.against_top1 = share(against_top1), s.against_top5 = share(against_top5);
  return s;
}

}  // namespace octet
