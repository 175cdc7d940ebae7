#include "cli/model_files.hpp"

#include <fmt/format.h>
#include <numeric>

#include "cli/data/byte_source.hpp"
#include "cli/output_file.hpp"
#include "octet/try.hpp"
#include "schema/flatbuffer/format.hpp"

namespace octet {

Result<ModelPtr> load_model(const std::string& path) {
  OCTET_TRY(open_file(path).status());  // a folder or a missing file, in the system's words
  auto model = read_model(path);
  if (model.ok()) return model;
  Status status = std::move(model).status();
  return status.message().starts_with(path) ? status : std::move(status).at(path);
}

Result<int64_t> save_model(const ModelData& model, const std::string& path) {
  ModelData out = model;
  const std::string ext = extension_of(path);
  if (ext == ".circle") out.format = Format::circle;
  if (ext == ".tflite") out.format = Format::tflite;
  OCTET_ASSIGN(const std::vector<std::byte> bytes, serialize(out).at(path));
  OCTET_TRY(save_file(path, bytes));
  return static_cast<int64_t>(bytes.size());
}

Result<EntryPoint> entry_point(const ModelData& model, const std::string& key) {
  EntryPoint e;
  if (key.empty()) {
    const Graph& g = model.main();
    e.inputs.resize(g.inputs.size());
    e.outputs.resize(g.outputs.size());
    std::iota(e.inputs.begin(), e.inputs.end(), 0);
    std::iota(e.outputs.begin(), e.outputs.end(), 0);
    for (ValueId v : g.inputs)
      e.input_names.push_back(g.value(v).name);
    for (ValueId v : g.outputs)
      e.output_names.push_back(g.value(v).name);
    return e;
  }
  std::string known;
  for (const Signature& s : model.signatures) {
    known += (known.empty() ? "" : ", ") + s.key;
    if (s.key != key) continue;
    const Graph& g = model.graphs[static_cast<size_t>(s.graph)];
    if (s.inputs.size() != g.inputs.size() || s.outputs.size() != g.outputs.size())
      return Status::unsupported(
          fmt::format("{}: signature '{}' does not name every input and output", model.path, key));
    e.graph = s.graph;
    for (const auto& [name, at] : s.inputs)
      e.inputs.push_back(at), e.input_names.push_back(name);
    for (const auto& [name, at] : s.outputs)
      e.outputs.push_back(at), e.output_names.push_back(name);
    return e;
  }
  return Status::invalid(fmt::format("{}: no signature '{}'; the model has {}", model.path, key,
                                     known.empty() ? "none" : known));
}

}  // namespace octet
