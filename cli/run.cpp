// octet run: a model on data, outputs as .npy files or as a summary.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "cli/data/labels.hpp"
#include "cli/output_file.hpp"
#include "cli/session.hpp"
#include "octet/convert.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

struct RunVerbArgs {
  std::string model, output, labels, signature;
  std::vector<std::string> inputs, resize;
  DataArgs data;
  ExecArgs exec;
  bool dequantize = false, keep_state = false;
};

// One output as it goes into its file: real numbers where asked for, and where NumPy lacks the type.
struct Outgoing {
  DType dtype;
  Shape shape;
  std::vector<float> real;
  std::span<const std::byte> bytes;
};
Outgoing outgoing(const ConstTensorView& v, bool dequantize) {
  Outgoing o{v.dtype, v.shape, {}, {static_cast<const std::byte*>(v.data), static_cast<size_t>(v.bytes())}};
  if ((dequantize && v.quant) || v.dtype == DType::bfloat16) {
    o.real = real_values(v);
    o.dtype = DType::float32;
    o.bytes = std::as_bytes(std::span<const float>(o.real));
  }
  return o;
}

// The output of all samples in one file.
struct Sink {
  std::string path;
  Shape sample;
  DType dtype = DType::float32;
  std::unique_ptr<NpyWriter> writer;
};

class Runner {
 public:
  Runner(const RunVerbArgs& args, Session& session, Context& context)
      : args_(args), session_(session), json_(context.json) {}

  Status run() {
    if (!args_.labels.empty()) {
      OCTET_ASSIGN(classes_, read_class_names(args_.labels));
    }
    if (!args_.output.empty()) OCTET_TRY(make_folder(args_.output));
    sinks_.resize(session_.outputs());
    document_ = {{"model", args_.model}, {"samples", session_.size()}, {"outputs", Json::array()}};
    {
      ProgressBar bar("running");
      for (int64_t i = 0; i < session_.size(); ++i) {
        OCTET_TRY(session_.run(i));
        for (size_t o = 0; o < session_.outputs(); ++o)
          OCTET_TRY(args_.output.empty() ? summarize(i, o) : store(i, o));
        bar.update(i + 1, session_.size());
      }
    }
    for (Sink& s : sinks_)
      if (s.writer) OCTET_TRY(s.writer->commit());
    describe();
    return {};
  }

 private:
  Status store(int64_t i, size_t o) {
    Sink& sink = sinks_[o];
    const Outgoing out = outgoing(session_.output(o), args_.dequantize);
    const std::string& name = session_.output_name(o);
    if (!sink.writer) {
      std::vector<int64_t> dims(out.shape.dims().begin(), out.shape.dims().end());
      if (session_.data().is_stack()) dims.insert(dims.begin(), session_.size());
      sink.path = fmt::format("{}/{}_{}.npy", args_.output, o, safe_name(name));
      sink.sample = out.shape;
      sink.dtype = out.dtype;
      auto writer = NpyWriter::create(sink.path, out.dtype, dims);
      if (!writer.ok())
        return std::move(writer).status().at(fmt::format("{}: output '{}'", args_.model, name));
      sink.writer = *std::move(writer);
    }
    if (!(sink.sample == out.shape))
      return Status::unsupported(fmt::format(
          "{}: output '{}' has shape {} for the first sample and {} for sample {}: these can't be stacked",
          args_.model, name, sink.sample.to_string(), out.shape.to_string(), i));
    return sink.writer->append(out.bytes);
  }

  // Without --output: a line or a few on each output of each sample.
  Status summarize(int64_t i, size_t o) {
    const ConstTensorView view = session_.output(o);
    const std::vector<float> real = real_values(view);
    Json entry = tensor_json(session_.output_name(o), view.shape, view.dtype);
    entry["file"] = nullptr;
    if (session_.size() > 1) entry["sample"] = i;
    std::string text =
        fmt::format("{} {} {}", session_.output_name(o), name_of(view.dtype), view.shape.to_string());
    if (session_.size() > 1) text = fmt::format("sample {}: {}", i, text);
    if (!real.empty()) {
      const auto [lo, hi] = std::minmax_element(real.begin(), real.end());
      const double mean = std::accumulate(real.begin(), real.end(), 0.0) / static_cast<double>(real.size());
      entry["min"] = *lo, entry["max"] = *hi, entry["mean"] = mean;
      text += fmt::format("  min {:.6g}  max {:.6g}  mean {:.6g}", *lo, *hi, mean);
    }
    if (!classes_.empty() && classes_.size() <= real.size() && real.size() <= classes_.size() + 1)
      add_top5(real, entry, text);
    if (real.size() <= 16 && !real.empty()) {
      text += "\n ";
      for (float x : real)
        text += fmt::format(" {:.6g}", x);
    }
    if (json_)
      document_["outputs"].push_back(std::move(entry));
    else
      print(text);
    return {};
  }

