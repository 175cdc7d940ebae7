// octet convert: the same model in the other file format.
#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/data/byte_source.hpp"
#include "cli/model_files.hpp"
#include "octet/try.hpp"

namespace octet {

Action add_convert(Options& options) {
  struct Args {
    std::string model, output;
  };
  auto args = std::make_shared<Args>();
  options.add("MODEL", args->model, "A .tflite or .circle file").required();
  options.add("-o,--output", args->output, "The file to write; its ending chooses the format")
      .required()
      .type_name("OUT");
  options.footer("JSON: input, output, format, bytes");
  return [args](Context& context) -> Status {
    const std::string ext = extension_of(args->output);
    if (ext != ".tflite" && ext != ".circle")
      return context.misuse(
          fmt::format("--output: '{}' ends neither in .tflite nor in .circle", args->output));
    OCTET_ASSIGN(const Model model, open_model(args->model));
    OCTET_ASSIGN(const int64_t bytes, save_model(model, args->output));
    if (context.json)
      print_json(
          {{"input", args->model}, {"output", args->output}, {"format", ext.substr(1)}, {"bytes", bytes}});
    else
      print(fmt::format("{}: {}, {}", args->output, ext.substr(1), bytes_text(bytes)));
    return {};
  };
}

}  // namespace octet
