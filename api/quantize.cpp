#include "octet/quantize.hpp"

#include <fmt/format.h>

#include "octet/try.hpp"
#include "quant/assign/document.hpp"
#include "quant/assign/implant.hpp"
#include "quant/quantize.hpp"
#include "quant/statistics/observer.hpp"
#include "quant/statistics/statistics.hpp"

namespace octet {
namespace {

std::shared_ptr<const StatisticsStore> shared_store(StatisticsStore store) {
  return std::make_shared<const StatisticsStore>(std::move(store));
}

// A handle on what somebody else owns, for as long as a call lasts.
Statistics borrowed(const StatisticsStore& store) {
  return Statistics(std::shared_ptr<const StatisticsStore>(std::shared_ptr<const void>(), &store));
}

std::shared_ptr<const AssignmentDocument> shared_document(AssignmentDocument document) {
  return std::make_shared<const AssignmentDocument>(std::move(document));
}

QuantizeResult public_result(QuantizedData data) {
  Model model(std::move(data.model));
  // Without held-out samples, what is measured is the model itself.
  Model measured = data.measured ? Model(std::move(data.measured)) : model;
  return {std::move(model), std::move(measured), std::move(data.report),
          Assignment(shared_document(std::move(data.assignment)))};
}

}  // namespace

// ---- Statistics -----------------------------------------------------------------------------------------

Statistics::Statistics() : store_(std::make_shared<const StatisticsStore>()) {}

Result<Statistics> Statistics::load(const std::string& path) {
  OCTET_ASSIGN(StatisticsStore store, StatisticsStore::load(path));
  return Statistics(shared_store(std::move(store)));
}

Result<Statistics> Statistics::from_bytes(std::string_view bytes) {
  OCTET_ASSIGN(StatisticsStore store, StatisticsStore::from_bytes(bytes));
  return Statistics(shared_store(std::move(store)));
}

Status Statistics::save(const std::string& path) const {
  return store_->save(path);
}

std::string Statistics::to_bytes() const {
  return store_->to_bytes();
}

Result<Statistics> Statistics::merged(const Statistics& other) const {
  StatisticsStore all = *store_;
  OCTET_TRY(all.merge(*other.store_));
  return Statistics(shared_store(std::move(all)));
}

int64_t Statistics::samples() const {
  return store_->samples();
}

int64_t Statistics::held_out() const {
  return store_->position() - store_->samples();
}

bool Statistics::partial() const {
  return store_->partial();
}

int64_t Statistics::correction_samples() const {
  return static_cast<int64_t>(store_->kept(SampleRole::correct).size());
}

int64_t Statistics::selection_samples() const {
  return static_cast<int64_t>(store_->kept(SampleRole::select).size());
}

std::vector<int64_t> Statistics::held_out_positions() const {
  std::vector<int64_t> positions;
  for (const auto& [position, _] : store_->kept(SampleRole::held_out))
    positions.push_back(position);
  return positions;
}

Result<std::vector<TensorRange>> Statistics::ranges(std::string_view observer_name) const {
  OCTET_ASSIGN(const Observer* observer, find_observer(observer_name));
  std::vector<TensorRange> ranges;
  for (const auto& [key, seen] : store_->values()) {
    const Range extremes = seen.extremes(), range = observer->range(seen);
    const NonFiniteCounts& odd = seen.non_finite();
    ranges.push_back(
        {key.first, extremes.min, extremes.max, range.min, range.max, odd.nan, odd.infinite, odd.fill});
  }
  return ranges;
}

// ---- Assignment -----------------------------------------------------------------------------------------

Result<Assignment> Assignment::from_json(std::string_view text) {
  OCTET_ASSIGN(AssignmentDocument document, AssignmentDocument::from_json(text));
  return Assignment(shared_document(std::move(document)));
}

Result<Assignment> Assignment::load(const std::string& path) {
  OCTET_ASSIGN(AssignmentDocument document, AssignmentDocument::load(path));
  return Assignment(shared_document(std::move(document)));
}

std::string Assignment::to_json() const {
  return document_->to_json();
}

Status Assignment::save(const std::string& path) const {
  return document_->save(path);
}

const Recipe& Assignment::recipe() const {
  return document_->recipe;
}

Result<Model> apply(const Model& source, const Assignment& assignment) {
  OCTET_ASSIGN(auto model, apply(*source.data(), assignment.document()).at(source.path()));
  return Model(std::move(model));
}

Result<QuantizeResult> result_of(const Model& source, const Assignment& assignment, HeldOutSamples held_out,
                                 const QuantizerOptions& options) {
  OCTET_ASSIGN(QuantizedData data, result_of(*source.data(), assignment.document(), held_out,
                                             {options.threads, options.progress, options.custom_ops})
                                       .at(source.path()));
  return public_result(std::move(data));
}

// ---- Quantizer ------------------------------------------------------------------------------------------

struct Quantizer::Data {
  Model source;
  Recipe recipe;
  QuantizerOptions options;
  StatisticsStore store;                     // while no sample comes by itself
  std::optional<StatisticsGatherer> stream;  // from the first such sample on
  SampleSet correction;                      // given apart
  LossTarget target;

