// quantize_model MODEL OUT: quantizes a float model inside a program. It calibrates on samples in memory,
// measures the result on others, saves it, and goes on with it in the place of the float model. Samples are
// random here; a program takes what it meets in its work.
#include <cstdio>
#include <random>
#include <vector>

#include "octet/octet.hpp"
#include "octet/try.hpp"

namespace {

// One sample: the memory of each input, and the views that the library reads.
struct Sample {
  std::vector<std::vector<float>> memory;
  std::vector<octet::ConstTensorView> views;
};

octet::Result<std::vector<Sample>> record(const octet::Model& model, int count) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> pixel(0, 1);
  std::vector<Sample> samples(static_cast<size_t>(count));
  for (Sample& s : samples)
    for (const octet::TensorInfo& t : model.inputs()) {
      if (t.dtype != octet::DType::float32)
        return octet::Status::unsupported("input '" + t.name + "' is not float32");
      const octet::Shape shape = t.shape.is_static() ? t.shape : t.stored_shape;
      std::vector<float>& values = s.memory.emplace_back(static_cast<size_t>(shape.elements()));
      for (float& v : values)
        v = pixel(random);
      s.views.push_back({values.data(), t.dtype, shape, {}});
    }
  return samples;
}

octet::Status run(const char* path, const char* out) {
  OCTET_ASSIGN(octet::Model model, octet::Model::load(path));
  OCTET_ASSIGN(const std::vector<Sample> recorded, record(model, 60));

  octet::Quantizer quantizer(model, octet::Recipe::int8(), {.threads = 2});
  std::vector<std::vector<octet::ConstTensorView>> others;
  for (size_t i = 0; i < recorded.size(); ++i) {
    if (i % 3 == 2)
      others.push_back(recorded[i].views);
    else
      OCTET_TRY(quantizer.calibrate(recorded[i].views));
  }
  octet::MemorySamples held_out(others);
  OCTET_ASSIGN(const octet::QuantizeResult result, quantizer.finish({&held_out}));
  const octet::QuantizeReport& report = result.report;
  std::printf("%lld -> %lld bytes, %d operators in int8, %d in float\n",
              static_cast<long long>(report.input_bytes), static_cast<long long>(report.output_bytes),
              report.ops_int8, report.ops_float);
  std::printf("%lld samples that the quantizer has not seen: %.1f dB\n",
              static_cast<long long>(report.measured_on.samples), report.error->sqnr_db);
  for (const octet::Fallback& f : report.fallback)
    std::printf("%s %s: %s\n", f.kind.c_str(), f.op.c_str(), f.reason.c_str());
  // The model that is handed out, once more.
  OCTET_ASSIGN(const octet::Comparison quality, octet::compare(model, result.model, held_out));
  std::printf("as it was saved: %.1f dB\n", quality.sqnr_db);
  OCTET_TRY(result.model.save(out));

  // From here on the program runs the small one: inputs and outputs are those of the float model.
  model = result.model;
  OCTET_ASSIGN(octet::Executor executor, octet::Executor::create(model, {.threads = 2}));
  OCTET_TRY(executor.run(recorded[0].views));
  const octet::ConstTensorView y = executor.output(0);
  if (y.elements() > 0) std::printf("output 0 starts with %g\n", static_cast<double>(y.as<float>()[0]));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const octet::Status status =
      argc == 3 ? run(argv[1], argv[2]) : octet::Status::invalid("usage: quantize_model MODEL OUT");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
