// octet quantize: the main job, from a float model and data to an int8 model and what it costs.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "cli/classify.hpp"
#include "cli/model_files.hpp"
#include "cli/output_file.hpp"
#include "cli/quality.hpp"
#include "cli/quant_args.hpp"
#include "cli/report.hpp"
#include "octet/try.hpp"
#include "quant/measure/sensitivity.hpp"
#include "quant/passes/channel_balance.hpp"
#include "quant/quantize.hpp"

namespace octet {
namespace {

// With so many samples or more, the last kMeasured are kept out of calibration and used to measure on; fewer
// are all needed for calibration, and the last of them serve for both.
constexpr int64_t kEnoughToHoldOut = 320, kMeasured = 32;
// How many times --max-drop tries again with more layers in float.
constexpr int kMostRounds = 12;

struct QuantizeArgs {
  std::string model, output, stats, html, labels;
  std::vector<std::string> files;
  LabelOptions label_options;
  RecipeArgs recipe;
  DataArgs data;
  bool explain = false;
  double max_drop = -1;
  int threads = default_threads();
};

class Quantizer {
 public:
  Quantizer(const QuantizeArgs& args, const DataOptions& data_options, Recipe recipe)
      : args_(args), data_options_(data_options), recipe_(std::move(recipe)) {}

  Result<QuantizeSummary> run() {
    const auto start = std::chrono::steady_clock::now();
    OCTET_ASSIGN(source_, load_model(args_.model));
    OCTET_ASSIGN(PreparedModel prepared, prepare(*source_, recipe_).at(args_.model));
    if (!args_.files.empty()) OCTET_TRY(open_data());
    // A place that can't be written to is found out now rather than at the end.
    {
      OCTET_ASSIGN(const auto probe, OutputFile::create(args_.output));
    }
    OCTET_ASSIGN(QuantizeRun run, quantize_all(std::move(prepared)));
    recipe_ = std::move(run.recipe);
    prepared_ = std::move(run.prepared);
    calibration_ = std::move(run.calibration);
    QuantizeResult result = std::move(run.result);
    if (args_.max_drop >= 0) OCTET_TRY(limit_drop(result));
    summary_.report = std::move(result.report);
    OCTET_ASSIGN(summary_.output_bytes, save_model(*result.model, args_.output));
    summary_.input = args_.model, summary_.output = args_.output;
    summary_.input_bytes = source_->file_bytes;
    summary_.recipe = recipe_;
    summary_.calibration = std::move(calibration_);
    summary_.held_out = held_out_;
    summary_.result = std::move(result.model);
    summary_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(summary_);
  }

 private:
  Status open_data() {
    inputs_ = input_specs(source_->main());
    OCTET_ASSIGN(data_, Dataset::open(args_.files, inputs_, data_options_).at(args_.model));
    if (data_->size() >= kEnoughToHoldOut) held_out_ = kMeasured;
    all_.emplace(*data_, inputs_, 0, data_->size());
    return {};
  }

  // Statistics that were given belong to one prepared model: there is nothing to choose then.
  Result<QuantizeRun> quantize_all(PreparedModel prepared) {
    if (!args_.stats.empty()) {
      OCTET_ASSIGN(Calibration given, given_statistics());
      held_out_ = 0;  // nobody knows what the statistics were made from
      OCTET_ASSIGN(QuantizeResult result, quantize_once(prepared, given, recipe_));
      return QuantizeRun{recipe_, std::move(prepared), std::move(given), std::move(result)};
    }
    QuantizeSteps steps;
    steps.balance = [this](const PreparedModel& p) { return balanced(p); };
    steps.calibrate = [this](const PreparedModel& p) { return gather(p); };
    steps.finish = [this](const PreparedModel& p, const Calibration& c, const Recipe& r) {
      return quantize_once(p, c, r);
    };
    return quantize_better(*source_, std::move(prepared), recipe_, steps);
  }

  Result<Calibration> given_statistics() {
    auto loaded = Calibration::load(args_.stats);
    if (loaded.ok()) return loaded;
    Status status = std::move(loaded).status();
    return status.message().starts_with(args_.stats) ? status : std::move(status).at(args_.stats);
  }

