#include "api/entry_point.hpp"

#include <fmt/format.h>
#include <numeric>

#include "api/model_info.hpp"

namespace octet {
namespace {

template <class Items, class F>
std::string listed(const Items& items, F name) {
  std::string text;
  for (const auto& item : items)
    text += (text.empty() ? "" : ", ") + name(item);
  return text.empty() ? "none" : text;
}

EntryPoint enter_graph(const Graph& g, int32_t index) {
  EntryPoint e{.graph = index};
  e.input_at.resize(g.inputs.size());
  e.output_at.resize(g.outputs.size());
  std::iota(e.input_at.begin(), e.input_at.end(), 0);
  std::iota(e.output_at.begin(), e.output_at.end(), 0);
  e.inputs = tensor_infos(g, g.inputs, TensorRole::input);
  e.outputs = tensor_infos(g, g.outputs, TensorRole::computed);
  return e;
}

EntryPoint enter_signature(const Graph& g, const Signature& s) {
  EntryPoint e{.graph = s.graph};
  for (const auto& [name, position] : s.inputs) {
    e.input_at.push_back(position);
    e.inputs.push_back(tensor_info(g.value(g.inputs[static_cast<size_t>(position)]), TensorRole::input));
    e.inputs.back().name = name;
  }
  for (const auto& [name, position] : s.outputs) {
    e.output_at.push_back(position);
    e.outputs.push_back(tensor_info(g.value(g.outputs[static_cast<size_t>(position)]), TensorRole::computed));
    e.outputs.back().name = name;
  }
  return e;
}

}  // namespace

std::string names_of(const std::vector<TensorInfo>& infos) {
  return listed(infos, [](const TensorInfo& t) { return t.name; });
}

Result<EntryPoint> entry_point(const ModelData& model, const std::string& signature, int32_t graph) {
  if (signature.empty()) {
    if (graph < 0 || graph >= static_cast<int32_t>(model.graphs.size()))
      return Status::invalid(
          fmt::format("there is no graph {}: the model has {}", graph, model.graphs.size()));
    return enter_graph(model.graphs[static_cast<size_t>(graph)], graph);
  }
  for (const Signature& s : model.signatures) {
    if (s.key != signature) continue;
    const Graph& g = model.graphs[static_cast<size_t>(s.graph)];
    if (s.inputs.size() != g.inputs.size() || s.outputs.size() != g.outputs.size())
      return Status::unsupported(fmt::format("signature '{}' does not name every input and output", s.key));
    return enter_signature(g, s);
  }
  return Status::invalid(fmt::format("no signature '{}'; the model has {}", signature,
                                     listed(model.signatures, [](const Signature& s) { return s.key; })));
}

}  // namespace octet
