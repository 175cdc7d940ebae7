#include "quant/statistics/gather.hpp"

#include <fmt/format.h>
#include <set>

#include "octet/try.hpp"
#include "quant/statistics/influence.hpp"
#include "quant/statistics/keys.hpp"
#include "quant/statistics/runner.hpp"

namespace octet {

// Files the float32 values of every run under their keys.
class Gatherer::GraphTap final : public Tap {
 public:
  // `claimed`: what taps of other graphs gather; values that two graphs compute alike count once.
  GraphTap(const ModelData& model, std::set<StatisticsKey>& claimed, const GatherOptions& options)
      : keys_(value_keys(model.main())),
        inner_keys_(inner_keys(model.main())),
        origins_(origins_of(model)),
        producer_(uses_of(model.main()).producer),
        influences_(influences_of(model.main())),
        runner_(model, options.threads, true, options.custom_ops) {
    for (size_t v = 0; v < keys_.size(); ++v)
      mine_.push_back(claimed.emplace(keys_[v], origins_[v]).second);
  }

  Status run(const std::vector<ConstTensorView>& sample, ValueStatistics& values) {
    if (into_ != &values) known_.assign(keys_.size(), nullptr);
    into_ = &values;
    return runner_.run(sample, this);
  }

  void on_value(ValueId id, const ConstTensorView& view) override {
    const auto v = static_cast<size_t>(id);
    if (view.dtype != DType::float32 || view.elements() == 0 || !mine_[v]) return;
    if (known_[v] == nullptr) known_[v] = &(*into_)[{keys_[v], origins_[v]}];
    known_[v]->observe(influential(view, influences_[v], storage_));
  }

  void on_inner(ValueId output, size_t which, std::span<const float> values) override {
    if (!mine_[static_cast<size_t>(output)]) return;
    const NodeId node = producer_[static_cast<size_t>(output)];
    (*into_)[{inner_keys_[static_cast<size_t>(node)][which], origins_[static_cast<size_t>(output)]}].observe(
        values);
  }

 private:
  ValueStatistics* into_ = nullptr;
  std::vector<std::string> keys_;
  std::vector<std::vector<std::string>> inner_keys_;
  std::vector<uint64_t> origins_;
  std::vector<NodeId> producer_;
  std::vector<Influence> influences_;
  std::vector<float> storage_;
  std::vector<bool> mine_;
  std::vector<TensorStatistics*> known_;  // of *into_
  Runner runner_;
};

Gatherer::Gatherer(std::span<const ModelData* const> graphs, const GatherOptions& options) {
  std::set<StatisticsKey> claimed;
  for (const ModelData* g : graphs)
    taps_.push_back(std::make_unique<GraphTap>(*g, claimed, options));
}

Gatherer::~Gatherer() = default;

Status Gatherer::run(const std::vector<ConstTensorView>& sample, ValueStatistics& values) {
  for (const auto& tap : taps_)
    OCTET_TRY(tap->run(sample, values));
  return {};
}

Result<std::unique_ptr<StatisticsPass>> StatisticsPass::begin(std::span<const ModelData* const> graphs,
                                                              bool hold_out, StatisticsStore so_far,
                                                              const GatherOptions& options) {
  if (so_far.position() > 0)
    for (const ModelData* g : graphs)
      if (const GraphStatistics known(so_far.values(), *g); !known.missing().empty())
        return Status::invalid(fmt::format(
            "the statistics to resume have nothing on tensor '{}': they were gathered from another model "
            "or with other options",
            known.missing()[0]));
  return std::unique_ptr<StatisticsPass>(new StatisticsPass(graphs, hold_out, std::move(so_far), options));
}

Status StatisticsPass::add(const std::vector<ConstTensorView>& sample) {
  const StatisticsStore::Scope& scope = store_.scope();
  if (!plan_) {
    int64_t bytes = 0;
    for (const ConstTensorView& v : sample)
      bytes += v.bytes();
    plan_ = SamplePlan::of(scope.total, bytes, hold_out_);
  }
  const int64_t index = scope.shard + store_.position() * scope.shards;
  const SampleRole role = plan_->role(index);
  if (role != SampleRole::range) store_.keep(role, index, sample);
  auto status =
      gatherer_.run(sample, role == SampleRole::held_out ? store_.held_out_values() : store_.values());
  if (!status.ok()) return std::move(status).at(fmt::format("sample {}", index));
  store_.count_sample(role);
  return {};
}

}  // namespace octet
