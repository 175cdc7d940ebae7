// octet extract: quantization parameters and integer tensors into files.
#include <fmt/format.h>

#include "cli/model_files.hpp"
#include "cli/tensor_exchange.hpp"
#include "octet/try.hpp"

namespace octet {

Action add_extract(Options& options) {
  struct Args {
    std::string model, output;
  };
  auto args = std::make_shared<Args>();
  options.add("MODEL", args->model, "A .tflite or .circle file").required();
  options.add("-o,--output", args->output, "The folder to write").required().type_name("DIR");
  options.footer(
      "Writes DIR/tensors.json and one .npy per constant. implant puts them into the same model or into the "
      "float model it was made of.\n"
      "JSON: tensors[{name, graph, index, dtype, shape, scale[], zero_point[], axis, block, file}], "
      "operators[{kind, inputs[], outputs[], intermediates[]}], channel_exponents{}");
  return [args](Context& context) -> Status {
    OCTET_ASSIGN(const Model model, open_model(args->model));
    OCTET_ASSIGN(const ModelParameters parameters, parameters_of(model));
    OCTET_ASSIGN(const Json index, write_parameters(parameters, args->model, args->output));
    if (context.json)
      print_json(index);
    else
      print(fmt::format("{}/{}: {} tensors", args->output, kIndexName, index["tensors"].size()));
    return {};
  };
}

}  // namespace octet
