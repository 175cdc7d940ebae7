// octet quantize: the main job, from a float model and data to an int8 model and what it costs.
#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "cli/classify.hpp"
#include "cli/model_files.hpp"
#include "cli/output_file.hpp"
#include "cli/quant_args.hpp"
#include "cli/report.hpp"
#include "cli/sample_data.hpp"
#include "octet/quantize.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// --max-drop decides on so many samples at most; none of them is held out.
constexpr int64_t kMaxScored = 512;

struct QuantizeArgs {
  std::string model, output, stats, html, labels, assignment, save_assignment;
  std::vector<std::string> files, held_out;
  LabelOptions label_options;
  RecipeArgs recipe;
  DataArgs data;
  bool explain = false;
  double max_drop = -1;
  int threads = default_threads();
};

// Points of top-1 accuracy that a candidate loses, or of agreement where there are no labels.
class DropMetric {
 public:
  DropMetric(const QuantizeArgs& args, const DataOptions& data, Model source)
      : args_(args), data_(data), source_(std::move(source)) {}

  // On some samples that are not held out, or on those that are.
  void choose_samples(int64_t total, const std::vector<int64_t>& held_out) {
    std::vector<int64_t> work;
    for (int64_t i = 0; i < total; ++i)
      if (!std::binary_search(held_out.begin(), held_out.end(), i)) work.push_back(i);
    const auto n = static_cast<int64_t>(work.size());
    for (int64_t k = 0, most = std::min(n, kMaxScored); k < most; ++k)
      samples_.push_back(work[static_cast<size_t>(k * n / most)]);
    held_out_ = held_out.empty() ? samples_ : held_out;
  }
  Result<double> operator()(const Model& candidate) {
    OCTET_ASSIGN(const Scores s, scores(candidate, samples_));
    return 100 * (s.top1 ? *s.against_top1 - *s.top1 : 1 - *s.agreement);
  }
  Result<Scores> on_held_out(const Model& result) { return scores(result, held_out_); }

 private:
  Result<Scores> scores(const Model& quantized, const std::vector<int64_t>& samples) {
    const SessionOptions options{.exec = {.threads = args_.threads}, .signature = "", .resize = {}};
    OCTET_ASSIGN(const auto session, Session::open(quantized, args_.files, data_, options));
    OCTET_ASSIGN(const auto reference, Session::open(source_, args_.files, data_, options));
    OCTET_ASSIGN(const auto labels, labels_for(session->data(), args_.labels, args_.label_options));
    return score(*session, reference.get(), labels, samples);
  }

  const QuantizeArgs& args_;
  const DataOptions& data_;
  Model source_;
  std::vector<int64_t> samples_, held_out_;
};

Result<QuantizeResult> quantize_with_data(const QuantizeArgs& args, const DataOptions& data_options,
                                          const Model& source, Quantizer& quantizer, OpenData* data,
                                          HeldOutSamples held_out, QuantizeSummary& summary) {
  if (!args.stats.empty()) {
    OCTET_ASSIGN(Statistics statistics, Statistics::load(args.stats));
    OCTET_TRY(quantizer.resume(std::move(statistics)));
  } else if (data != nullptr) {
    DatasetSource samples = data->samples();
    OCTET_TRY(quantizer.calibrate(samples));
    summary.passes = 1;
  }
  summary.statistics = quantizer.statistics();
  DropMetric metric(args, data_options, source);
  if (args.max_drop >= 0) {
    metric.choose_samples(data->dataset.size(), summary.statistics.held_out_positions());
    quantizer.set_target({[&](const Model& m) -> Result<double> {
                            ++summary.passes;
                            return metric(m);
                          },
                          args.max_drop, fmt::format("to lose at most {:g} points", args.max_drop)});
  }
  OCTET_ASSIGN(QuantizeResult result, quantizer.finish(held_out));
  if (args.max_drop >= 0) {
    if (!result.report.target_met)
      return Status::invalid(fmt::format(
          "{}: {:.2f} points are lost with {} operators in int16 and {} in float, more than --max-drop {}; "
          "nothing was written",
          args.model, *result.report.loss, result.report.ops_int16, result.report.ops_float, args.max_drop));
    OCTET_ASSIGN(summary.scores, metric.on_held_out(result.measured));
  }
  return result;
}

