#include "cli/quant_models.hpp"

#include <optional>

#include "cli/model_files.hpp"
#include "octet/try.hpp"

namespace octet {

Result<ModelPtr> load_model(const std::string& path) {
  OCTET_ASSIGN(const Model model, open_model(path));
  return model.data();
}

Result<int64_t> save_model(const ModelData& model, const std::string& path) {
  return save_model(Model(std::make_shared<const ModelData>(model)), path);
}

std::vector<InputSpec> input_specs(const Graph& g) {
  ModelData data;
  data.graphs.push_back(g);
  return input_specs(Model(std::make_shared<const ModelData>(std::move(data))).inputs());
}

Result<bool> DatasetSource::next(std::vector<ConstTensorView>& sample) {
  if (at_ >= end_) return false;
  OCTET_TRY(buffers_.read(data_, at_));
  sample = buffers_.views();
  at_ += step_;
  return true;
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
