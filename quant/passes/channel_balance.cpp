#include "quant/passes/channel_balance.hpp"

#include <fmt/format.h>

#include "octet/try.hpp"
#include "quant/reals.hpp"

namespace octet {
namespace {

constexpr std::string_view kPrefix = "octet.exponents/";

class ChannelTap final : public Tap {
 public:
  explicit ChannelTap(const Graph& g) {
    for (ValueId v : rescalable_values(g)) {
      const Shape& s = g.value(v).shape;
      if (s.rank() > 0 && s[s.rank() - 1] > 0) stats_[v].resize(static_cast<size_t>(s[s.rank() - 1]));
    }
  }
  void on_value(ValueId id, const ConstTensorView& view) override {
    const auto it = stats_.find(id);
    if (it == stats_.end() || view.dtype != DType::float32 || !all_finite(view)) return;
    std::vector<ChannelStats>& channels = it->second;
    // The file may have said otherwise.
    if (view.shape.rank() == 0 || view.shape[-1] != static_cast<int64_t>(channels.size())) return;
    const auto* x = view.as<float>();
    const auto n = static_cast<size_t>(view.shape.elements());
    for (size_t i = 0; i + channels.size() <= n; i += channels.size())
      for (size_t c = 0; c < channels.size(); ++c)
        channels[c].add(x[i + c]);
  }
  const ChannelStatistics& statistics() const { return stats_; }

 private:
  ChannelStatistics stats_;
};

void add(std::vector<int8_t>& sum, const std::vector<int8_t>& more) {
  if (sum.size() < more.size()) sum.resize(more.size(), 0);
  for (size_t i = 0; i < more.size(); ++i)
    sum[i] = saturate<int8_t>(static_cast<double>(sum[i]) + static_cast<double>(more[i]));
}

}  // namespace

namespace {

// `prepared` with `model`, whose channels were balanced by `exponents`.
PreparedModel balanced_form(const PreparedModel& prepared, std::shared_ptr<ModelData> model,
                            ChannelExponents exponents, const FusionReport& report) {
  ChannelExponents all = exponents;
  for (auto& [name, more] : exponents_of(*model))  // of a source that was balanced and stayed in float
    add(all[name], more);
  std::erase_if(model->metadata, [](const auto& entry) { return entry.first.starts_with(kPrefix); });
  for (const auto& [name, bytes] : all)
    model->metadata.emplace_back(std::string(kPrefix) + name, Constant::of(bytes));
  PreparedModel result = prepared;
  result.reference = prepared.reference ? prepared.reference : prepared.model;
  result.model = std::move(model);
  result.exponents = std::move(exponents);
  for (const auto& [rule, count] : report.counts())
    result.fusions[rule] += count;
  result.fusion_text += report.to_string();
  return result;
}

}  // namespace

Result<PreparedModel> balance(const PreparedModel& prepared, CorrectionSamples samples,
                              const StepOptions& options) {
  ChannelTap tap(prepared.graph());
  if (tap.statistics().empty() || !samples) return prepared;
  OCTET_TRY(watch_samples(*prepared.model, samples, options, tap));
  auto model = std::make_shared<ModelData>(*prepared.model);
  FusionReport report;
  ChannelExponents exponents = balance_channels(model->main(), tap.statistics(), report);
  if (exponents.empty()) return prepared;
  return balanced_form(prepared, std::move(model), std::move(exponents), report);
}

Result<PreparedModel> balance_with(const PreparedModel& prepared, const ChannelExponents& exponents) {
  auto model = std::make_shared<ModelData>(*prepared.model);
  FusionReport report;
  ChannelExponents applied = balance_channels(model->main(), exponents, report);
  for (const auto& [name, e] : exponents)
    if (const auto it = applied.find(name); it == applied.end() || it->second != e)
      return Status::invalid(
          fmt::format("tensor '{}': its channels can't be rescaled as the assignment says", name));
  if (applied.empty()) return prepared;
  return balanced_form(prepared, std::move(model), std::move(applied), report);
}

ChannelExponents exponents_of(const ModelData& model) {
  ChannelExponents result;
  for (const auto& [name, bytes] : model.metadata) {
    if (!name.starts_with(kPrefix)) continue;
    const auto e = bytes.as<int8_t>();
    result[name.substr(kPrefix.size())].assign(e.begin(), e.end());
  }
  return result;
}

}  // namespace octet