// What a graph with an entry of its own adds to the report.
void add_entry(const std::string& signature, const QuantizeReport& r, QuantizeSummary& summary) {
  summary.entries.push_back({signature, r.ops_int8, r.ops_int16, r.ops_float,
                             r.error ? std::optional(r.error->sqnr_db) : std::nullopt});
  if (summary.entries.size() == 1) return;
  QuantizeReport& all = summary.report;
  all.ops_int8 += r.ops_int8;
  all.ops_int16 += r.ops_int16;
  all.ops_float += r.ops_float;
  all.ops_other += r.ops_other;
  all.ops_float_in_file += r.ops_float_in_file;
  all.target_met = all.target_met && r.target_met;
  all.fallback.insert(all.fallback.end(), r.fallback.begin(), r.fallback.end());
  all.findings.insert(all.findings.end(), r.findings.begin(), r.findings.end());
  for (const auto& [rule, n] : r.fusions)
    all.fusions[rule] += n;
  all.fusion_text += r.fusion_text;
  if (!all.error || !r.error) return;
  all.error->outputs.insert(all.error->outputs.end(), r.error->outputs.begin(), r.error->outputs.end());
  all.error->layers.insert(all.error->layers.end(), r.error->layers.begin(), r.error->layers.end());
  if (r.error->worst.sqnr_db < all.error->worst.sqnr_db) all.error->worst = r.error->worst;
}

// The signatures of other graphs than the main one, each graph once.
std::vector<Signature> further_entries(const Model& m) {
  std::vector<Signature> found;
  for (const Signature& s : m.signatures())
    if (s.graph != 0 &&
        std::none_of(found.begin(), found.end(), [&](const Signature& f) { return f.graph == s.graph; }))
      found.push_back(s);
  return found;
}

std::string main_signature(const Model& m) {
  for (const Signature& s : m.signatures())
    if (s.graph == 0) return s.key;
  return {};
}

// Graphs behind other signatures, on the same data where it fits them; a word where it does not.
Status quantize_further(const QuantizeArgs& args, const DataOptions& data_options, const Recipe& recipe,
                        const QuantizerOptions& options, QuantizeResult& result, QuantizeSummary& summary) {
  for (const Signature& s : further_entries(result.model)) {
    auto data = OpenData::open(result.model, args.files, data_options, static_cast<size_t>(s.graph));
    if (!data.ok() || args.max_drop >= 0 || args.files.empty()) {
      summary.report.findings.push_back(
          {fmt::format("signature '{}'", s.key),
           fmt::format("stays as it is: {}; quantize the result with --signature {} and data for it",
                       args.files.empty()   ? "only --data can be for several signatures"
                       : args.max_drop >= 0 ? "--max-drop is of one signature"
                                            : data.status().message(),
                       s.key)});
      continue;
    }
    Recipe of_entry = recipe;
    of_entry.signature = s.key;
    Quantizer quantizer(result.model, of_entry, options);
    DatasetSource samples = data->samples();
    OCTET_TRY(quantizer.calibrate(samples));
    ++summary.passes;
    OCTET_ASSIGN(QuantizeResult next, quantizer.finish());
    add_entry(s.key, next.report, summary);
    result.model = std::move(next.model);
  }
  return {};
}

