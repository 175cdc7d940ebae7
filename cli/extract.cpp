// octet extract: quantization parameters and integer tensors into files.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/data/npy.hpp"
#include "cli/output_file.hpp"
#include "cli/quant_models.hpp"
#include "cli/tensor_exchange.hpp"
#include "octet/try.hpp"
#include "schema/core/int4.hpp"

namespace octet {
namespace {

Status write_contents(const std::string& path, const Value& v) {
  if (v.dtype != DType::int4) return write_npy(path, v.view());
  // NumPy has no 4-bit type: one element per byte there.
  const std::vector<int8_t> values = unpack_int4(v.constant.data(), v.shape.elements());
  return write_npy(path, {values.data(), DType::int8, v.shape, {}});
}

bool is_integer(DType t) {
  return is_quantizable(t) || t == DType::uint16 || t == DType::uint32 || t == DType::uint64;
}

}  // namespace

Result<Json> extract_tensors(const ModelData& model, const std::string& folder) {
  OCTET_TRY(make_folder(folder));
  Json tensors = Json::array();
  for (size_t g = 0; g < model.graphs.size(); ++g) {
    const Graph& graph = model.graphs[g];
    for (size_t i = 0; i < graph.values.size(); ++i) {
      const Value& v = graph.values[i];
      const bool has_contents = v.is_constant() && is_integer(v.dtype);
      if (!v.quant && !has_contents) continue;
      Json scale = Json::array(), zero = Json::array();
      for (const Affine& a : v.quant.params())
        scale.push_back(static_cast<double>(a.scale)), zero.push_back(a.zero_point);
      std::string file;
      if (has_contents) {
        file = fmt::format("{}_{}.npy", g == 0 ? std::to_string(i) : fmt::format("{}_{}", g, i),
                           safe_name(v.name));
        OCTET_TRY(write_contents(folder + "/" + file, v));
      }
      tensors.push_back({{"name", v.name},
                         {"graph", g},
                         {"index", i},
                         {"dtype", std::string(name_of(v.dtype))},
                         {"shape", std::vector<int32_t>(v.shape.dims().begin(), v.shape.dims().end())},
                         {"scale", scale},
                         {"zero_point", zero},
                         {"axis", v.quant.axis() ? Json(*v.quant.axis()) : Json(nullptr)},
                         {"block", v.quant.is_blockwise() ? Json(v.quant.block()) : Json(nullptr)},
                         {"file", has_contents ? Json(file) : Json(nullptr)}});
    }
  }
  Json index = {{"model", model.path}, {"tensors", std::move(tensors)}};
  OCTET_TRY(
      save_file(folder + "/" + kIndexName, index.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"));
  return index;
}

Action add_extract(CLI::App& app) {
  struct Args {
    std::string model, output;
  };
  auto args = std::make_shared<Args>();
  app.add_option("MODEL", args->model, "A .tflite or .circle file")->required();
  app.add_option("-o,--output", args->output, "The folder to write")->required()->type_name("DIR");
  app.footer(
      "Writes DIR/tensors.json and one .npy per integer constant.\n"
      "JSON: tensors[{name, graph, index, dtype, shape, scale[], zero_point[], axis, block, file}]");
  return [args](Context& context) -> Status {
    OCTET_ASSIGN(const ModelPtr model, load_model(args->model));
    OCTET_ASSIGN(const Json index, extract_tensors(*model, args->output));
    if (context.json)
      print_json(index);
    else
      print(fmt::format("{}/{}: {} tensors", args->output, kIndexName, index["tensors"].size()));
    return {};
  };
}

}  // namespace octet
