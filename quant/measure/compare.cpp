#include "quant/measure/compare.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <unordered_map>

#include "octet/custom.hpp"
#include "octet/try.hpp"
#include "quant/measure/parts.hpp"
#include "quant/passes/channel_balance.hpp"
#include "quant/portable.hpp"
#include "quant/reals.hpp"
#include "quant/statistics/runner.hpp"

namespace octet {
namespace {

// Sums over all elements of all samples of one tensor.
struct Sums {
  double aa = 0, bb = 0, ab = 0, dd = 0, abs = 0, most = 0;
  int64_t count = 0, differ = 0;

  void add(std::span<const float> x, std::span<const float> y) {
    for (size_t i = 0; i < x.size(); ++i) {
      const auto a = static_cast<double>(x[i]), b = static_cast<double>(y[i]);
      ++count;
      if (a == b || (std::isnan(a) && std::isnan(b))) {
        if (std::isfinite(a)) {
          aa += a * a;
          bb += b * b;
          ab += a * b;
        }
        continue;
      }
      ++differ;
      // An infinite or NaN reference has no error in dB; it shows as a mismatch.
      if (!std::isfinite(a) || !std::isfinite(b)) continue;
      const double d = a - b;
      aa += a * a;
      bb += b * b;
      ab += a * b;
      dd += d * d;
      abs += std::fabs(d);
      most = std::max(most, std::fabs(d));
    }
  }

  double sqnr_db() const {
    if (dd == 0) return kExactDb;
    if (aa == 0) return -kExactDb;
    return std::clamp(10 * std::log10(aa / dd), -kExactDb, kExactDb);
  }
  TensorError error(std::string name, bool real) const {
    TensorError e;
    e.name = std::move(name);
    e.sqnr_db = sqnr_db();
    e.cosine = aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : (aa == bb ? 1 : 0);
    e.max_abs = most;
    e.mean_abs = count == 0 ? 0 : abs / static_cast<double>(count);
    e.mismatch = count == 0 ? 0 : static_cast<double>(differ) / static_cast<double>(count);
    e.real = real;
    return e;
  }
};

// The sums of an output, and of its parts.
class OutputSums {
 public:
  explicit OutputSums(OutputParts parts) : parts_(std::move(parts)) {}

  void add(const Shape& shape, std::span<const float> x, std::span<const float> y) {
    whole_.add(x, y);
    if (shape_ != shape) part_of_ = parts_of_elements(parts_, shape);
    shape_ = shape;
    for (size_t i = 0; i < part_of_.size(); ++i) {
      const auto part = static_cast<size_t>(part_of_[i]);
      if (part >= sums_.size()) sums_.resize(part + 1);
      sums_[part].add(x.subspan(i, 1), y.subspan(i, 1));
    }
  }
  const Sums& whole() const { return whole_; }
  std::vector<PartError> parts() const {
    constexpr double kNextToNothing = 1e-4;  // of the energy
    double greatest = 0;
    for (const Sums& s : sums_)
      greatest = std::max(greatest, s.aa);
    std::vector<PartError> errors;
    for (size_t i = 0; i < sums_.size(); ++i)
      if (parts_.joined() || sums_[i].aa >= kNextToNothing * greatest)
        errors.push_back(
            {parts_.joined() ? parts_.names[i] : fmt::format("channel {}", i), sums_[i].sqnr_db()});
    return errors;
  }

 private:
  OutputParts parts_;
  std::optional<Shape> shape_;
  std::vector<int> part_of_;
  Sums whole_;
  std::vector<Sums> sums_;
};

// The entry of a value in a map by name: "x_int8" is the integer form of "x" where a file has both.
template <class Map>
auto find_value(const Map& by_name, std::string_view name) {
  constexpr std::string_view kSuffix = "_int8";
  const auto it = by_name.find(typename Map::key_type(name));
  if (it != by_name.end() || !name.ends_with(kSuffix)) return it;
  return by_name.find(typename Map::key_type(name.substr(0, name.size() - kSuffix.size())));
}

// The factors of channels, by which values of a model differ from what its source computes (exponents_of()).
class ChannelFactors {
 public:
  explicit ChannelFactors(const ModelData& m) : graph_(m.main()) {
    for (const auto& [name, exponents] : exponents_of(m))
      for (int8_t e : exponents)
        factors_[name].push_back(static_cast<float>(std::exp2(e / kExponentSteps)));
  }
  // A value in the real numbers of the source model.
  void to_source_reals(ValueId id, const ConstTensorView& view, std::vector<float>& out) const {
    to_reals(view, out);
    const auto it = find_value(factors_, graph_.value(id).name);
    if (it == factors_.end() || view.shape.rank() == 0) return;
    const std::vector<float>& f = it->second;
    if (view.shape[-1] != static_cast<int64_t>(f.size())) return;
    for (size_t i = 0; i < out.size(); ++i)
      out[i] *= f[i % f.size()];
  }

