// Calibration: what values the tensors of a float graph take on real data.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "octet/tensor.hpp"
#include "quant/statistics/observer.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

class CustomOps;  // octet/custom.hpp

// Where samples come from: one at a time, so that memory does not grow with their number.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  // The next sample: one view per graph input, of its type and shape, valid until the next call.
  // False when there are no more.
  virtual Result<bool> next(std::vector<ConstTensorView>& sample) = 0;
  // Start again with the first sample.
  virtual Status rewind() = 0;
  // How many there are; -1 when that is not known.
  virtual int64_t size() const { return -1; }
};

// Called after each sample: how many are done and how many there are (-1: unknown).
using Progress = std::function<void(int64_t done, int64_t total)>;

struct CalibrateOptions {
  std::string observer{kDefaultObserver};
  int threads = 1;
  Progress progress;
  std::shared_ptr<const CustomOps> custom_ops;  // the program's custom operators; may be null
};

// The statistics of one graph. Movable, not copyable.
class Calibration {
 public:
  int64_t samples() const { return samples_; }
  const std::string& observer() const { return observer_; }
  uint64_t fingerprint() const { return fingerprint_; }
  // By value_key(); in order of the keys.
  const std::map<std::string, std::unique_ptr<Observer>>& values() const { return values_; }
  const Observer* find(const std::string& key) const;

  // Add the samples of another calibration of the same graph with the same observer.
  Status merge(const Calibration& other);
  // Through a temporary file beside `path`.
  Status save(const std::string& path) const;
  static Result<Calibration> load(const std::string& path);
  std::string to_json() const;
  static Result<Calibration> from_json(std::string_view text);

 private:
  friend class Calibrator;
  std::string observer_;
  uint64_t fingerprint_ = 0;
  int64_t samples_ = 0;
  std::map<std::string, std::unique_ptr<Observer>> values_;
};

// Run every sample of `samples` through the graph and gather statistics. `model` must be the output of
// prepare() (quantize.hpp). Continues `so_far` when given one, which must fit the model.
Result<Calibration> calibrate(const ModelData& model, SampleSource& samples, const CalibrateOptions& options,
                              Calibration so_far = {});

// The name under which statistics of a value are kept: its own, or with its number when it is not unique.
std::vector<std::string> value_keys(const Graph& g);
// The same for what lies inside operators, per node in the order of OpSpec::inner: "<key of its first
// output>/<name>".
std::vector<std::vector<std::string>> inner_keys(const Graph& g);

// A hash of operators, how they are connected, names, shapes and constants.
uint64_t fingerprint_of(const Graph& g);

}  // namespace octet
