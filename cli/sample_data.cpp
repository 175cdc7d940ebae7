#include "cli/sample_data.hpp"

#include <fmt/format.h>
#include <optional>

#include "octet/try.hpp"

namespace octet {

Result<bool> DatasetSource::next(std::vector<ConstTensorView>& sample) {
  if (at_ >= end_) return false;
  OCTET_TRY(buffers_.read(data_, at_));
  sample = buffers_.views();
  at_ += step_;
  return true;
}

Result<OpenData> OpenData::open(const Model& model, const std::vector<std::string>& files,
                                const DataOptions& options, size_t graph) {
  const GraphInfo g = model.graph(graph);
  std::vector<TensorInfo> infos;
  for (int32_t i : g.inputs)
    infos.push_back(g.tensors[static_cast<size_t>(i)]);
  std::vector<InputSpec> inputs = input_specs(infos);
  OCTET_ASSIGN(Dataset data, Dataset::open(files, inputs, options).at(model.path()));
  return OpenData{std::move(inputs), std::move(data)};
}

Result<size_t> graph_of(const Model& model, const std::string& signature) {
  if (signature.empty()) return size_t{0};
  for (const Signature& s : model.signatures())
    if (s.key == signature) return static_cast<size_t>(s.graph);
  return Status::invalid(fmt::format("{}: has no signature '{}'", model.path(), signature));
}

Progress phase_bars() {
  struct State {
    std::string phase;
    std::optional<ProgressBar> bar;
  };
  return [state = std::make_shared<State>()](std::string_view phase, int64_t done, int64_t total) {
    if (!state->bar || state->phase != phase) {
      state->phase = phase;
      state->bar.emplace(state->phase);
    }
    state->bar->update(done, total);
  };
}

}  // namespace octet
