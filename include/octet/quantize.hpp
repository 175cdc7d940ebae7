// From a float model to a quantized one.
//
//   octet::Quantizer q(*model, octet::Recipe::int8());
//   for (const auto& sample : recorded)
//     if (octet::Status s = q.calibrate(sample); !s.ok()) { std::cerr << s.message() << '\n'; return 1; }
//   auto result = q.finish();
//   if (!result.ok()) { std::cerr << result.status().message() << '\n'; return 1; }
//   std::cout << result->report.error->sqnr_db << " dB on samples that were not given\n";
//   if (!result->model.save("small.tflite").ok()) return 1;
//   if (!result->assignment.save("small.json").ok()) return 1;  // apply() makes the same model of it
//
// The quantizer divides what it calibrates on by itself: a part of the samples sets ranges only, on up to 256
// rounding and biases are corrected, up to 32 choose between candidates, and up to 128 are held out. What the
// report says was measured on the held-out ones, with a model that was made without them; the model that is
// handed out is then made in the same way with all. Samples for corrections or to measure on may be given
// apart: correct() and finish(HeldOutSamples).
//
// A Quantizer is used by one thread at a time. Statistics and Assignment are handles on immutable data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octet/compare.hpp"
#include "octet/export.hpp"
#include "octet/model.hpp"
#include "octet/recipe.hpp"
#include "octet/samples.hpp"
#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

class CustomOps;            // custom.hpp
class StatisticsStore;      // internal
struct AssignmentDocument;  // internal

// ---- what is reported -----------------------------------------------------------------------------------

// Something a user should know about a tensor or operator.
struct Finding {
  std::string where;  // its name
  std::string what;
};

// An operator that computes in another type than the recipe's scheme says.
struct Fallback {
  std::string op;               // its name
  std::string kind;             // "CONV_2D"
  DType type = DType::float32;  // what it computes in instead
  std::string reason;
};

struct QuantizeReport {
  int64_t input_bytes = 0, output_bytes = 0;  // of the serialized models
  int ops_int8 = 0, ops_int16 = 0;            // by their activations
  int ops_float = 0;  // that compute in float; the QUANTIZE and DEQUANTIZE at borders do not count
  int ops_other = 0;  // that see indices, shapes or booleans only
  // How many operators another reader of the file computes in float (recipe.reader): those above, and those
  // whose integer form it does not have.
  int ops_float_in_file = 0;
  std::vector<Fallback> fallback;
  std::map<std::string, int> fusions;  // rule -> how often it fired
  std::string fusion_text;             // one line per site
  std::vector<Finding> findings;
  // What was measured, and on which samples: nothing was set or chosen with them, unless there was one sample
  // in all (held_out is false then).
  struct {
    int64_t samples = 0;
    bool held_out = false;
    double sqnr_db = 0;  // over all real outputs together, of what was measured
  } measured_on;
  // Against the source, with layers; when there were samples. Its `sqnr_db` is what was measured where that
  // is well determined. Of a classifier on few samples it is an estimate of what `model` reaches on samples
  // that were not given (MATH.md, Q21), because a few samples whose classes are close would decide the
  // measured figure. The estimate also uses the errors of samples that `model` was made with, corrected by
  // how much greater errors are on held-out ones; `measured_on.sqnr_db` uses held-out samples alone.
  std::optional<Comparison> error;
  int64_t calibration_samples = 0;
  std::optional<double> loss;  // of the caller's metric, as it was when the search ended
  bool target_met = true;      // of the recipe's min_sqnr_db and of the metric
};

// ---- statistics -----------------------------------------------------------------------------------------

// What was seen of one tensor, and the range that an observer chooses.
struct TensorRange {
  std::string name;
  float min = 0, max = 0;              // seen
  float range_min = 0, range_max = 0;  // to quantize
  // Values that are no data and were left out; `fill`: at most -1e30, the "minus infinity" of a mask.
  int64_t nan = 0, infinite = 0, fill = 0;
};

