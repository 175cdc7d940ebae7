#include "quant/statistics/statistics.hpp"

#include <algorithm>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/statistics/keys.hpp"

namespace octet {
namespace {

// At most `count` of a set, spread evenly over it.
void thin_out(SampleSet& set, int64_t count) {
  const auto n = static_cast<int64_t>(set.size());
  if (n <= count) return;
  int64_t i = 0;
  for (auto at = set.begin(); at != set.end(); ++i)
    at = (i + 1) * count / n == i * count / n ? set.erase(at) : std::next(at);
}

void merge_kept(SampleSet& set, const SampleSet& other, int64_t shift, int64_t limit) {
  for (const auto& [index, tensors] : other)
    set[index + shift] = tensors;
  thin_out(set, limit);
}

}  // namespace

Result<ValueStatistics> merged(const ValueStatistics& a, const ValueStatistics& b) {
  ValueStatistics all = a;
  for (const auto& [key, more] : b)
    OCTET_TRY(all[key].merge(more).at(key.first));
  return all;
}

const SampleSet& StatisticsStore::kept(SampleRole role) const {
  switch (role) {
    case SampleRole::correct: return correct_;
    case SampleRole::select: return select_;
    default: return held_out_;
  }
}

void StatisticsStore::keep(SampleRole role, int64_t index, const std::vector<ConstTensorView>& sample) {
  if (role == SampleRole::correct) keep_sample(correct_, index, sample);
  if (role == SampleRole::select) keep_sample(select_, index, sample);
  if (role == SampleRole::held_out) keep_sample(held_out_, index, sample);
}

void StatisticsStore::begin(const Scope& scope) {
  scope_ = scope;
}

Status StatisticsStore::merge(const StatisticsStore& other) {
  if (position() == 0) {
    *this = other;
    return {};
  }
  if (scope_.running != other.scope_.running)
    return Status::invalid("one of the two has moving averages and the other has none");
  if (samples_ > INT64_MAX - other.samples_) return Status::exhausted("too many samples to count");
  const bool same_data = scope_.shards > 1 && scope_.total >= 0 && scope_.total == other.scope_.total &&
                         scope_.shards == other.scope_.shards;
  const bool both_known = scope_.total >= 0 && other.scope_.total >= 0;
  // Samples of other data come after those that are here.
  const int64_t shift = same_data ? 0 : scope_.total >= 0 ? scope_.total : position();
  OCTET_ASSIGN(values_, merged(values_, other.values_));
  OCTET_ASSIGN(held_out_values_, merged(held_out_values_, other.held_out_values_));
  merge_kept(correct_, other.correct_, shift, SamplePlan::kMaxCorrect);
  merge_kept(select_, other.select_, shift, SamplePlan::kMaxSelect);
  merge_kept(held_out_, other.held_out_, shift, SamplePlan::kMaxHeldOut);
  samples_ += other.samples_;
  skipped_ += other.skipped_;
  if (!same_data) {
    partial_ = partial_ || other.partial_;
    scope_.total = both_known ? scope_.total + other.scope_.total : -1;
    scope_.shard = 0;
    scope_.shards = 1;
    return {};
  }
  partial_ = position() < scope_.total;
  if (!partial_) scope_.shard = 0, scope_.shards = 1;
  return {};
}

GraphStatistics::GraphStatistics(const ValueStatistics& values, const ModelData& model) {
  const auto find = [&](const std::string& name, uint64_t origin) -> const TensorStatistics* {
    const auto it = values.find({name, origin});
    return it == values.end() ? nullptr : &it->second;
  };
  const Graph& g = model.main();
  const std::vector<std::string> keys = value_keys(g);
  const std::vector<uint64_t> origins = origins_of(model);
  const Uses uses = uses_of(g);
  values_.resize(g.values.size());
  for (size_t v = 0; v < g.values.size(); ++v) {
    const Value& value = g.values[v];
    if (value.is_constant() || value.dtype != DType::float32) continue;
    values_[v] = find(keys[v], origins[v]);
    const bool is_output = std::ranges::find(g.outputs, static_cast<ValueId>(v)) != g.outputs.end();
    const bool computed = uses.producer[v] >= 0 && (is_output || !uses.consumers[v].empty());
    if (values_[v] == nullptr && computed && value.shape.elements() > 0 && missing_.size() < 3)
      missing_.push_back(value.name);
  }
  inner_.resize(g.nodes.size());
  const auto inner = inner_keys(g);
  for (size_t n = 0; n < inner.size(); ++n)
    for (const std::string& key : inner[n])
      inner_[n].push_back(find(key, origins[static_cast<size_t>(g.nodes[n].outputs[0])]));
}

const TensorStatistics* GraphStatistics::inner(NodeId n, size_t which) const {
  const auto& inner = inner_[static_cast<size_t>(n)];
  return which < inner.size() ? inner[which] : nullptr;
}

}  // namespace octet
