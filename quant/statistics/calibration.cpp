#include "quant/statistics/calibration.hpp"

#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"
#include "quant/json_util.hpp"
#include "quant/statistics/runner.hpp"

namespace octet {
namespace {

constexpr int kFileVersion = 1;

// FNV-1a over whole words, for constants of many megabytes.
class Hash {
 public:
  void add(uint64_t x) {
    state_ ^= x;
    state_ *= 0x100000001b3u;
    state_ ^= state_ >> 29;
  }
  void add(std::string_view s) { add(std::as_bytes(std::span(s))); }
  void add(std::span<const std::byte> bytes) {
    add(bytes.size());
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), 8);
      if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
      add(word);
    }
    for (std::byte b : bytes)
      add(static_cast<uint64_t>(b));
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

}  // namespace

// Feeds the float32 values of every run to their observers.
class Calibrator final : public Tap {
 public:
  static Result<Calibration> run(const ModelData& model, SampleSource& samples,
                                 const CalibrateOptions& options, Calibration so_far);

 private:
  explicit Calibrator(const Graph& g)
      : keys_(value_keys(g)),
        inner_keys_(inner_keys(g)),
        producer_(uses_of(g).producer),
        observers_(g.values.size()) {}

  void on_value(ValueId id, const ConstTensorView& view) override {
    if (view.dtype != DType::float32 || view.elements() == 0) return;
    auto& observer = observers_[static_cast<size_t>(id)];
    if (observer == nullptr) observer = observer_of(keys_[static_cast<size_t>(id)]);
    if (observer != nullptr) observer->observe({view.as<float>(), static_cast<size_t>(view.elements())});
  }

  void on_inner(ValueId output, size_t which, std::span<const float> values) override {
    const NodeId node = producer_[static_cast<size_t>(output)];
    Observer* observer = observer_of(inner_keys_[static_cast<size_t>(node)][which]);
    if (observer != nullptr) observer->observe(values);
  }

  // Null only for an unknown kind of observer, which was checked before the first run.
  Observer* observer_of(const std::string& key) {
    auto& slot = calibration_.values_[key];
    if (slot == nullptr) {
      auto made = make_observer(calibration_.observer_);
      if (!made.ok()) return nullptr;
      slot = *std::move(made);
    }
    return slot.get();
  }

  std::vector<std::string> keys_;
  std::vector<std::vector<std::string>> inner_keys_;
  std::vector<NodeId> producer_;
  std::vector<Observer*> observers_;
  Calibration calibration_;
};

Result<Calibration> Calibrator::run(const ModelData& model, SampleSource& samples,
                                    const CalibrateOptions& options, Calibration so_far) {
  const Graph& g = model.main();
  Calibrator tap(g);
  Calibration& c = tap.calibration_;
  const uint64_t fingerprint = fingerprint_of(g);
  OCTET_ASSIGN(const auto known, make_observer(options.observer));
  if (so_far.samples_ != 0) {
    if (so_far.fingerprint_ != fingerprint)
      return Status::invalid("the statistics to continue were taken from another model");
    if (so_far.observer_ != options.observer)
      return Status::invalid(fmt::format("the statistics to continue are of observer '{}', not '{}'",
                                         so_far.observer_, options.observer));
  }
  c = std::move(so_far);
  c.observer_ = options.observer;
  c.fingerprint_ = fingerprint;
  Runner runner(model, options.threads, true, options.custom_ops);
  std::vector<ConstTensorView> sample;
  for (int64_t done = 0;; ++done) {
    OCTET_ASSIGN(const bool more, samples.next(sample));
    if (!more) break;
    auto status = runner.run(sample, &tap);
    if (!status.ok()) return std::move(status).at(fmt::format("sample {}", done));
    ++c.samples_;
    if (options.progress) options.progress(done + 1, samples.size());
  }
  if (c.samples_ == 0) return Status::invalid("no calibration data");
  return std::move(c);
}

Result<Calibration> calibrate(const ModelData& model, SampleSource& samples, const CalibrateOptions& options,
                              Calibration so_far) {
  return Calibrator::run(model, samples, options, std::move(so_far));
}

const Observer* Calibration::find(const std::string& key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : it->second.get();
}

Status Calibration::merge(const Calibration& other) {
  if (samples_ != 0 && other.samples_ != 0) {
    if (fingerprint_ != other.fingerprint_)
      return Status::invalid("the statistics were taken from different models");
    if (observer_ != other.observer_)
      return Status::invalid(fmt::format("the statistics are of different observers, '{}' and '{}'",
                                         observer_, other.observer_));
  }
  if (other.samples_ == 0) return {};
  if (samples_ > INT64_MAX - other.samples_) return Status::exhausted("too many samples to count");
  if (samples_ == 0) {
    fingerprint_ = other.fingerprint_;
    observer_ = other.observer_;
  }
  for (const auto& [key, observer] : other.values_) {
    auto& mine = values_[key];
    if (mine == nullptr) {
      OCTET_ASSIGN(mine, make_observer(observer_));
    }
    auto status = mine->merge(*observer);
    if (!status.ok()) return std::move(status).at(key);
  }
  samples_ += other.samples_;
  return {};
}