// Everything that data says about a model, in bounded memory: ranges of any observer, and the few samples
// that corrections and choices need. Quantizing with statistics gives the same bytes as with the data.
class Statistics {
 public:
  OCTET_API Statistics();  // of no sample
  OCTET_API static Result<Statistics> load(const std::string& path);
  OCTET_API static Result<Statistics> from_bytes(std::string_view bytes);
  OCTET_API Status save(const std::string& path) const;  // whole or not at all
  OCTET_API std::string to_bytes() const;

  // With what was gathered from another shard of the data, or from other data, added. The result does not
  // depend on the order of merging shards, and merged shards are what the whole data gives, byte for byte.
  OCTET_API Result<Statistics> merged(const Statistics& other) const;

  OCTET_API int64_t samples() const;   // that set ranges
  OCTET_API int64_t held_out() const;  // that do not
  OCTET_API bool partial() const;      // gathering did not come to its end
  // Kept samples that corrections and choices are made on, and the positions in the data of those that are
  // held out.
  OCTET_API int64_t correction_samples() const;
  OCTET_API int64_t selection_samples() const;
  OCTET_API std::vector<int64_t> held_out_positions() const;
  // Error on an unknown observer.
  OCTET_API Result<std::vector<TensorRange>> ranges(std::string_view observer = kDefaultObserver) const;

  // For the library itself.
  explicit Statistics(std::shared_ptr<const StatisticsStore> store) : store_(std::move(store)) {}
  const StatisticsStore& store() const { return *store_; }

 private:
  std::shared_ptr<const StatisticsStore> store_;
};

// ---- assignments ----------------------------------------------------------------------------------------

// Everything that was decided about a quantization, by the names of operators and tensors: a document in
// JSON, which can be printed, saved, edited and applied to the float model again without data.
class Assignment {
 public:
  // Whatever the text holds, the result is sound in itself or an error that names the entry.
  OCTET_API static Result<Assignment> from_json(std::string_view text);
  OCTET_API static Result<Assignment> load(const std::string& path);
  OCTET_API std::string to_json() const;
  OCTET_API Status save(const std::string& path) const;
  OCTET_API const Recipe& recipe() const;  // as it was kept

  // For the library itself.
  explicit Assignment(std::shared_ptr<const AssignmentDocument> document) : document_(std::move(document)) {}
  const AssignmentDocument& document() const { return *document_; }

 private:
  std::shared_ptr<const AssignmentDocument> document_;
};

// The model that an assignment describes: the same bytes as the result that it was taken from. Error when it
// is not about this source.
OCTET_API Result<Model> apply(const Model& source, const Assignment& assignment);

// ---- the quantizer --------------------------------------------------------------------------------------

struct QuantizeResult {
  Model model;
  // What the figures are of: made in the same way without the held-out samples, which `model` was made with,
  // too.
  Model measured;
  QuantizeReport report;
  Assignment assignment;
};

// A figure of the program's that must not be too high: points of accuracy that are lost, say.
struct LossTarget {
  std::function<Result<double>(const Model& candidate)> loss;
  double limit = 0;
  std::string reason;  // "to lose at most 1 point", for operators that are promoted for its sake
};

struct QuantizerOptions {
  int threads = 1;
  Progress progress = {};
  std::shared_ptr<const CustomOps> custom_ops = {};  // the program's custom operators; may be null
  // Hold some of the samples to calibrate on out; false when others are given to finish().
  bool hold_out = true;
};

// Which part of a data set a source has.
struct DataShard {
  int64_t index = 0, count = 1;  // the samples index, index + count, ... of all
  int64_t total = -1;            // samples of all shards; -1: those of the source
};

class Quantizer {
 public:
  // A wrong model or recipe is an error of the first call that needs it.
  OCTET_API explicit Quantizer(const Model& source, const Recipe& recipe = Recipe::int8(),
                               const QuantizerOptions& options = {});
  OCTET_API ~Quantizer();
  OCTET_API Quantizer(Quantizer&&) noexcept;
  OCTET_API Quantizer& operator=(Quantizer&&) noexcept;

