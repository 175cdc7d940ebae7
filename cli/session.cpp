#include "cli/session.hpp"

#include <fmt/format.h>

#include "octet/try.hpp"

namespace octet {

Result<std::vector<InputSpec>> resized_inputs(const ModelData& model, const EntryPoint& entry,
                                              const std::vector<std::string>& resize) {
  const std::vector<InputSpec> all = input_specs(model.graphs[static_cast<size_t>(entry.graph)]);
  std::vector<InputSpec> inputs;
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    inputs.push_back(all[static_cast<size_t>(entry.inputs[i])]);
    inputs.back().name = entry.input_names[i];
  }
  for (const std::string& r : resize) {
    const size_t eq = r.rfind('=');
    InputSpec* target = nullptr;
    if (eq == std::string::npos && inputs.size() == 1) target = &inputs[0];
    for (InputSpec& in : inputs)
      if (eq != std::string::npos && in.name == r.substr(0, eq)) target = &in;
    if (target == nullptr) return Status::invalid(fmt::format("--resize-input: '{}' names no input", r));
    OCTET_ASSIGN(target->shape,
                 parse_shape(eq == std::string::npos ? r : r.substr(eq + 1)).at("--resize-input"));
    target->has_rank = true;
    target->signature.clear();
  }
  return inputs;
}

Result<std::unique_ptr<Session>> Session::open(ModelPtr model, const std::vector<std::string>& files,
                                               const DataOptions& data, const SessionOptions& options) {
  auto s = std::make_unique<Session>();
  s->model_ = std::move(model);
  const std::string& path = s->model_->path;
  OCTET_ASSIGN(s->entry_, entry_point(*s->model_, options.signature));
  OCTET_ASSIGN(s->inputs_, resized_inputs(*s->model_, s->entry_, options.resize).at(path));
  auto opened = Dataset::open(files, s->inputs_, data);
  if (!opened.ok()) return std::move(opened).status().at(path);
  s->data_ = *std::move(opened);
  s->buffers_.emplace(s->inputs_, s->data_->shapes());
  GraphExecutorOptions exec = options.exec;
  exec.graph = s->entry_.graph;
  exec.input_shapes.resize(s->inputs_.size());
  for (size_t i = 0; i < s->inputs_.size(); ++i)
    exec.input_shapes[static_cast<size_t>(s->entry_.inputs[i])] = s->data_->shapes()[i];
  OCTET_ASSIGN(s->exec_, GraphExecutor::create(*s->model_, exec));
  s->views_.resize(s->inputs_.size());
  s->keep_state_ = options.keep_state;
  return s;
}

Status Session::run(int64_t i) {
  OCTET_TRY(buffers_->read(*data_, i));
  for (size_t k = 0; k < views_.size(); ++k)
    views_[static_cast<size_t>(entry_.inputs[k])] = buffers_->views()[k];
  if (!keep_state_ && i > 0) exec_->reset_state();
  return exec_->run(views_).at(model_->path);
}

}  // namespace octet