std::string Calibration::to_json() const {
  nlohmann::json values = nlohmann::json::object();
  for (const auto& [key, observer] : values_)
    values[key] = observer->save();
  const nlohmann::json json = {{"octet_calibration", kFileVersion},
                               {"observer", observer_},
                               {"fingerprint", fmt::format("{:016x}", fingerprint_)},
                               {"samples", samples_},
                               {"values", std::move(values)}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<Calibration> Calibration::from_json(std::string_view text) {
  OCTET_ASSIGN(const nlohmann::json json, parse_json(text));
  Calibration c;
  if (auto version = json_int(json, "octet_calibration", kFileVersion, kFileVersion); !version.ok())
    return std::move(version).status().at("not a calibration file of this version");
  OCTET_ASSIGN(c.observer_, json_string(json, "observer"));
  OCTET_ASSIGN(const std::string fingerprint, json_string(json, "fingerprint"));
  OCTET_ASSIGN(c.samples_, json_int(json, "samples", 0, int64_t{1} << 50));
  if (fingerprint.size() != 16 || fingerprint.find_first_not_of("0123456789abcdef") != std::string::npos)
    return Status::invalid("'fingerprint' is not 16 hexadecimal digits");
  c.fingerprint_ = std::stoull(fingerprint, nullptr, 16);
  OCTET_ASSIGN(const auto known, make_observer(c.observer_));
  const auto values = json.find("values");
  if (values == json.end() || !values->is_object()) return Status::invalid("'values' is not an object");
  for (const auto& [key, value] : values->items()) {
    OCTET_ASSIGN(auto observer, make_observer(c.observer_));
    auto status = observer->load(value);
    if (!status.ok()) return std::move(status).at(fmt::format("value '{}'", key));
    c.values_[key] = std::move(observer);
  }
  return c;
}

Status Calibration::save(const std::string& path) const {
  return write_file(path, to_json());
}

Result<Calibration> Calibration::load(const std::string& path) {
  OCTET_ASSIGN(const std::string text, read_file(path));
  return from_json(text).at(path);
}

std::vector<std::string> value_keys(const Graph& g) {
  std::map<std::string_view, int> seen;
  for (const Value& v : g.values)
    ++seen[v.name];
  std::vector<std::string> keys;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const std::string& name = g.values[i].name;
    keys.push_back(!name.empty() && seen[name] == 1 ? name : fmt::format("{}#{}", name, i));
  }
  // A name may look like one of these on purpose.
  std::set<std::string> taken;
  for (std::string& key : keys)
    while (!taken.insert(key).second)
      key += "'";
  return keys;
}

std::vector<std::vector<std::string>> inner_keys(const Graph& g) {
  const std::vector<std::string> keys = value_keys(g);
  std::set<std::string> taken(keys.begin(), keys.end());
  std::vector<std::vector<std::string>> inner(g.nodes.size());
  for (size_t n = 0; n < g.nodes.size(); ++n) {
    const OpSpec* spec = find_spec(g.nodes[n].kind);
    const ValueId output = g.nodes[n].outputs.empty() ? kNoValue : g.nodes[n].outputs[0];
    if (spec == nullptr || output == kNoValue) continue;
    for (std::string_view name : spec->inner) {
      std::string key = fmt::format("{}/{}", keys[static_cast<size_t>(output)], name);
      while (!taken.insert(key).second)
        key += "'";
      inner[n].push_back(std::move(key));
    }
  }
  return inner;
}

uint64_t fingerprint_of(const Graph& g) {
  Hash h;
  for (const Value& v : g.values) {
    h.add(v.name);
    h.add(static_cast<uint64_t>(v.dtype));
    h.add(static_cast<uint64_t>(v.shape.rank()));
    for (int32_t d : v.shape.dims())
      h.add(static_cast<uint64_t>(static_cast<int64_t>(d)));
    h.add(v.is_constant() ? 1 : 0);
    if (v.is_constant()) h.add(v.constant.bytes());
  }
  auto add_ids = [&](const std::vector<ValueId>& ids) {
    h.add(ids.size());
    for (ValueId id : ids)
      h.add(static_cast<uint64_t>(static_cast<int64_t>(id)));
  };
  for (const Node& n : g.nodes) {
    h.add(name_of(n.kind));
    if (const Activation* act = activation_of(n.attrs); act != nullptr) {
      h.add(static_cast<uint64_t>(act->kind));
      h.add(std::bit_cast<uint32_t>(act->lo));
      h.add(std::bit_cast<uint32_t>(act->hi));
    }
    add_ids(n.inputs);
    add_ids(n.outputs);
  }
  add_ids(g.inputs);
  add_ids(g.outputs);
  return h.value();
}

}  // namespace octet