  // Start from statistics instead of from nothing. finish() then needs no data, and calibrate() of a source
  // passes over the samples that they have.
  OCTET_API Status resume(Statistics so_far);
  // One sample: a view per input, of its type, and of its shape or another one that the model can be run
  // with. Nothing is kept of the views. How many are to come is not known: roles are dealt out as they come.
  OCTET_API Status calibrate(std::span<const ConstTensorView> sample);
  // All samples of a source, in one pass. `checkpoint` is called after each and may save what there is.
  OCTET_API Status calibrate(SampleSource& samples, const DataShard& shard = {},
                             const std::function<Status(const Statistics&)>& checkpoint = nullptr);
  // Correct rounding and biases on these samples (the first 256 at most) and not on those to calibrate on.
  OCTET_API Status correct(CorrectionSamples samples);
  // Promote operators until the target is met, or all that can be is promoted.
  OCTET_API void set_target(LossTarget target);

  // What was gathered so far; the handle does not change when more comes.
  OCTET_API Statistics statistics() const;
  // May be called again after more was calibrated. `held_out`: measure on these.
  OCTET_API Result<QuantizeResult> finish(HeldOutSamples held_out = {});

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

// The result that an assignment describes, with a report; figures are measured on `held_out`, if there is
// any.
OCTET_API Result<QuantizeResult> result_of(const Model& source, const Assignment& assignment,
                                           HeldOutSamples held_out = {},
                                           const QuantizerOptions& options = {});

// ---- parameters by tensor ---------------------------------------------------------------------------------

// A quantization of numbers from outside: `zero_points` has none (all 0), one for all, or one per scale; with
// several scales either `axis` or `block` is needed. Errors name the number that is not possible.
OCTET_API Result<Quantization> quantization_of(std::span<const double> scales,
                                               std::span<const double> zero_points = {},
                                               std::optional<int64_t> axis = {},
                                               std::optional<int64_t> block = {});

// How a quantized model holds one tensor.
struct TensorParameters {
  std::string name;
  size_t graph = 0;
  std::optional<size_t> index;  // in its graph; tells tensors with the same name apart
  std::optional<DType> dtype;   // not set: as it is
  Shape shape;
  Quantization quant;
  bool has_contents = false;
  std::vector<std::byte> contents;  // elements of `dtype`; int4 two to a byte
};
// What an operator of a quantized model reads and writes, by the names of tensors ("": nothing).
struct OperatorPorts {
  std::string kind;
  std::vector<std::string> inputs, outputs, intermediates;
};
struct ModelParameters {
  std::vector<TensorParameters> tensors;
  // Of the main graph, in order. May be empty: an operator then computes in integers where its outputs do.
  std::vector<OperatorPorts> operators;
  // By name of an activation: its channels were divided by 2^(exponent / 4) (MATH.md, Q19).
  std::map<std::string, std::vector<int8_t>> channel_exponents;
  Reader reader = Reader::tflite;  // what the model is made for
};

// Every tensor that has scale and zero point and every constant that is integers, and float ones of a model
// that is quantized in part. Integer operators that the file says in float are listed as what they are. Error
// when the model's operators lack inputs they cannot do without.
OCTET_API Result<ModelParameters> parameters_of(const Model& model);

struct Implanted {
  Model model;
  int64_t tensors = 0;   // that were found
  int64_t contents = 0;  // constants with new contents
  int64_t biases = 0;    // that were computed, because there were none
};
// The reverse: into a quantized model, or into the float model that one was made of, which then becomes what
// the parameters describe. A bias that is missing is computed from the scales of input and weights, other
// contents that are missing from the float ones. Errors name the tensor.
OCTET_API Result<Implanted> implant(const Model& source, const ModelParameters& parameters);

}  // namespace octet
