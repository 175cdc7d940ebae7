#include "kernels/node_runner.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "kernels/packed.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr size_t kWorkspaceAlignment = 64;

}  // namespace

NodeTensors describe(const Graph& g, const Node& n, std::span<const Shape> shapes) {
  NodeTensors t;
  auto one = [&](ValueId id) {
    TensorDesc d;
    if (id == kNoValue) {
      d.absent = true;
      return d;
    }
    const Value& v = g.value(id);
    d.name = v.name;
    d.dtype = v.dtype;
    d.shape = shapes[static_cast<size_t>(id)];
    d.quant = v.quant;
    d.is_variable = v.is_variable;
    if (v.is_constant() && !v.is_variable) d.data = v.constant.data();
    return d;
  };
  for (ValueId v : n.inputs)
    t.in.push_back(one(v));
  for (ValueId v : n.outputs)
    t.out.push_back(one(v));
  for (ValueId v : n.intermediates)
    t.intermediates.push_back(one(v));
  return t;
}

Result<InferredShapes> infer_outputs(const OpSpec& spec, const Node& n, NodeTensors& t,
                                     const CustomOps* custom_ops) {
  OCTET_ASSIGN(InferredShapes inferred, infer_shapes(spec, t.desc(n, custom_ops)));
  if (inferred.deferred) return inferred;
  if (inferred.shapes.size() < t.out.size()) return Status::internal("shape inference gave too few shapes");
  for (size_t i = 0; i < t.out.size(); ++i)
    t.out[i].shape = inferred.shapes[i];
  return inferred;
}

Result<ChosenKernel> choose_kernel(const OpSpec& spec, const NodeDesc& n, Backend backend, ThreadPool& pool) {
  ChosenKernel chosen;
  Status last = Status::unsupported("is not implemented");
  for (const Implementation* impl : candidates(spec, n)) {
    if (backend == Backend::reference && impl != &spec.reference) continue;
    if (n.packed != nullptr) n.packed->clear();  // of one that packed its weights and declined after all
    auto kernel = impl->create(n, pool);
    if (kernel.ok()) {
      chosen.impl = impl;
      chosen.kernel = *std::move(kernel);
      return chosen;
    }
    last = std::move(kernel).status();
    if (last.code() != Code::declined) return last;
    if (!chosen.why.empty()) chosen.why += "; ";
    chosen.why += fmt::format("{}: {}", impl->name, last.message());
  }
  // No implementation is left.
  return Status::unsupported(last.message());
}

void* Workspace::reserve(size_t bytes) {
  if (memory_.size() < bytes + kWorkspaceAlignment) memory_.resize(bytes + kWorkspaceAlignment);
  void* aligned = memory_.data();
  size_t space = memory_.size();
  return std::align(kWorkspaceAlignment, bytes, aligned, space);
}

Status run_kernel(Kernel& kernel, std::span<const void* const> in, std::span<void* const> out,
                  Workspace& workspace, ThreadPool& pool, InnerTap* inner) {
  void* memory = workspace.reserve(kernel.workspace_bytes());
  return kernel.run({.in = in, .out = out, .workspace = memory, .pool = pool, .inner = inner});
}

Result<std::vector<Constant>> run_on_constants(const OpSpec& spec, const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const ChosenKernel chosen, choose_kernel(spec, n, Backend::reference, pool));
  std::vector<const void*> in;
  for (const TensorDesc& t : n.in)
    in.push_back(t.data);
  std::vector<Constant> results;
  std::vector<void*> out;
  for (const TensorDesc& t : n.out) {
    results.push_back(Constant::copy_of(std::vector<std::byte>(static_cast<size_t>(t.bytes()))));
    // This constant is not shared yet.
    out.push_back(const_cast<void*>(results.back().data()));
  }
  Workspace workspace;
  OCTET_TRY(run_kernel(*chosen.kernel, in, out, workspace, pool));
  return results;
}

bool is_worth_folding(int64_t input_bytes, int64_t result_bytes) {
  constexpr int64_t kMaxGrowth = 4, kAlwaysSmall = int64_t{64} << 10;
  return result_bytes <= std::max(kAlwaysSmall, kMaxGrowth * input_bytes);
}

}  // namespace octet
