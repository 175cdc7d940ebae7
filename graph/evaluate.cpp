#include "graph/evaluate.hpp"

#include <fmt/format.h>

#include "kernels/node_runner.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

TensorDesc description(const Value& v) {
  return {.name = v.name,
          .dtype = v.dtype,
          .shape = v.shape,
          .quant = v.quant,
          .data = v.is_constant() ? v.constant.data() : nullptr,
          .is_variable = v.is_variable};
}

}  // namespace

Result<std::vector<Value>> evaluate(const Graph& g, const Node& n, std::span<const Value* const> inputs) {
  const OpSpec* spec = find_spec(n.kind);
  if (spec == nullptr || spec->reference.create == nullptr)
    return Status::unsupported(fmt::format("{} has no kernel", name_of(n.kind)));
  std::vector<TensorDesc> in, out;
  for (const Value* v : inputs)
    in.push_back(v == nullptr ? TensorDesc{.absent = true} : description(*v));
  std::vector<Value> results;
  for (ValueId v : n.outputs) {
    results.push_back(v == kNoValue ? Value{} : g.value(v));
    results.back().constant = {};
  }
  for (const Value& v : results)
    out.push_back(description(v));
  const NodeDesc desc{.kind = n.kind, .attrs = &n.attrs, .in = in, .out = out};
  OCTET_ASSIGN(const InferredShapes shapes, infer_shapes(*spec, desc));
  if (shapes.deferred || shapes.shapes.size() != results.size())
    return Status::unsupported("output shapes depend on data");
  for (size_t i = 0; i < results.size(); ++i) {
    results[i].shape = out[i].shape = shapes.shapes[i];
    const int64_t bytes = out[i].bytes();
    if (bytes < 0 || bytes > (int64_t{1} << 32))
      return Status::exhausted(fmt::format("'{}' would have {} bytes", results[i].name, bytes));
  }
  ThreadPool pool(1);
  OCTET_ASSIGN(auto constants, run_on_constants(*spec, desc, pool));
  for (size_t i = 0; i < results.size(); ++i)
    results[i].constant = std::move(constants[i]);
  return results;
}

}  // namespace octet
