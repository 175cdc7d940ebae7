// Quantizing through the C interface.
#include <fmt/format.h>
#include <optional>
#include <vector>

#include "api/c_api.hpp"
#include "api/c_handles.hpp"
#include "octet/quantize.hpp"
#include "octet/try.hpp"

using octet::Status;
using octet::c_api::guarded;
using octet::c_api::null_argument;
using octet::c_api::read_struct;
using octet::c_api::write_struct;

struct octet_quantizer {
  octet::Model model;
  octet::Quantizer quantizer;
};

struct octet_quantized {
  octet::QuantizeResult result;
  std::string assignment;
};

namespace {

using Views = std::vector<octet::ConstTensorView>;

// Views of one sample of a model, with its stored shapes.
octet::Result<Views> sample_of(const std::vector<octet::TensorInfo>& infos, const void* const* inputs) {
  Views views;
  for (size_t i = 0; i < infos.size(); ++i) {
    const octet::TensorInfo& t = infos[i];
    if (inputs[i] == nullptr) return null_argument(fmt::format("input '{}'", t.name).c_str());
    views.push_back({inputs[i], t.dtype, t.shape.is_static() ? t.shape : t.stored_shape, t.quant});
  }
  return views;
}

// The program's callbacks as a source of samples.
class CallbackSamples final : public octet::SampleSource {
 public:
  static octet::Result<CallbackSamples> of(const octet::Model& model, const octet_samples* given) {
    octet_samples s;
    if (given == nullptr) return null_argument("samples");
    OCTET_TRY(read_struct(given, s));
    if (s.next == nullptr || s.rewind == nullptr) return null_argument("'next' or 'rewind' of samples");
    return CallbackSamples(model, s);
  }
  octet::Result<bool> next(Views& sample) override {
    std::vector<const void*> inputs(infos_.size(), nullptr);
    const int32_t answer = samples_.next(samples_.user, inputs.data());
    if (answer < 0) return Status::io(fmt::format("the program could not give a sample ({})", answer));
    if (answer == 0) return false;
    OCTET_ASSIGN(sample, sample_of(infos_, inputs.data()));
    return true;
  }
  Status rewind() override {
    const int32_t answer = samples_.rewind(samples_.user);
    if (answer == 0) return {};
    return Status::io(fmt::format("the program could not start again with its samples ({})", answer));
  }
  int64_t size() const override { return samples_.count > 0 ? samples_.count : -1; }

 private:
  CallbackSamples(const octet::Model& model, const octet_samples& samples)
      : infos_(model.inputs()), samples_(samples) {}
  std::vector<octet::TensorInfo> infos_;
  octet_samples samples_;
};

}  // namespace

int octet_quantizer_create(const octet_model* model, const octet_quantizer_options* options,
                           octet_quantizer** quantizer, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (quantizer == nullptr) return null_argument("quantizer");
    *quantizer = nullptr;
    if (model == nullptr) return null_argument("model");
    octet_quantizer_options o;
    OCTET_TRY(read_struct(options, o));
    octet::Recipe recipe;
    if (o.recipe != nullptr) {
      OCTET_ASSIGN(recipe, octet::Recipe::from_json(o.recipe).at("recipe"));
    }
    OCTET_TRY(recipe.check().at("recipe"));
    octet::QuantizerOptions own;
    own.threads = std::max(o.threads, 1);
    own.hold_out = o.no_hold_out == 0;
    if (o.custom_ops != nullptr) own.custom_ops = octet::c_api::shared(*o.custom_ops);
    if (o.progress != nullptr)
      own.progress = [o](std::string_view phase, int64_t done, int64_t total) {
        o.progress(o.user, std::string(phase).c_str(), done, total);
      };
    auto made = std::make_unique<octet_quantizer>(
        octet_quantizer{model->model, octet::Quantizer(model->model, recipe, own)});
    if (o.loss != nullptr)
      made->quantizer.set_target(
          {[o](const octet::Model& candidate) -> octet::Result<double> {
             octet_model* handle = nullptr;
             OCTET_TRY(octet::c_api::give_model(candidate, &handle));
             const std::unique_ptr<octet_model> owner(handle);
             double loss = 0;
             const int32_t answer = o.loss(o.user, handle, &loss);
             if (answer != 0)
               return Status::invalid(fmt::format("the program could not measure a candidate ({})", answer));
             return loss;
           },
           o.loss_limit, o.loss_reason != nullptr ? o.loss_reason : "to meet the target"});
    *quantizer = made.release();
    return {};
  });
}

void octet_quantizer_free(octet_quantizer* quantizer) {
  delete quantizer;
}

int octet_quantizer_calibrate(octet_quantizer* quantizer, const void* const* inputs, size_t input_count,
                              char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (quantizer == nullptr) return null_argument("quantizer");
    if (inputs == nullptr) return null_argument("inputs");
    const auto infos = quantizer->model.inputs();
    if (input_count != infos.size())
      return Status::invalid(fmt::format("the model has {} inputs, got {}", infos.size(), input_count));
    OCTET_ASSIGN(const Views sample, sample_of(infos, inputs));
    return quantizer->quantizer.calibrate(sample);
  });
}