  const StatisticsStore& seen() const { return stream ? stream->store() : store; }
  GatherOptions gather_options() const { return {options.threads, options.progress, options.custom_ops}; }
};

Quantizer::Quantizer(const Model& source, const Recipe& recipe, const QuantizerOptions& options)
    : data_(new Data{source, recipe, options, {}, {}, {}, {}}) {}
Quantizer::~Quantizer() = default;
Quantizer::Quantizer(Quantizer&&) noexcept = default;
Quantizer& Quantizer::operator=(Quantizer&&) noexcept = default;

Status Quantizer::resume(Statistics so_far) {
  if (data_->seen().position() > 0) return Status::invalid("something was calibrated already");
  data_->store = so_far.store();
  data_->stream.reset();
  return {};
}

Status Quantizer::calibrate(std::span<const ConstTensorView> sample) {
  Data& d = *data_;
  if (!d.stream) {
    GatherScope scope;
    scope.hold_out = d.options.hold_out;
    OCTET_ASSIGN(StatisticsGatherer stream,
                 StatisticsGatherer::begin(*d.source.data(), d.recipe, scope, d.gather_options(), d.store)
                     .at(d.source.path()));
    d.stream.emplace(std::move(stream));
    d.store = {};
  }
  OCTET_TRY(d.stream->add({sample.begin(), sample.end()}).at(d.source.path()));
  if (d.options.progress) d.options.progress("calibrating", d.seen().position(), -1);
  return {};
}

Status Quantizer::calibrate(SampleSource& samples, const DataShard& shard,
                            const std::function<Status(const Statistics&)>& checkpoint) {
  Data& d = *data_;
  if (d.stream) return Status::invalid("single samples were calibrated already; a source can't follow them");
  GatherScope scope;
  scope.hold_out = d.options.hold_out;
  scope.shard = shard.index;
  scope.shards = shard.count;
  scope.total = shard.total;
  std::function<Status(const StatisticsStore&)> save;
  if (checkpoint) save = [&](const StatisticsStore& s) { return checkpoint(borrowed(s)); };
  OCTET_ASSIGN(d.store, gather_statistics(*d.source.data(), samples, d.recipe, scope, d.gather_options(),
                                          d.store, save)
                            .at(d.source.path()));
  return {};
}

Status Quantizer::correct(CorrectionSamples samples) {
  Data& d = *data_;
  if (!samples) return Status::invalid("no samples to correct on");
  d.correction.clear();
  OCTET_TRY(samples.source->rewind());
  std::vector<ConstTensorView> sample;
  for (int64_t i = 0; i < SamplePlan::kMaxCorrect; ++i) {
    OCTET_ASSIGN(const bool more, samples.source->next(sample));
    if (!more) break;
    keep_sample(d.correction, i, sample);
  }
  if (d.correction.empty()) return Status::invalid("no samples to correct on");
  return {};
}

void Quantizer::set_target(LossTarget target) {
  data_->target = std::move(target);
}

Statistics Quantizer::statistics() const {
  return Statistics(shared_store(data_->seen()));
}

Result<QuantizeResult> Quantizer::finish(HeldOutSamples held_out) {
  Data& d = *data_;
  QuantizeOptions options;
  options.threads = d.options.threads;
  options.progress = d.options.progress;
  options.custom_ops = d.options.custom_ops;
  options.held_out = held_out;
  options.correction = d.correction.empty() ? nullptr : &d.correction;
  if (d.target.loss)
    options.loss = {[&](const std::shared_ptr<const ModelData>& m) { return d.target.loss(Model(m)); },
                    d.target.limit, d.target.reason};
  OCTET_ASSIGN(QuantizedData result,
               quantize(*d.source.data(), d.seen(), d.recipe, options).at(d.source.path()));
  return public_result(std::move(result));
}

// ---- parameters -----------------------------------------------------------------------------------------

Result<ModelParameters> parameters_of(const Model& model) {
  return parameters_of(*model.data()).at(model.path());
}

Result<Implanted> implant(const Model& source, const ModelParameters& parameters) {
  OCTET_ASSIGN(ImplantedData done, implant(*source.data(), parameters).at(source.path()));
  return Implanted{Model(std::move(done.model)), done.tensors, done.contents, done.biases};
}

// ---- compare --------------------------------------------------------------------------------------------

Result<Comparison> compare(const Model& a, const Model& b, SampleSource& samples,
                           const CompareOptions& options) {
  return compare(*a.data(), *b.data(), samples, options);
}

}  // namespace octet