  Result<PreparedModel> balanced(const PreparedModel& prepared) {
    if (!data_) return prepared;
    DatasetSource source(*data_, inputs_, 0, data_->size() - held_out_);
    return balance(prepared, {.threads = args_.threads, .samples = &source, .progress = {}}).at(args_.model);
  }

  Result<Calibration> gather(const PreparedModel& prepared) {
    if (!data_ || !is_integer(recipe_.scheme)) return Calibration();
    ProgressBar bar("calibrating");
    DatasetSource source(*data_, inputs_, 0, data_->size() - held_out_);
    CalibrateOptions how{.observer = recipe_.observer, .threads = args_.threads, .progress = {}};
    how.progress = [&](int64_t done, int64_t total) { bar.update(done, total); };
    return calibrate(*prepared.model, source, how).at(args_.model);
  }

  Result<QuantizeResult> quantize_once(const PreparedModel& prepared, const Calibration& calibration,
                                       const Recipe& recipe) {
    ProgressBar bar("quantizing");
    QuantizeOptions how{.threads = args_.threads,
                        .samples = nullptr,
                        .max_measured = kMeasured,
                        .forced = forced_,
                        .progress = {}};
    if (all_) {
      OCTET_TRY(all_->rewind());
      how.samples = &*all_;
    }
    how.progress = [&](int64_t done, int64_t total) { bar.update(done, total); };
    return quantize(prepared, calibration, recipe, how).at(args_.model);
  }

  // Points of top-1 lost against the float model, or of agreement where there are no labels.
  Result<double> drop_of(const ModelPtr& quantized) {
    const SessionOptions options{.exec = {.threads = args_.threads}, .signature = "", .resize = {}};
    OCTET_ASSIGN(const auto session, Session::open(quantized, args_.files, data_options_, options));
    OCTET_ASSIGN(const auto reference, Session::open(source_, args_.files, data_options_, options));
    OCTET_ASSIGN(const auto labels, labels_for(session->data(), args_.labels, args_.label_options));
    const int64_t first = held_out_ > 0 ? session->size() - held_out_ : 0;
    OCTET_ASSIGN(const Scores s, score(*session, reference.get(), labels, first, session->size()));
    summary_.scores = s;
    return 100 * (s.top1 ? *s.against_top1 - *s.top1 : 1 - *s.agreement);
  }

  // Raise the worst activations to 16 bits, twice as many in each round, until the loss is small enough; then
  // leave the worst layers in float likewise.
  Status limit_drop(QuantizeResult& result) {
    OCTET_ASSIGN(double drop, drop_of(result.model));
    if (drop > args_.max_drop && recipe_.scheme == Scheme::int8 && recipe_.raise_to == RaiseTo::int16)
      OCTET_TRY(raise_to_16_bits(result, drop));
    const std::vector<std::string> asked = recipe_.keep_float;
    std::vector<std::string> worst;
    if (result.report.error)
      for (const TensorError& e : result.report.error->layers)
        if (e.real) worst.push_back(e.name);
    size_t kept = 0;
    for (int round = 0; drop > args_.max_drop && kept < worst.size() && round < kMostRounds; ++round) {
      kept = std::min(kept == 0 ? 1 : 2 * kept, worst.size());
      recipe_.keep_float = asked;
      recipe_.keep_float.insert(recipe_.keep_float.end(), worst.begin(),
                                worst.begin() + static_cast<ptrdiff_t>(kept));
      OCTET_ASSIGN(result, quantize_once(prepared_, calibration_, recipe_));
      OCTET_ASSIGN(drop, drop_of(result.model));
    }
    if (drop > args_.max_drop)
      return Status::invalid(fmt::format(
          "{}: {:.2f} points are lost with {} operators in int16 and {} layers in float, more than "
          "--max-drop {}; nothing was written",
          args_.model, drop, result.report.ops_int16, kept, args_.max_drop));
    return {};
  }

