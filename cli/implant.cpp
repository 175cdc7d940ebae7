// octet implant: quantization parameters and integer tensors from files into a model.
#include <fmt/format.h>

#include "cli/model_files.hpp"
#include "cli/tensor_exchange.hpp"
#include "octet/try.hpp"

namespace octet {

Action add_implant(Options& options) {
  struct Args {
    std::string model, folder, output;
  };
  auto args = std::make_shared<Args>();
  options.add("MODEL", args->model, "A float or quantized .tflite or .circle file").required();
  options.add("DIR", args->folder, "A folder with tensors.json, as octet extract writes it").required();
  options.add("-o,--output", args->output, "The model to write; .tflite or .circle")
      .required()
      .type_name("OUT");
  options.footer(
      "Entries are found by the tensor's name (and index, where names repeat). 'scale' and 'zero_point' are "
      "numbers, lists, or names of .npy files in DIR; 'file' holds the integers. A float operator becomes an "
      "integer one where its outputs have scales; biases that are missing are computed.\n"
      "JSON: tensors, contents, biases, bytes");
  return [args](Context& context) -> Status {
    OCTET_ASSIGN(const Model source, open_model(args->model));
    OCTET_ASSIGN(const ModelParameters parameters, read_parameters(args->folder));
    OCTET_ASSIGN(const Implanted done, implant(source, parameters));
    // What was put in came from outside: it is written only if it can be read again.
    OCTET_ASSIGN(const std::vector<std::byte> bytes, done.model.serialize().at(args->output));
    OCTET_TRY(Model::from_memory(bytes, args->output).status());
    OCTET_ASSIGN(const int64_t size, save_model(done.model, args->output));
    if (context.json)
      print_json({{"output", args->output},
                  {"tensors", done.tensors},
                  {"contents", done.contents},
                  {"biases", done.biases},
                  {"bytes", size}});
    else
      print(fmt::format("{}: {} tensors, {} with contents, {} biases computed, {}", args->output,
                        done.tensors, done.contents, done.biases, bytes_text(size)));
    return {};
  };
}

}  // namespace octet
