#include "quant/assign/kernel_probe.hpp"

#include "kernels/op_spec.hpp"
#include "runtime/plan.hpp"

namespace octet {

std::string why_no_kernel(const Graph& g, const Node& n, ThreadPool& pool) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || is_run_by_executor(n.kind)) return {};
  std::vector<Shape> shapes;
  for (const Value& v : g.values)
    shapes.push_back(v.shape);
  const NodeTensors tensors = describe(g, n, shapes);
  std::string why;
  auto refuses = [&](const Implementation& impl) {
    if (impl.create == nullptr) return true;
    auto kernel = impl.create(tensors.desc(n), pool);
    if (kernel.ok()) return false;
    const Status& status = kernel.status();
    if (status.code() != Code::declined && status.code() != Code::unsupported) return false;
    why = status.message();
    return true;
  };
  for (const Implementation& impl : spec->fast)
    if (!refuses(impl)) return {};
  if (!refuses(spec->reference)) return {};
  return why.empty() ? "it has none" : why;
}

}  // namespace octet
