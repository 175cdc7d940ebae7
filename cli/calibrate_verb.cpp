// octet calibrate: statistics of a float model's tensors, streamed, resumable, mergeable.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>

#include "cli/model_files.hpp"
#include "cli/output_file.hpp"
#include "cli/quant_args.hpp"
#include "cli/sample_data.hpp"
#include "octet/quantize.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// What was gathered is saved so often, for --resume; less often where saving takes long.
constexpr double kCheckpointSeconds = 5, kCheckpointShare = 20;

struct CalibrateArgs {
  std::string model, output, shard;
  std::vector<std::string> files, merge;
  bool resume = false;
  int threads = default_threads();
  RecipeArgs recipe;
  DataArgs data;
};

struct Shard {
  int64_t index = 0, count = 1;
};
Result<Shard> parse_shard(const std::string& text) {
  Shard s;
  if (text.empty()) return s;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, s.index);
  const auto second = first.ptr < end && *first.ptr == '/'
                          ? std::from_chars(first.ptr + 1, end, s.count)
                          : std::from_chars_result{end, std::errc::invalid_argument};
  if (first.ec != std::errc() || second.ec != std::errc() || second.ptr != end || s.index < 1 ||
      s.index > s.count)
    return Status::invalid(fmt::format("--shard: '{}' is not i/n with 1 <= i <= n", text));
  --s.index;
  return s;
}

Status report(const Statistics& s, const std::string& observer, const std::string& path,
              const Context& context) {
  OCTET_ASSIGN(const std::vector<TensorRange> ranges, s.ranges(observer));
  Json values = Json::array(), non_finite = Json::array();
  Table table({"tensor", ">min", ">max", ">range", ">to"});
  for (const TensorRange& t : ranges) {
    values.push_back(
        {{"name", t.name}, {"min", t.min}, {"max", t.max}, {"range", {t.range_min, t.range_max}}});
    table.add({shorten(t.name), fmt::format("{:.6g}", t.min), fmt::format("{:.6g}", t.max),
               fmt::format("{:.6g}", t.range_min), fmt::format("{:.6g}", t.range_max)});
    if (t.nan + t.infinite + t.fill > 0)
      non_finite.push_back({{"name", t.name}, {"nan", t.nan}, {"infinite", t.infinite}, {"fill", t.fill}});
  }
  if (context.json) {
    print_json({{"file", path},
                {"samples", s.samples()},
                {"held_out", s.held_out()},
                {"partial", s.partial()},
                {"observer", observer},
                {"values", values},
                {"non_finite", non_finite}});
    return {};
  }
  print(table.text());
  for (const Json& o : non_finite)
    print(fmt::format("{}: {} NaN, {} infinite, {} fill values were left out", o["name"].get<std::string>(),
                      o["nan"].get<int64_t>(), o["infinite"].get<int64_t>(), o["fill"].get<int64_t>()));
  print(fmt::format("{}: {} samples, {} more held out{}", path, s.samples(), s.held_out(),
                    s.partial() ? "; partial" : ""));
  return {};
}

Status merge(const CalibrateArgs& args, Context& context) {
  OCTET_ASSIGN(Statistics all, Statistics::load(args.merge[0]));
  for (size_t i = 1; i < args.merge.size(); ++i) {
    OCTET_ASSIGN(const Statistics more, Statistics::load(args.merge[i]));
    OCTET_ASSIGN(all, all.merged(more).at(args.merge[i]));
  }
  OCTET_TRY(save_file(args.output, all.to_bytes()));
  OCTET_ASSIGN(const Recipe recipe, args.recipe.recipe());
  return report(all, recipe.observer, args.output, context);
}

// Saves what there is every few seconds.
class Checkpoints {
 public:
  explicit Checkpoints(std::string path) : path_(std::move(path)) {}
  Status operator()(const Statistics& s) {
    const auto now = Clock::now();
    if (now < next_) return {};
    OCTET_TRY(save_file(path_, s.to_bytes()));
    const auto saved = Clock::now();
    const double seconds = std::chrono::duration<double>(saved - now).count();
    next_ = saved + after(std::max(kCheckpointSeconds, kCheckpointShare * seconds));
    return {};
  }

 private:
  using Clock = std::chrono::steady_clock;
  static Clock::duration after(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  std::string path_;
  Clock::time_point next_ = Clock::now() + after(kCheckpointSeconds);
};

Status gather_data(const CalibrateArgs& args, Context& context) {
  auto options = args.data.options();
  if (!options.ok()) return context.misuse(options.status().message());
  options->refuse_nan = true;
  auto shard = parse_shard(args.shard);
  if (!shard.ok()) return context.misuse(shard.status().message());
  OCTET_ASSIGN(const Recipe recipe, args.recipe.recipe());
  OCTET_ASSIGN(const Model model, open_model(args.model));
  OCTET_ASSIGN(const size_t graph, graph_of(model, recipe.signature));
  OCTET_ASSIGN(OpenData data, OpenData::open(model, args.files, *options, graph));
  if (shard->index >= data.dataset.size())
    return Status::invalid(fmt::format("{}: no samples for shard {}", args.files[0], args.shard));
  Quantizer quantizer(model, recipe, {.threads = args.threads, .progress = phase_bars()});
  if (args.resume && std::filesystem::exists(args.output)) {
    OCTET_ASSIGN(Statistics so_far, Statistics::load(args.output));
    OCTET_TRY(quantizer.resume(std::move(so_far)));
  }
  // An output that can't be written to is an error at once, not after hours.
  OCTET_TRY(OutputFile::create(args.output).status());
  DatasetSource samples = data.samples(shard->index, shard->count);
  const DataShard part{.index = shard->index, .count = shard->count, .total = data.dataset.size()};
  OCTET_TRY(quantizer.calibrate(samples, part, Checkpoints(args.output)));
  const Statistics all = quantizer.statistics();
  OCTET_TRY(save_file(args.output, all.to_bytes()));
  return report(all, recipe.observer, args.output, context);
}

Status run(const CalibrateArgs& args, Context& context) {
  if (!args.merge.empty()) {
    if (!args.model.empty() || !args.files.empty())
      return context.misuse("--merge takes no model and no data");
    return merge(args, context);
  }
  if (args.model.empty()) return context.misuse("MODEL is needed");
  if (args.files.empty()) return context.misuse("--data is needed");
  return gather_data(args, context);
}

}  // namespace

Action add_calibrate(Options& options) {
  auto args = std::make_shared<CalibrateArgs>();
  options.add("MODEL", args->model, "A float .tflite or .circle file");
  add_files_option(options, "-d,--data", args->files);
  options.add("-o,--output", args->output, "Where the statistics go").required().type_name("STATS");
  options.add("--merge", args->merge, "Merge statistics of the same model instead").type_name("STATS...");
  options.add("--shard", args->shard, "Take the samples i, i+n, i+2n, ... only (i from 1 to n)")
      .type_name("i/n");
  options.add_flag("--resume", args->resume, "Resume from the output file if it exists");
  add_threads_option(options, args->threads);
  add_calibration_recipe(options, args->recipe);
  add_data_options(options, args->data);
  options.footer(
      "Statistics serve every observer and every scheme; options that change weights before (--no-equalize, "
      "--no-spare-channels) have to be those of quantize. The file also keeps up to 416 samples, which "
      "quantize corrects rounding on, chooses by and measures on.\nJSON: samples, held_out, partial, "
      "values[{name, min, max, range[2]}], non_finite[]");
  return [args](Context& context) { return run(*args, context); };
}

}  // namespace octet
