#include "quant/assign/kernel_probe.hpp"

#include "kernels/node_runner.hpp"
#include "runtime/plan.hpp"

namespace octet {

std::string why_no_kernel(const Graph& g, const Node& n, ThreadPool& pool) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || is_run_by_executor(n.kind)) return {};
  std::vector<Shape> shapes;
  for (const Value& v : g.values)
    shapes.push_back(v.shape);
  const NodeTensors tensors = describe(g, n, shapes);
  const auto chosen = choose_kernel(*spec, tensors.desc(n), Backend::xnnpack, pool);
  return chosen.status().code() == Code::unsupported ? chosen.status().message() : std::string();
}

}  // namespace octet
