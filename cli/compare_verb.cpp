// octet compare: how far two models are apart.
#include <fmt/format.h>

#include "cli/args.hpp"
#include "cli/model_files.hpp"
#include "cli/quality.hpp"
#include "cli/sample_data.hpp"
#include "octet/compare.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

struct CompareArgs {
  std::string a, b;
  std::vector<std::string> files;
  bool layers = false;
  int threads = default_threads();
  DataArgs data;
};

Status run_compare(const CompareArgs& args, Context& context) {
  auto options = args.data.options();
  if (!options.ok()) return context.misuse(options.status().message());
  OCTET_ASSIGN(const Model a, open_model(args.a));
  OCTET_ASSIGN(const Model b, open_model(args.b));
  OCTET_ASSIGN(OpenData data, OpenData::open(a, args.files, *options));
  DatasetSource source = data.samples();
  const CompareOptions how{.threads = args.threads, .layers = args.layers, .progress = phase_bars()};
  OCTET_ASSIGN(const Comparison c, compare(a, b, source, how));
  if (context.json) {
    Json doc = {{"a", args.a},
                {"b", args.b},
                {"samples", c.samples},
                {"sqnr_db", c.sqnr_db},
                {"worst", worst_json(c)},
                {"outputs", errors_json(c.outputs)}};
    if (args.layers) doc["layers"] = errors_json(c.layers);
    print_json(doc);
    return {};
  }
  print(errors_table(c.outputs, "output", SIZE_MAX));
  if (args.layers && !c.layers.empty()) print("\n" + errors_table(c.layers, "layer, worst first", SIZE_MAX));
  if (args.layers && c.layers.empty()) print("no layer has the same name in both models");
  print(fmt::format("{} samples, {:.2f} dB over all outputs", c.samples, c.sqnr_db));
  return {};
}

}  // namespace

Action add_compare(Options& options) {
  auto args = std::make_shared<CompareArgs>();
  options.add("A", args->a, "Reference model").required();
  options.add("B", args->b, "Model under test").required();
  add_files_option(options, "-d,--data", args->files);
  options.find("--data").required();
  options.add_flag("--layers", args->layers, "Also compare tensors that have the same name in both models");
  add_threads_option(options, args->threads);
  add_data_options(options, args->data);
  options.footer(
      "SQNR: signal to quantization noise ratio, 10 log10(sum a^2 / sum (a - b)^2); 200 dB stands for "
      "equality.\n"
      "JSON: outputs[{name, sqnr_db, cosine, max_abs, mean_abs, mismatch}], layers[{the same}]");
  return [args](Context& context) { return run_compare(*args, context); };
}

}  // namespace octet
