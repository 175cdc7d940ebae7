#include "quant/measure/lockstep.hpp"

#include <cstdlib>
#include <cstring>
#include <fmt/format.h>

#include "kernels/node_runner.hpp"
#include "octet/try.hpp"

namespace octet {

Result<std::unique_ptr<Lockstep>> Lockstep::create(const Graph& graph, int threads,
                                                   std::shared_ptr<const CustomOps> custom_ops) {
  std::unique_ptr<Lockstep> l(new Lockstep(threads));
  OCTET_ASSIGN(Prepared prepared,
               make_plan(graph, {.keep_values = true, .custom_ops = std::move(custom_ops)}, l->pool_));
  l->plan_ = std::move(prepared.plan);
  l->kernels_ = std::move(prepared.kernels);
  l->graph_ = l->plan_->graph;
  for (const Step& s : l->plan_->steps)
    if (s.late || s.by_runtime) return Status::unsupported("control flow, or shapes that depend on data");
  for (const Place& p : l->plan_->places)
    if (p.storage == Storage::variable || p.storage == Storage::heap) return Status::unsupported("state");
  return l;
}

void* Lockstep::pointer(ValueId v, size_t sample) const {
  if (v == kNoValue) return nullptr;
  const Place& p = plan_->places[static_cast<size_t>(v)];
  switch (p.storage) {
    case Storage::constant: return const_cast<void*>(graph_.value(v).constant.data());
    case Storage::arena: return arenas_[sample].get() + p.offset;
    default: return nullptr;
  }
}

ConstTensorView Lockstep::value(ValueId v, size_t sample) const {
  const Value& value = graph_.value(v);
  return {pointer(v, sample), value.dtype, plan_->shapes[static_cast<size_t>(v)], value.quant};
}

void Lockstep::set_constant(ValueId v, Constant constant) {
  graph_.value(v).constant = std::move(constant);
}

Status Lockstep::add_sample(std::span<const ConstTensorView> inputs) {
  const auto bytes = static_cast<size_t>(arena_bytes() + 63) / 64 * 64;
  auto* arena = static_cast<std::byte*>(std::aligned_alloc(64, bytes));
  if (arena == nullptr) return Status::exhausted(fmt::format("can't allocate an arena of {} bytes", bytes));
  arenas_.push_back({arena, [](std::byte* p) { std::free(p); }});
  for (size_t i = 0; i < graph_.inputs.size(); ++i) {
    const ValueId v = graph_.inputs[i];
    const Shape& shape = plan_->shapes[static_cast<size_t>(v)];
    if (inputs[i].shape != shape || inputs[i].dtype != graph_.value(v).dtype) {
      arenas_.pop_back();
      return Status::unsupported("samples of several shapes");
    }
    if (void* to = pointer(v, arenas_.size() - 1); to != nullptr)
      std::memcpy(to, inputs[i].data, static_cast<size_t>(byte_size(inputs[i].dtype, shape)));
  }
  return {};
}

Status Lockstep::run(const Before& before) {
  std::vector<const void*> in;
  std::vector<void*> out;
  Workspace workspace;
  for (size_t s = 0; s < plan_->steps.size(); ++s) {
    const Step& step = plan_->steps[s];
    const Node& n = graph_.nodes[static_cast<size_t>(step.node)];
    if (before(step.node)) {
      const NodeTensors t = describe(graph_, n, plan_->shapes);
      auto chosen =
          choose_kernel(*step.spec, t.desc(n, plan_->options.custom_ops.get()), Backend::xnnpack, pool_);
      if (!chosen.ok()) return std::move(chosen).status().at(label(graph_, step.node));
      kernels_[s] = std::move(chosen->kernel);
    }
    if (step.elided || kernels_[s] == nullptr) continue;
    for (size_t k = 0; k < arenas_.size(); ++k) {
      in.clear();
      out.clear();
      for (ValueId v : n.inputs)
        in.push_back(pointer(v, k));
      for (ValueId v : n.outputs)
        out.push_back(pointer(v, k));
      OCTET_TRY(run_kernel(*kernels_[s], in, out, workspace, pool_));
    }
    kernels_[s] = nullptr;  // its packed weights are needed no more
  }
  return {};
}

}  // namespace octet