  Status raise_to_16_bits(QuantizeResult& result, double& drop) {
    std::vector<NoisyActivation> ranked;
    {
      ProgressBar bar("searching");
      QuantizeOptions how{.threads = args_.threads, .samples = &*all_, .progress = {}};
      how.progress = [&](int64_t done, int64_t total) { bar.update(done, total); };
      OCTET_ASSIGN(ranked, rank_activations(prepared_, calibration_, recipe_, how).at(args_.model));
    }
    const std::string why = fmt::format("has 16-bit activations to lose at most {:g} points", args_.max_drop);
    for (size_t raised = 0; drop > args_.max_drop && raised < ranked.size();) {
      raised = std::min(raised == 0 ? 1 : 2 * raised, ranked.size());
      forced_.clear();
      for (size_t i = 0; i < raised; ++i)
        for (NodeId n : ranked[i].nodes)
          forced_.push_back({n, DType::int16, why});
      OCTET_ASSIGN(result, quantize_once(prepared_, calibration_, recipe_));
      OCTET_ASSIGN(drop, drop_of(result.model));
    }
    return {};
  }

  const QuantizeArgs& args_;
  const DataOptions& data_options_;
  Recipe recipe_;
  ModelPtr source_;
  PreparedModel prepared_;
  std::vector<InputSpec> inputs_;
  std::optional<Dataset> data_;
  std::optional<DatasetSource> all_;
  int64_t held_out_ = 0;
  Calibration calibration_;
  std::vector<Forced> forced_;  // what --max-drop raised to 16 bits
  QuantizeSummary summary_;
};

Status run_quantize(const QuantizeArgs& args, Context& context) {
  auto data = args.data.options();
  if (!data.ok()) return context.misuse(data.status().message());
  data->refuse_nan = true;
  OCTET_ASSIGN(Recipe recipe, args.recipe.recipe());
  if (is_integer(recipe.scheme) && args.files.empty() && args.stats.empty())
    return context.misuse(fmt::format("{}: scheme {} needs calibration data: give --data or --stats",
                                      args.model, name_of(recipe.scheme)));
  if (args.max_drop >= 0 && args.files.empty())
    return context.misuse("--max-drop needs --data to measure on");
  if (recipe.min_sqnr_db > 0 && !is_integer(recipe.scheme))
    return context.misuse(
        fmt::format("--min-sqnr is for the schemes int8 and int16x8, not for {}", name_of(recipe.scheme)));
  if (recipe.min_sqnr_db > 0 && args.files.empty())
    return context.misuse("--min-sqnr needs --data to measure on");
  OCTET_ASSIGN(const QuantizeSummary summary, Quantizer(args, *data, std::move(recipe)).run());
  if (!args.html.empty()) OCTET_TRY(save_file(args.html, html_report(summary)));
  if (context.json)
    print_json(summary_json(summary, args.explain));
  else
    print(summary_text(summary, args.explain));
  return {};
}

}  // namespace

Action add_quantize(CLI::App& app) {
  auto args = std::make_shared<QuantizeArgs>();
  app.add_option("MODEL", args->model, "A float .tflite or .circle file")->required();
  app.add_option("-o,--output", args->output, "The quantized model; .tflite or .circle")
      ->required()
      ->type_name("OUT");
  add_files_option(app, "-d,--data", args->files);
  app.add_option("--stats", args->stats, "Statistics from octet calibrate instead of calibrating now")
      ->type_name("STATS.json");
  add_recipe_options(app, args->recipe);
  app.add_option("--max-drop", args->max_drop,
                 "Raise the worst operators to 16-bit activations, then leave the worst layers in float, "
                 "until at most "
                 "X points of top-1 accuracy are lost (of agreement with the float model, without labels); "
                 "fail where "
                 "that is not enough")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("X");
  app.add_option("--labels", args->labels, "Class indices for --max-drop: text, a CSV column or .npy")
      ->type_name("FILE");
  app.add_option("--label-column", args->label_options.column, "Column of the CSV file")->type_name("NAME");
  app.add_option("--label-offset", args->label_options.offset, "Add this to every label")->type_name("N");
  app.add_option("--report", args->html, "Write a report with plots, one HTML file")->type_name("R.html");
  app.add_flag("--explain", args->explain, "Say for every operator what became of it and why");
  add_threads_option(app, args->threads);
  add_data_options(app, args->data);
  app.footer(
      "JSON: input_bytes, output_bytes, ops_int8, ops_int16, ops_float, fallback[{op, kind, type, reason}], "
      "sqnr_db, "
      "fusions{}, "
      "outputs[], layers[], findings[], seconds");
  return [args](Context& context) { return run_quantize(*args, context); };
}

}  // namespace octet