 private:
  const Graph& graph_;
  std::map<std::string, std::vector<float>> factors_;
};

// Keeps what model A computed for one sample, under the ids of its values.
class ReferenceValues final : public Tap {
 public:
  ReferenceValues(const ModelData& model, std::vector<char> wanted)
      : factors_(model), wanted_(std::move(wanted)), values_(wanted_.size()) {}
  void on_value(ValueId id, const ConstTensorView& view) override {
    const auto i = static_cast<size_t>(id);
    if (wanted_[i] != 0) factors_.to_source_reals(id, view, values_[i]);
  }
  const std::vector<float>& at(ValueId id) const { return values_[static_cast<size_t>(id)]; }

 private:
  ChannelFactors factors_;
  std::vector<char> wanted_;
  std::vector<std::vector<float>> values_;
};

// Compares every value of model B with its counterpart in A as soon as B has computed it.
class ErrorAccumulator final : public Tap {
 public:
  ErrorAccumulator(const ModelData& model, const ReferenceValues& reference,
                   const std::vector<ValueId>& partner)
      : factors_(model), reference_(reference), partner_(partner), sums_(partner.size()) {}
  void on_value(ValueId id, const ConstTensorView& view) override {
    const ValueId a = partner_[static_cast<size_t>(id)];
    if (a == kNoValue) return;
    factors_.to_source_reals(id, view, scratch_);
    if (scratch_.size() == reference_.at(a).size())
      sums_[static_cast<size_t>(id)].add(reference_.at(a), scratch_);
  }
  const Sums& sums(size_t id) const { return sums_[id]; }

