// octet calibrate: statistics of a float model's tensors, streamed, resumable, mergeable.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>

#include "cli/model_files.hpp"
#include "cli/output_file.hpp"
#include "cli/quant_args.hpp"
#include "octet/try.hpp"
#include "quant/quantize.hpp"

namespace octet {
namespace {

// After so many samples what was gathered is saved, for --resume.
constexpr int64_t kCheckpoint = 256;

struct Args {
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

Result<Calibration> load_statistics(const std::string& path) {
  auto loaded = Calibration::load(path);
  if (loaded.ok()) return loaded;
  Status status = std::move(loaded).status();
  return status.message().starts_with(path) ? status : std::move(status).at(path);
}

Status report(const Calibration& c, const std::string& path, const Context& context) {
  Json values = Json::array(), odd = Json::array();
  Table table({"tensor", ">min", ">max", ">range", ">to"});
  for (const auto& [name, observer] : c.values()) {
    const Range seen = observer->extremes(), range = observer->range();
    values.push_back(
        {{"name", name}, {"min", seen.min}, {"max", seen.max}, {"range", {range.min, range.max}}});
    table.add({shorten(name), fmt::format("{:.6g}", seen.min), fmt::format("{:.6g}", seen.max),
               fmt::format("{:.6g}", range.min), fmt::format("{:.6g}", range.max)});
    const Oddities& o = observer->oddities();
    if (o.any()) odd.push_back({{"name", name}, {"nan", o.nan}, {"infinite", o.infinite}, {"fill", o.fill}});
  }
  if (context.json) {
    print_json({{"file", path},
                {"samples", c.samples()},
                {"observer", c.observer()},
                {"values", values},
                {"oddities", odd}});
    return {};
  }
  print(table.text());
  for (const Json& o : odd)
    print(fmt::format("{}: {} NaN, {} infinite, {} fill values were left out", o["name"].get<std::string>(),
                      o["nan"].get<int64_t>(), o["infinite"].get<int64_t>(), o["fill"].get<int64_t>()));
  print(fmt::format("{}: {} samples, observer {}", path, c.samples(), c.observer()));
  return {};
}

Status save(const Calibration& c, const std::string& path) {
  return save_file(path, c.to_json());
}

Status merge(const Args& args, Context& context) {
  OCTET_ASSIGN(Calibration all, load_statistics(args.merge[0]));
  for (size_t i = 1; i < args.merge.size(); ++i) {
    OCTET_ASSIGN(const Calibration more, load_statistics(args.merge[i]));
    OCTET_TRY(all.merge(more).at(args.merge[i]));
  }
  OCTET_TRY(save(all, args.output));
  return report(all, args.output, context);
}

Status gather(const Args& args, Context& context) {
  auto options = args.data.options();
  if (!options.ok()) return context.misuse(options.status().message());
  options->refuse_nan = true;
  auto shard = parse_shard(args.shard);
  if (!shard.ok()) return context.misuse(shard.status().message());
  OCTET_ASSIGN(const Recipe recipe, args.recipe.recipe());
  OCTET_ASSIGN(const ModelPtr model, load_model(args.model));
  OCTET_ASSIGN(const PreparedModel prepared, prepare(*model, recipe).at(args.model));
  const std::vector<InputSpec> inputs = input_specs(model->main());
  OCTET_ASSIGN(Dataset data, Dataset::open(args.files, inputs, *options).at(args.model));
  const int64_t mine = (data.size() - shard->index + shard->count - 1) / shard->count;
  if (mine <= 0)
    return Status::invalid(fmt::format("{}: no samples for shard {}", args.files[0], args.shard));
  Calibration so_far;
  if (args.resume && std::filesystem::exists(args.output)) {
    OCTET_ASSIGN(so_far, load_statistics(args.output));
    if (so_far.samples() > mine)
      return Status::invalid(
          fmt::format("{}: holds {} samples, the data has {}", args.output, so_far.samples(), mine));
  }
  // The first sample of the calibration itself is an error at once, not after hours: is the output writable?
  {
    OCTET_ASSIGN(const auto probe, OutputFile::create(args.output));
  }
  {
    ProgressBar bar("calibrating");
    int64_t done = so_far.samples();
    while (done < mine) {
      const int64_t until = std::min(done + kCheckpoint, mine);
      DatasetSource source(data, inputs, shard->index + done * shard->count,
                           std::min(shard->index + until * shard->count, data.size()), shard->count);
      CalibrateOptions how{.observer = recipe.observer, .threads = args.threads, .progress = {}};
      how.progress = [&](int64_t n, int64_t) { bar.update(done + n, mine); };
      OCTET_ASSIGN(so_far, calibrate(*prepared.model, source, how, std::move(so_far)).at(args.model));
      done = until;
      if (done < mine) OCTET_TRY(save(so_far, args.output));
    }
  }
  OCTET_TRY(save(so_far, args.output));
  return report(so_far, args.output, context);
}

Status run(const Args& args, Context& context) {
  if (!args.merge.empty()) {
    if (!args.model.empty() || !args.files.empty())
      return context.misuse("--merge takes no model and no data");
    return merge(args, context);
  }
  if (args.model.empty()) return context.misuse("MODEL is needed");
  if (args.files.empty()) return context.misuse("--data is needed");
  return gather(args, context);
}

}  // namespace

Action add_calibrate(CLI::App& app) {
  auto args = std::make_shared<Args>();
  app.add_option("MODEL", args->model, "A float .tflite or .circle file");
  add_files_option(app, "-d,--data", args->files);
  app.add_option("-o,--output", args->output, "Where the statistics go")->required()->type_name("STATS.json");
  app.add_option("--merge", args->merge, "Add up statistics of the same model instead")
      ->type_name("STATS.json...");
  app.add_option("--shard", args->shard, "Take the samples i, i+n, i+2n, ... only (i from 1 to n)")
      ->type_name("i/n");
  app.add_flag("--resume", args->resume, "Go on where the output file ends, if there is one");
  add_threads_option(app, args->threads);
  add_calibration_recipe(app, args->recipe);
  add_data_options(app, args->data);
  app.footer(
      "Statistics belong to the model as it is after fusion: use the same --recipe, --no-equalize and "
      "--no-spare-channels for quantize.\nJSON: samples, observer, values[{name, min, max, range[2]}], "
      "oddities[]");
  return [args](Context& context) { return run(*args, context); };
}

}  // namespace octet
