// The one store of what data says about a model: per value everything that observers choose ranges from, and
// the few samples that rounding, biases and the choice between candidates need. A quantization is a function
// of a model, a recipe and this store, so that statistics from a file give the same bytes as the data did.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quant/statistics/sample_plan.hpp"
#include "quant/statistics/sample_set.hpp"
#include "quant/statistics/tensor_statistics.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// By the key of a value and what it is computed from (keys.hpp).
using StatisticsKey = std::pair<std::string, uint64_t>;
using ValueStatistics = std::map<StatisticsKey, TensorStatistics>;
// What both saw.
Result<ValueStatistics> merged(const ValueStatistics& a, const ValueStatistics& b);

class StatisticsStore {
 public:
  int64_t samples() const { return samples_; }  // that set ranges
  // Fewer samples were seen than the data set (or this shard of it) has.
  bool partial() const { return partial_; }
  void set_partial(bool partial) { partial_ = partial; }

  // Of the samples that set ranges, and of those that are held out, apart.
  const ValueStatistics& values() const { return values_; }
  const ValueStatistics& held_out_values() const { return held_out_values_; }
  ValueStatistics& values() { return values_; }
  ValueStatistics& held_out_values() { return held_out_values_; }

  // Of the roles correct, select and held_out.
  const SampleSet& kept(SampleRole role) const;
  void keep(SampleRole role, int64_t index, const std::vector<ConstTensorView>& sample);

  // What is about to be gathered: how many samples the data set has (-1: not known), which of its shards
  // comes here, and whether moving averages are kept, which make merged statistics depend on an order.
  struct Scope {
    int64_t total = -1, shard = 0, shards = 1;
    bool running = false;

    friend bool operator==(const Scope&, const Scope&) = default;
  };
  void begin(const Scope& scope);
  const Scope& scope() const { return scope_; }
  void count_sample(SampleRole role) { ++(role == SampleRole::held_out ? skipped_ : samples_); }
  // How many samples of this store's part of the data were taken, in order; where to resume.
  int64_t position() const { return samples_ + skipped_; }

  // Add what was gathered from another shard of the data set, or from other data. The result does not depend
  // on the order of merging shards, and merged shards are what the whole data set gives, byte for byte.
  Status merge(const StatisticsStore& other);

  // Through a temporary file beside `path`.
  Status save(const std::string& path) const;
  static Result<StatisticsStore> load(const std::string& path);
  std::string to_bytes() const;
  static Result<StatisticsStore> from_bytes(std::string_view bytes);

 private:
  Scope scope_;
  int64_t samples_ = 0, skipped_ = 0;
  bool partial_ = false;
  ValueStatistics values_, held_out_values_;
  SampleSet correct_, select_, held_out_;
};

// The statistics of one graph, looked up once.
class GraphStatistics {
 public:
  GraphStatistics(const ValueStatistics& values, const ModelData& model);

  // Null when nothing was seen.
  const TensorStatistics* of(ValueId v) const { return values_[static_cast<size_t>(v)]; }
  // Of OpSpec::inner[which] of a node.
  const TensorStatistics* inner(NodeId n, size_t which) const;
  // Values that are computed and have no statistics: names of the first few. Not empty when the store was
  // gathered from another model, or with other flags.
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  std::vector<const TensorStatistics*> values_;
  std::vector<std::vector<const TensorStatistics*>> inner_;
  std::vector<std::string> missing_;
};

}  // namespace octet