int octet_quantizer_calibrate_all(octet_quantizer* quantizer, const octet_samples* samples, char* error,
                                  size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (quantizer == nullptr) return null_argument("quantizer");
    OCTET_ASSIGN(CallbackSamples source, CallbackSamples::of(quantizer->model, samples));
    return quantizer->quantizer.calibrate(source);
  });
}

int octet_quantizer_correct(octet_quantizer* quantizer, const octet_samples* samples, char* error,
                            size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (quantizer == nullptr) return null_argument("quantizer");
    OCTET_ASSIGN(CallbackSamples source, CallbackSamples::of(quantizer->model, samples));
    return quantizer->quantizer.correct({&source});
  });
}

int octet_quantizer_save_statistics(const octet_quantizer* quantizer, const char* path, char* error,
                                    size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (quantizer == nullptr) return null_argument("quantizer");
    if (path == nullptr) return null_argument("path");
    return quantizer->quantizer.statistics().save(path);
  });
}

int octet_quantizer_load_statistics(octet_quantizer* quantizer, const char* path, char* error,
                                    size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (quantizer == nullptr) return null_argument("quantizer");
    if (path == nullptr) return null_argument("path");
    OCTET_ASSIGN(octet::Statistics statistics, octet::Statistics::load(path));
    return quantizer->quantizer.resume(std::move(statistics));
  });
}

int octet_quantizer_finish(octet_quantizer* quantizer, const octet_samples* held_out,
                           octet_quantized** result, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (result == nullptr) return null_argument("result");
    *result = nullptr;
    if (quantizer == nullptr) return null_argument("quantizer");
    std::optional<CallbackSamples> source;
    if (held_out != nullptr) {
      OCTET_ASSIGN(source, CallbackSamples::of(quantizer->model, held_out));
    }
    OCTET_ASSIGN(octet::QuantizeResult made, quantizer->quantizer.finish({source ? &*source : nullptr}));
    std::string assignment = made.assignment.to_json();
    *result = new octet_quantized{std::move(made), std::move(assignment)};
    return {};
  });
}

void octet_quantized_free(octet_quantized* result) {
  delete result;
}

int octet_quantized_report(const octet_quantized* result, octet_quantize_report* report) {
  if (result == nullptr) return OCTET_INVALID_ARGUMENT;
  const octet::QuantizeReport& r = result->result.report;
  octet_quantize_report out{};
  out.input_bytes = r.input_bytes;
  out.output_bytes = r.output_bytes;
  out.ops_int8 = r.ops_int8;
  out.ops_int16 = r.ops_int16;
  out.ops_float = r.ops_float;
  out.ops_other = r.ops_other;
  out.target_met = r.target_met ? 1 : 0;
  out.held_out = r.measured_on.held_out ? 1 : 0;
  out.measured_samples = r.error ? r.measured_on.samples : 0;
  out.sqnr_db = r.error ? r.error->sqnr_db : 0;
  out.loss = r.loss.value_or(0);
  out.ops_float_in_file = r.ops_float_in_file;
  return write_struct(out, report);
}

size_t octet_quantized_fallback_count(const octet_quantized* result) {
  return result != nullptr ? result->result.report.fallback.size() : 0;
}

int octet_quantized_fallback(const octet_quantized* result, size_t index, octet_fallback* fallback) {
  if (index >= octet_quantized_fallback_count(result)) return OCTET_INVALID_ARGUMENT;
  const octet::Fallback& f = result->result.report.fallback[index];
  octet_fallback out{};
  out.op = f.op.c_str();
  out.kind = f.kind.c_str();
  out.reason = f.reason.c_str();
  out.dtype = static_cast<int32_t>(f.type);
  return write_struct(out, fallback);
}

int octet_quantized_model(const octet_quantized* result, octet_model** model, char* error,
                          size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (model == nullptr) return null_argument("model");
    *model = nullptr;
    if (result == nullptr) return null_argument("result");
    return octet::c_api::give_model(result->result.model, model);
  });
}

const char* octet_quantized_assignment(const octet_quantized* result) {
  return result != nullptr ? result->assignment.c_str() : nullptr;
}

int octet_apply_assignment(const octet_model* source, const char* assignment, octet_model** model,
                           char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (model == nullptr) return null_argument("model");
    *model = nullptr;
    if (source == nullptr) return null_argument("source");
    if (assignment == nullptr) return null_argument("assignment");
    OCTET_ASSIGN(const octet::Assignment document, octet::Assignment::from_json(assignment));
    return octet::c_api::give_model(octet::apply(source->model, document), model);
  });
}

int octet_compare(const octet_model* a, const octet_model* b, const octet_samples* samples, int32_t threads,
                  octet_comparison* comparison, char* error, size_t error_size) {
  return guarded(error, error_size, [&]() -> Status {
    if (a == nullptr || b == nullptr) return null_argument("a model");
    if (comparison == nullptr) return null_argument("comparison");
    OCTET_ASSIGN(CallbackSamples source, CallbackSamples::of(a->model, samples));
    OCTET_ASSIGN(const octet::Comparison c,
                 octet::compare(a->model, b->model, source, {.threads = std::max(threads, 1)}));
    octet_comparison out{};
    out.samples = c.samples;
    out.sqnr_db = c.sqnr_db;
    if (write_struct(out, comparison) != OCTET_OK) return Status::invalid("struct_size is not set");
    return {};
  });
}
