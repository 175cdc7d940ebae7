// From a float model to a quantized one.
//
//   auto prepared = octet::prepare(*model, recipe);                       // fused, equalized
//   auto stats = octet::calibrate(*prepared->model, samples, {.observer = recipe.observer});
//   auto result = octet::quantize(*prepared, *stats, recipe);             // assign, materialize, verify
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quant/assign/assign.hpp"
#include "quant/measure/compare.hpp"
#include "quant/recipe.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// A float model made ready: what is calibrated and quantized.
struct PreparedModel {
  bool equalized = false;   // weights were rescaled between layers
  int64_t input_bytes = 0;  // of the source model's file
  std::shared_ptr<const ModelData> model;
  NodeMarks int16_activations;  // operators of its main graph that 8 bits are too coarse for
  // What results are measured against, where `model` computes the same on some data only; null: `model`.
  std::shared_ptr<const ModelData> reference;
  std::map<std::string, int> fusions;  // rule -> how often it fired
  std::string fusion_text;             // one line per site
};
// Error when the model is quantized already.
Result<PreparedModel> prepare(const ModelData& source, const Recipe& recipe);

struct Fallback {
  std::string op;               // name of the operator
  std::string kind;             // "CONV_2D"
  DType type = DType::float32;  // what it computes in instead
  std::string reason;
};

struct QuantizeReport {
  int64_t input_bytes = 0, output_bytes = 0;  // of the serialized models
  int ops_int8 = 0, ops_int16 = 0;            // by their activations
  int ops_float = 0;  // that compute in float; the QUANTIZE and DEQUANTIZE at borders do not count
  int ops_other = 0;  // that see indices, shapes or booleans only
  std::vector<Fallback> fallback;
  std::map<std::string, int> fusions;
  std::string fusion_text;
  std::vector<Finding> findings;
  std::optional<Comparison> error;  // against the source, with layers; when there were samples
};

struct QuantizeResult {
  std::shared_ptr<const ModelData> model;
  QuantizeReport report;
};

// What choices between two results are made by: the mean SQNR of the outputs, in dB; of a classifier's scores
// in front of the exponential, which blows up the few samples where classes are close and hides all others.
double merit(const PreparedModel& prepared, const Comparison& error);

struct QuantizeOptions {
  int threads = 1;
  // Data to correct biases with and to measure the result on; without it neither is done.
  SampleSource* samples = nullptr;
  int64_t max_measured = 32;  // of the samples' last ones
  // Operators of the prepared model that compute in another type than the recipe says.
  std::vector<Forced> forced;
  Progress progress;
  std::shared_ptr<const CustomOps> custom_ops;  // the program's custom operators; may be null
};

// Schemes without integer activations ignore `calibration`.
Result<QuantizeResult> quantize(const PreparedModel& prepared, const Calibration& calibration,
                                const Recipe& recipe, const QuantizeOptions& options = {});

// A whole quantization: the recipe that was kept, and what came of it on the way.
struct QuantizeRun {
  Recipe recipe;
  PreparedModel prepared;
  Calibration calibration;
  QuantizeResult result;
};
// The steps of a quantization that need the data.
struct QuantizeSteps {
  std::function<Result<PreparedModel>(const PreparedModel&)> balance;  // balance.hpp; may be null
  std::function<Result<Calibration>(const PreparedModel&)> calibrate;
  // Makes and measures the result.
  std::function<Result<QuantizeResult>(const PreparedModel&, const Calibration&, const Recipe&)> finish;
};
// Equalization rescues networks with unbalanced channels and harms others, and so does balancing channels on
// data. When `prepared` was equalized and the result was measured, the job is done again without it, and the
// better result is kept; and once more with channels balanced, where there are any to balance.
Result<QuantizeRun> quantize_better(const ModelData& source, PreparedModel prepared, const Recipe& recipe,
                                    const QuantizeSteps& steps);

// All of it: prepare, calibrate, quantize, measure.
Result<QuantizeResult> quantize(const ModelData& source, SampleSource& samples, const Recipe& recipe,
                                const QuantizeOptions& options = {});

}  // namespace octet
