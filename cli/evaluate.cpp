// octet evaluate: a classifier's accuracy, and its agreement with another model.
#include <fmt/format.h>
#include <numeric>

#include "cli/classify.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

struct EvaluateArgs {
  std::string model, labels, against;
  std::vector<std::string> files;
  LabelOptions label_options;
  DataArgs data;
  ExecArgs exec;
};

Json number(const std::optional<double>& v) {
  return v ? Json(*v) : Json(nullptr);
}

std::string percent(const std::optional<double>& v) {
  return v ? fmt::format("{:.2f} %", *v * 100) : "-";
}

Status evaluate(const EvaluateArgs& args, Context& context) {
  auto data = args.data.options();
  if (!data.ok()) return context.misuse(data.status().message());
  if (args.files.empty()) return context.misuse("--data is needed");
  const SessionOptions options{.exec = args.exec.options(), .signature = "", .resize = {}};
  OCTET_ASSIGN(const Model model, open_model(args.model));
  OCTET_ASSIGN(const auto session, Session::open(model, args.files, *data, options));
  OCTET_ASSIGN(const auto labels, labels_for(session->data(), args.labels, args.label_options));
  std::unique_ptr<Session> against;
  if (!args.against.empty()) {
    OCTET_ASSIGN(const Model other, open_model(args.against));
    OCTET_ASSIGN(against, Session::open(other, args.files, *data, options));
  }
  if (labels.empty() && !against)
    return context.misuse("--labels or --against is needed (the data has no class folders)");
  std::vector<int64_t> all(static_cast<size_t>(session->size()));
  std::iota(all.begin(), all.end(), 0);
  OCTET_ASSIGN(const Scores s, score(*session, against.get(), labels, all));
  if (context.json) {
    print_json({{"model", args.model},
                {"samples", s.samples},
                {"top1", number(s.top1)},
                {"top5", number(s.top5)},
                {"agreement", number(s.agreement)},
                {"against", args.against.empty() ? Json(nullptr)
                                                 : Json{{"model", args.against},
                                                        {"top1", number(s.against_top1)},
                                                        {"top5", number(s.against_top5)}}}});
    return {};
  }
  Table table({"model", ">samples", ">top-1", ">top-5", ">agreement"});
  table.add({args.model, count_text(s.samples), percent(s.top1), percent(s.top5), percent(s.agreement)});
  if (against)
    table.add({args.against, count_text(s.samples), percent(s.against_top1), percent(s.against_top5), ""});
  print(table.text());
  return {};
}

}  // namespace

Action add_evaluate(Options& options) {
  auto args = std::make_shared<EvaluateArgs>();
  add_model_option(options, args->model);
  add_files_option(options, "-d,--data", args->files);
  options
      .add("--labels", args->labels,
           "Class index per sample: text, a CSV column or .npy; default: the data's sub-folders are classes")
      .type_name("FILE");
  options.add("--label-column", args->label_options.column, "Column of the CSV file").type_name("NAME");
  options
      .add("--label-offset", args->label_options.offset,
           "Add this to every label (1 for models whose class 0 is 'background')")
      .type_name("N");
  options.add("--against", args->against, "Another model: report how often both choose the same class")
      .type_name("MODEL");
  add_exec_options(options, args->exec);
  add_data_options(options, args->data);
  options.footer(
      "The first output is taken as one score per class.\n"
      "JSON: samples, top1, top5, agreement (shares from 0 to 1, null when not measured)");
  return [args](Context& context) { return evaluate(*args, context); };
}

}  // namespace octet
