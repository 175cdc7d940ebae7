#include "cli/quant_args.hpp"

#include "octet/try.hpp"

namespace octet {
namespace {

std::vector<std::string> observers() {
  std::vector<std::string> names;
  for (std::string_view n : observer_names())
    names.emplace_back(n);
  return names;
}

}  // namespace

Result<Recipe> RecipeArgs::recipe() const {
  Recipe r;
  if (!file.empty()) {
    auto loaded = Recipe::load(file);
    if (!loaded.ok()) {
      Status status = std::move(loaded).status();
      return status.message().starts_with(file) ? status : std::move(status).at(file);
    }
    r = *std::move(loaded);
  }
  if (!observer.empty()) r.observer = observer;
  if (!scheme.empty()) {
    OCTET_ASSIGN(r.scheme, scheme_of(scheme));
  }
  if (!io.empty()) {
    OCTET_ASSIGN(r.io, io_of(io));
  }
  if (!reader.empty()) {
    OCTET_ASSIGN(r.reader, reader_of(reader));
  }
  if (!signature.empty()) r.signature = signature;
  r.keep_float.insert(r.keep_float.end(), keep_float.begin(), keep_float.end());
  if (per_tensor) r.per_channel = false;
  if (weight_bits > 0) r.weight_bits = weight_bits;
  if (block >= 0) r.block = block;
  if (no_equalize) r.equalize = false;
  if (no_spare_channels) r.spare_channels = false;
  if (no_balance) r.balance = false;
  if (no_wide) r.wide = false;
  if (!rounding.empty()) {
    OCTET_ASSIGN(r.rounding, rounding_of(rounding));
  }
  if (no_bias_correction) r.bias_correction = false;
  if (min_sqnr_db > 0) r.min_sqnr_db = min_sqnr_db;
  if (!raise_to.empty()) {
    OCTET_ASSIGN(r.raise_to, raise_to_of(raise_to));
  }
  OCTET_TRY(r.check());
  return r;
}

void add_calibration_recipe(Options& options, RecipeArgs& args) {
  options.add("--recipe", args.file, "A recipe in JSON; other options override it").type_name("R.json");
  options
      .add("--observer", args.observer,
           "How a tensor's range is chosen (default " + std::string(kDefaultObserver) + ")")
      .one_of(observers());
  options.add_flag("--no-equalize", args.no_equalize, "Don't equalize weights between layers first");
  options.add_flag("--no-spare-channels", args.no_spare_channels,
                   "Don't use channels that are always 0 as finer copies of others");
  options
      .add("--signature", args.signature,
           "The graph of this signature alone; default: the main graph, and those of all signatures that the "
           "data "
           "fits")
      .type_name("KEY");
}

void add_recipe_options(Options& options, RecipeArgs& args) {
  add_calibration_recipe(options, args);
  options.add_flag("--no-balance", args.no_balance,
                   "int8: don't rescale channels of activations by what they hold on the data");
  options.add_flag("--no-wide", args.no_wide,
                   "int8: do not use 16-bit activations for recurrent cells, normalization statistics and "
                   "global residuals");
  options
      .add("--scheme", args.scheme,
           "int8: the TFLite 8-bit specification (default); int16x8: the same with 16-bit activations; "
           "dynamic: int8 or int4 weights, activations quantized in every run; weight-only: int8 or int4 "
           "weights, float arithmetic; float16: weights in half precision; float: nothing changes but what "
           "the recipe's 'operators' say")
      .one_of({"int8", "int16x8", "dynamic", "weight-only", "float16", "float"});
  options
      .add("--weight-bits", args.weight_bits,
           "Bits of a weight where activations stay float (weight-only, dynamic): 8 (default) or 4")
      .one_of({"4", "8"});
  options
      .add("--block", args.block,
           "int4 weights of FULLY_CONNECTED: one scale per N neighbouring inputs of an output, a multiple of "
           "32 that divides them. Such an operator uses dynamic-range execution: its activations are "
           "quantized at run time (as in TensorFlow Lite). 0 (default): one scale per channel")
      .type_name("N");
  options
      .add("--io", args.io,
           "Types of inputs and outputs: keep those of the source model (default), or integers")
      .one_of({"keep", "int8", "uint8", "int16"});
  options
      .add(
          "--for", args.reader,
          "What will read the file: tflite: TensorFlow Lite 2.14 and later (default); tflite-micro; "
          "int8-only: "
          "accelerators, without int16 and without float between; octet. What the reader has no integer form "
          "of stands in the file as DEQUANTIZE, float operator, QUANTIZE; Octet runs that in integers")
      .one_of({"tflite", "tflite-micro", "int8-only", "octet"});
  options
      .add("--keep-float", args.keep_float,
           "Leave operators in float: a pattern (* and ?) on their name or kind; may be given several times")
      .type_name("PATTERN")
      .one_value_each();
  options.add_flag("--per-tensor", args.per_tensor, "One scale per weight tensor instead of one per channel");
  options
      .add("--rounding", args.rounding,
           "How weights become integers: compensated (default), so that their errors cancel on the data, or "
           "nearest")
      .one_of({"compensated", "nearest"});
  options.add_flag("--no-bias-correction", args.no_bias_correction, "Don't shift biases by their mean error");
  options
      .add("--min-sqnr", args.min_sqnr_db,
           "Promote operators to 16-bit activations, best noise per cost first, until the output SQNR "
           "reaches DB; to float where that is not enough")
      .type_name("DB");
  options
      .add("--raise-to", args.raise_to,
           "What --min-sqnr and --max-drop promote operators to: int16 (default), then float; or float at "
           "once")
      .one_of({"int16", "float"});
}

}  // namespace octet