  void add_top5(const std::vector<float>& real, Json& entry, std::string& text) const {
    std::vector<size_t> order(real.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const size_t n = std::min<size_t>(5, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(n), order.end(),
                      [&](size_t a, size_t b) { return real[a] > real[b] || (real[a] == real[b] && a < b); });
    // Some models have a class 0 for "none of them" that lists of names leave out.
    const size_t shift = real.size() - classes_.size();
    entry["top5"] = Json::array();
    for (size_t k = 0; k < n; ++k) {
      const size_t c = order[k];
      const std::string name = c < shift ? "background" : classes_[c - shift];
      entry["top5"].push_back({{"class", c}, {"name", name}, {"score", real[c]}});
      text += fmt::format("\n  {}. {:<8.6g} {} ({})", k + 1, real[c], name, c);
    }
  }

  void describe() {
    if (!args_.output.empty()) {
      for (size_t o = 0; o < sinks_.size(); ++o) {
        Shape shape = sinks_[o].sample;
        std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
        if (session_.data().is_stack()) dims.insert(dims.begin(), session_.size());
        if (json_)
          document_["outputs"].push_back({{"name", session_.output_name(o)},
                                          {"shape", dims},
                                          {"dtype", std::string(name_of(sinks_[o].dtype))},
                                          {"file", sinks_[o].path}});
        else
          print(fmt::format("{}  {} {}", sinks_[o].path, name_of(sinks_[o].dtype), dims_text(dims)));
      }
    }
    if (json_) print_json(document_);
  }

  const RunVerbArgs& args_;
  Session& session_;
  bool json_;
  std::vector<std::string> classes_;
  std::vector<Sink> sinks_;
  Json document_;
};

Status run_model(const RunVerbArgs& args, Context& context) {
  auto data = args.data.options();
  if (!data.ok()) return context.misuse(data.status().message());
  OCTET_ASSIGN(const Model model, open_model(args.model));
  if (const auto inputs = model.inputs(); args.inputs.empty() && !inputs.empty())
    return context.misuse(fmt::format("--input is needed: {} takes {}", args.model, inputs.front().name));
  OCTET_ASSIGN(const auto session, Session::open(model, args.inputs, *data,
                                                 {.exec = args.exec.options(),
                                                  .signature = args.signature,
                                                  .resize = args.resize,
                                                  .keep_state = args.keep_state}));
  return Runner(args, *session, context).run();
}

}  // namespace

Action add_run(Options& options) {
  auto args = std::make_shared<RunVerbArgs>();
  add_model_option(options, args->model);
  add_files_option(options, "-i,--input", args->inputs);
  options
      .add("-o,--output", args->output,
           "Folder for the outputs, DIR/INDEX_NAME.npy; those of a stack are stacked. Without it a summary "
           "is printed")
      .type_name("DIR");
  options.add("--labels", args->labels, "Names of the classes, one per line: show the five best")
      .type_name("FILE");
  options.add_flag("--dequantize", args->dequantize, "Write real numbers instead of quantized integers");
  options.add("--resize-input", args->resize, "New shape of an input: NAME=1x128x128x3, or just the shape")
      .type_name("NAME=SHAPE")
      .one_value_each();
  options.add("--signature", args->signature, "Run this signature of the model").type_name("KEY");
  options.add_flag("--keep-state", args->keep_state,
                   "Variables keep their values from one sample of a stack to the next");
  add_exec_options(options, args->exec);
  add_data_options(options, args->data);
  options.footer("JSON: model, samples, outputs[{name, shape, dtype, file}]");
  return [args](Context& context) { return run_model(*args, context); };
}

}  // namespace octet