 private:
  ChannelFactors factors_;
  const ReferenceValues& reference_;
  const std::vector<ValueId>& partner_;
  std::vector<Sums> sums_;
  std::vector<float> scratch_;
};

// For each value of B the value of A with the same name.
std::vector<ValueId> partners(const Graph& a, const Graph& b) {
  std::unordered_map<std::string_view, ValueId> by_name;
  for (size_t i = 0; i < a.values.size(); ++i)
    if (const Value& v = a.values[i]; !v.name.empty() && !v.is_constant() && is_float(v.dtype))
      by_name[v.name] = static_cast<ValueId>(i);
  std::vector<ValueId> result(b.values.size(), kNoValue), taken_by(a.values.size(), kNoValue);
  for (size_t i = 0; i < b.values.size(); ++i) {
    const Value& v = b.values[i];
    if (v.is_constant() || (!is_float(v.dtype) && v.quant.empty())) continue;
    const auto it = find_value(by_name, v.name);
    if (it == by_name.end()) continue;
    // A value may be there as integers and as reals; the integers are what it was computed as.
    ValueId& taken = taken_by[static_cast<size_t>(it->second)];
    if (taken != kNoValue && is_float(v.dtype)) continue;
    if (taken != kNoValue) result[static_cast<size_t>(taken)] = kNoValue;
    taken = static_cast<ValueId>(i);
    result[i] = it->second;
  }
  return result;
}

}  // namespace

Result<Comparison> compare(const ModelData& a, const ModelData& file_b, SampleSource& samples,
                           const CompareOptions& options) {
  // Layer by layer, too, with the integers that run.
  OCTET_ASSIGN(const ModelData b, integer_form(file_b));
  const Graph &ga = a.main(), &gb = b.main();
  if (ga.inputs.size() != gb.inputs.size() || ga.outputs.size() != gb.outputs.size())
    return Status::invalid(fmt::format("the models have {} and {} inputs, {} and {} outputs",
                                       ga.inputs.size(), gb.inputs.size(), ga.outputs.size(),
                                       gb.outputs.size()));
  std::vector<ValueId> partner(gb.values.size(), kNoValue);
  std::vector<char> wanted(ga.values.size(), 0);
  if (options.layers) {
    partner = partners(ga, gb);
    for (ValueId v : partner)
      if (v != kNoValue) wanted[static_cast<size_t>(v)] = 1;
  }
  ReferenceValues reference(a, std::move(wanted));
  ErrorAccumulator errors(b, reference, partner);
  Runner run_a(a, options.threads, options.layers, options.custom_ops),
      run_b(b, options.threads, false, options.custom_ops),
      run_layers(b, options.threads, true, options.custom_ops);
  std::vector<OutputSums> sums;
  for (OutputParts& parts : parts_of_outputs(ga))
    sums.emplace_back(std::move(parts));
  std::vector<ConstTensorView> sample, converted;
  std::vector<std::vector<std::byte>> storage(gb.inputs.size());
  std::vector<float> x, y;
  Comparison result;
  const int64_t last = options.count > INT64_MAX - options.first ? INT64_MAX : options.first + options.count;
  OCTET_TRY(samples.rewind());
  for (int64_t i = 0; i < last; ++i) {
    OCTET_ASSIGN(const bool more, samples.next(sample));
    if (!more) break;
    if (i < options.first) continue;
    auto status = run_a.run(sample, options.layers ? &reference : nullptr);
    if (!status.ok()) return std::move(status).at(fmt::format("sample {}", i));
    converted.clear();
    for (size_t k = 0; k < sample.size() && k < gb.inputs.size(); ++k) {
      OCTET_ASSIGN(const ConstTensorView v, convert(sample[k], gb.value(gb.inputs[k]).dtype,
                                                    gb.value(gb.inputs[k]).quant, storage[k]));
      converted.push_back(v);
    }
    status = run_b.run(converted);
    if (status.ok() && options.layers) status = run_layers.run(converted, &errors);
    if (!status.ok()) return std::move(status).at(fmt::format("sample {}", i));
    for (size_t k = 0; k < sums.size(); ++k) {
      const ConstTensorView va = run_a.executor().output(k), vb = run_b.executor().output(k);
      to_reals(va, x);
      to_reals(vb, y);
      if (x.size() != y.size())
        return Status::invalid(fmt::format("output {} is {} in one model and {} in the other", k,
                                           va.shape.to_string(), vb.shape.to_string()));
      sums[k].add(va.shape, x, y);
    }
    ++result.samples;
    if (options.progress)
      options.progress("measuring", result.samples,
                       samples.size() < 0 ? -1 : std::min(options.count, samples.size() - options.first));
  }
  if (result.samples == 0) return Status::invalid("no samples to compare the models on");
  Sums all;
  for (size_t k = 0; k < sums.size(); ++k) {
    const Value& v = ga.value(ga.outputs[k]);
    const bool real = is_float(v.dtype) || !v.quant.empty();
    const Sums& whole = sums[k].whole();
    result.outputs.push_back(whole.error(v.name, real));
    if (!real) continue;
    TensorError& error = result.outputs.back();
    error.parts = sums[k].parts();
    if (error.sqnr_db < result.worst.sqnr_db) result.worst = {v.name, "", error.sqnr_db};
    for (const PartError& p : error.parts)
      if (p.sqnr_db < result.worst.sqnr_db) result.worst = {v.name, p.name, p.sqnr_db};
    all.aa += whole.aa;
    all.dd += whole.dd;
  }
  result.sqnr_db = all.sqnr_db();
  for (size_t i = 0; i < partner.size(); ++i)
    if (partner[i] != kNoValue && errors.sums(i).count != 0)
      result.layers.push_back(errors.sums(i).error(ga.value(partner[i]).name, true));
  std::stable_sort(result.layers.begin(), result.layers.end(),
                   [](const TensorError& p, const TensorError& q) { return p.sqnr_db < q.sqnr_db; });
  return result;
}

}  // namespace octet
