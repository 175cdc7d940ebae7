#include "quant/statistics/sample_plan.hpp"

#include <algorithm>

namespace octet {
namespace {

constexpr int64_t kKeptBytes = int64_t{128} << 20;
// One sample of so many is held out, as long as the data is small.
constexpr int64_t kHoldOutShare = 4;
// With fewer samples than this, those that correct select as well: too few of either would decide by chance.
constexpr int64_t kMinToSelectApart = 96;
// Of a stream: in every group of so many one is held out and one selects.
constexpr int64_t kStreamGroup = 5;

// `count` of `from`, spread evenly; they are taken out of it.
std::vector<int64_t> take_evenly(std::vector<int64_t>& from, int64_t count) {
  const auto n = static_cast<int64_t>(from.size());
  count = std::clamp<int64_t>(count, 0, n);
  std::vector<int64_t> taken, left;
  for (int64_t i = 0; i < n; ++i) {
    // Element i is the middle of one of `count` equal parts of the list.
    const bool take = ((2 * i + 1) * count + n) / (2 * n) != ((2 * i - 1) * count + n) / (2 * n);
    (take ? taken : left).push_back(from[static_cast<size_t>(i)]);
  }
  from = std::move(left);
  return taken;
}

bool holds(const std::vector<int64_t>& sorted, int64_t index) {
  return std::binary_search(sorted.begin(), sorted.end(), index);
}

}  // namespace

SamplePlan SamplePlan::of(int64_t total, int64_t sample_bytes, bool hold_out) {
  SamplePlan p;
  const int64_t capacity = std::max<int64_t>(kKeptBytes / std::max<int64_t>(sample_bytes, 1), 3);
  const int64_t third = std::max<int64_t>(capacity / 3, 1);
  p.held_out_ = hold_out ? std::min(kMaxHeldOut, third) : 0;
  p.select_ = std::min(kMaxSelect, third);
  p.correct_ = std::min(kMaxCorrect, capacity - p.held_out_ - p.select_);
  if (total < 0) {
    p.stream_ = true;
    return p;
  }
  // A position among at most a million candidates is as even as one needs.
  constexpr int64_t kMaxCandidates = int64_t{1} << 20;
  std::vector<int64_t> free;
  for (int64_t i = 0, n = std::min(total, kMaxCandidates); i < n; ++i)
    free.push_back(n == total ? i : i * (total / n));
  // One sample alone has to do everything, and is not held out then.
  if (total > 1)
    p.held_out_at_ = take_evenly(free, std::min(p.held_out_, std::max<int64_t>(total / kHoldOutShare, 1)));
  const auto rest = static_cast<int64_t>(free.size());
  if (rest >= kMinToSelectApart) p.select_at_ = take_evenly(free, p.select_);
  p.correct_at_ = take_evenly(free, p.correct_);
  return p;
}

SampleRole SamplePlan::role_in_stream(int64_t index) const {
  const int64_t group = index / kStreamGroup, place = index % kStreamGroup;
  if (place == kStreamGroup - 1 && group < held_out_) return SampleRole::held_out;
  if (place == kStreamGroup / 2 && group < select_) return SampleRole::select;
  const int64_t others = index - std::min(group, held_out_) - std::min(group, select_);
  return others < correct_ ? SampleRole::correct : SampleRole::range;
}

SampleRole SamplePlan::role(int64_t index) const {
  if (stream_) return role_in_stream(index);
  if (holds(held_out_at_, index)) return SampleRole::held_out;
  if (holds(select_at_, index)) return SampleRole::select;
  return holds(correct_at_, index) ? SampleRole::correct : SampleRole::range;
}

}  // namespace octet