Result<QuantizeSummary> quantize_model(const QuantizeArgs& args, const DataOptions& data_options,
                                       const Recipe& recipe) {
  const auto start = std::chrono::steady_clock::now();
  OCTET_ASSIGN(const Model source, open_model(args.model));
  OCTET_ASSIGN(const size_t graph, graph_of(source, recipe.signature));
  std::optional<OpenData> data, held_out;
  if (!args.files.empty()) {
    OCTET_ASSIGN(data, OpenData::open(source, args.files, data_options, graph));
  }
  if (!args.held_out.empty()) {
    OCTET_ASSIGN(held_out, OpenData::open(source, args.held_out, data_options, graph));
  }
  // A place that can't be written to is found out now rather than at the end.
  for (const std::string& path : {args.output, args.html, args.save_assignment})
    if (!path.empty()) OCTET_TRY(OutputFile::create(path).status());
  std::optional<DatasetSource> held_out_samples;
  if (held_out) held_out_samples.emplace(held_out->samples());
  const HeldOutSamples measured_on{held_out ? &*held_out_samples : nullptr};
  QuantizerOptions options{.threads = args.threads, .progress = phase_bars()};
  options.hold_out = !held_out;

  QuantizeSummary summary;
  std::optional<QuantizeResult> result;
  if (!args.assignment.empty()) {
    OCTET_ASSIGN(const Assignment assignment, Assignment::load(args.assignment));
    OCTET_ASSIGN(result, result_of(source, assignment, measured_on, options));
  } else {
    Quantizer quantizer(source, recipe, options);
    OCTET_ASSIGN(result, quantize_with_data(args, data_options, source, quantizer, data ? &*data : nullptr,
                                            measured_on, summary));
  }
  summary.recipe = result->assignment.recipe();
  if (!args.save_assignment.empty()) OCTET_TRY(save_file(args.save_assignment, result->assignment.to_json()));
  summary.report = std::move(result->report);
  add_entry(recipe.signature.empty() ? main_signature(source) : recipe.signature, summary.report, summary);
  if (recipe.signature.empty() && args.assignment.empty() && is_integer(recipe.scheme))
    OCTET_TRY(quantize_further(args, data_options, recipe, options, *result, summary));
  OCTET_ASSIGN(summary.output_bytes, save_model(result->model, args.output));
  summary.input = args.model, summary.output = args.output;
  summary.input_bytes = source.file_bytes();
  summary.result = std::move(result->model);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

Status check_usage(const QuantizeArgs& args, const Recipe& recipe, Context& context) {
  const bool has_input = !args.files.empty() || !args.stats.empty() || !args.assignment.empty();
  if (is_integer(recipe.scheme) && !has_input)
    return context.misuse(fmt::format("{}: scheme {} needs calibration data: give --data or --stats",
                                      args.model, name_of(recipe.scheme)));
  if (!args.stats.empty() && !args.files.empty())
    return context.misuse("--stats takes the place of --data; --held-out takes data to measure on");
  if (!args.assignment.empty() && (!args.files.empty() || !args.stats.empty()))
    return context.misuse(
        "--assignment takes the place of --data and --stats; --held-out takes data to measure on");
  if (args.max_drop >= 0 && !recipe.signature.empty())
    return context.misuse("--max-drop is of the main graph, not of a --signature");
  if (args.max_drop >= 0 && args.files.empty())
    return context.misuse("--max-drop needs --data to measure on");
  if (!args.labels.empty() && args.max_drop < 0) return context.misuse("--labels are for --max-drop");
  if (!args.recipe.raise_to.empty() && args.max_drop < 0 && recipe.min_sqnr_db <= 0)
    return context.misuse("--raise-to is for --min-sqnr and --max-drop");
  if (recipe.min_sqnr_db > 0 && !is_integer(recipe.scheme))
    return context.misuse(
        fmt::format("--min-sqnr is for the schemes int8 and int16x8, not for {}", name_of(recipe.scheme)));
  return {};
}

Status run_quantize(const QuantizeArgs& args, Context& context) {
  auto data = args.data.options();
  if (!data.ok()) return context.misuse(data.status().message());
  data->refuse_nan = true;
  OCTET_ASSIGN(const Recipe recipe, args.recipe.recipe());
  OCTET_TRY(check_usage(args, recipe, context));
  OCTET_ASSIGN(const QuantizeSummary summary, quantize_model(args, *data, recipe));
  if (!args.html.empty()) OCTET_TRY(save_file(args.html, html_report(summary)));
  if (context.json)
    print_json(summary_json(summary, args.explain));
  else
    print(summary_text(summary, args.explain));
  if (!summary.report.target_met)
    return Status::invalid(
        fmt::format("{}: the worst part of the outputs misses {:g} dB; {} is the best that was found",
                    args.model, recipe.min_sqnr_db, args.output));
  return {};
}

}  // namespace

Action add_quantize(Options& options) {
  auto args = std::make_shared<QuantizeArgs>();
  options.add("MODEL", args->model, "A float .tflite or .circle file").required();
  options.add("-o,--output", args->output, "The quantized model; .tflite or .circle")
      .required()
      .type_name("OUT");
  add_files_option(options, "-d,--data", args->files);
  options
      .add("--stats", args->stats,
           "Statistics from octet calibrate, in the place of --data; the result is the same, byte for byte")
      .type_name("STATS");
  options
      .add("--held-out", args->held_out,
           "Data to measure the result on, given as --data is; default: a part of --data that nothing else "
           "is done with")
      .type_name("PATH")
      .one_value_each();
  options
      .add("--assignment", args->assignment,
           "Apply this document of an earlier result, as it is or edited; no data is needed")
      .type_name("A.json");
  options
      .add("--save-assignment", args->save_assignment,
           "Write every decision of this result as a document for --assignment")
      .type_name("A.json");
  add_recipe_options(options, args->recipe);
  options
      .add("--max-drop", args->max_drop,
           "Promote operators to 16-bit activations, then to float, until at most X points of top-1 accuracy "
           "are lost (of agreement with the float model, without labels); fail where that is not enough")
      .range(0.0, 100.0)
      .type_name("X");
  options.add("--labels", args->labels, "Class indices for --max-drop: text, a CSV column or .npy")
      .type_name("FILE");
  options.add("--label-column", args->label_options.column, "Column of the CSV file").type_name("NAME");
  options.add("--label-offset", args->label_options.offset, "Add this to every label").type_name("N");
  options.add("--report", args->html, "Write a report with plots, one HTML file").type_name("R.html");
  options.add_flag("--explain", args->explain, "Say for every operator what became of it and why");
  add_threads_option(options, args->threads);
  add_data_options(options, args->data);
  options.footer(
      "JSON: input_bytes, output_bytes, ops_int8, ops_int16, ops_float, ops_float_in_file, reader, "
      "graphs[{signature, ops_int8, ops_int16, ops_float, sqnr_db}], fallback[{op, kind, type, reason}], "
      "sqnr_db, measured_on{samples, held_out, sqnr_db}, fusions{}, "
      "outputs[], layers[], findings[], "
      "data_passes, "
      "seconds");
  return [args](Context& context) { return run_quantize(*args, context); };
}

}  // namespace octet
