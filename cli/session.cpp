#include "cli/session.hpp"

#include <fmt/format.h>

#include "octet/try.hpp"

namespace octet {

Result<std::vector<InputSpec>> resized_inputs(const Model& model, const std::string& signature,
                                              const std::vector<std::string>& resize) {
  OCTET_ASSIGN(const std::vector<TensorInfo> infos, model.inputs(signature));
  std::vector<InputSpec> inputs = input_specs(infos);
  for (const std::string& r : resize) {
    const size_t eq = r.rfind('=');
    InputSpec* target = nullptr;
    if (eq == std::string::npos && inputs.size() == 1) target = &inputs[0];
    for (InputSpec& in : inputs)
      if (eq != std::string::npos && in.name == r.substr(0, eq)) target = &in;
    if (target == nullptr)
      return Status::invalid(fmt::format("--resize-input: '{}' names no input", r)).at(model.path());
    OCTET_ASSIGN(
        target->shape,
        parse_shape(eq == std::string::npos ? r : r.substr(eq + 1)).at("--resize-input").at(model.path()));
    target->has_rank = true;
    target->signature.clear();
  }
  return inputs;
}

Result<std::unique_ptr<Session>> Session::open(Model model, const std::vector<std::string>& files,
                                               const DataOptions& data, const SessionOptions& options) {
  OCTET_ASSIGN(const std::vector<InputSpec> inputs, resized_inputs(model, options.signature, options.resize));
  OCTET_ASSIGN(Dataset set, Dataset::open(files, inputs, data).at(model.path()));
  PlanOptions plan = options.exec;
  plan.signature = options.signature;
  for (size_t i = 0; i < inputs.size(); ++i)
    plan.input_shapes.emplace_back(inputs[i].name, set.shapes()[i]);
  OCTET_ASSIGN(Executor exec, Executor::create(model, plan));
  SampleBuffers buffers(inputs, set.shapes());
  return std::unique_ptr<Session>(
      new Session(std::move(model), std::move(set), std::move(buffers), std::move(exec), options.keep_state));
}

Status Session::run(int64_t i) {
  OCTET_TRY(buffers_.read(data_, i));
  if (!keep_state_ && i > 0) exec_.reset_state();
  return exec_.run(buffers_.views());
}

}  // namespace octet
