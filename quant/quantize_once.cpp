#include <fmt/format.h>

#include "graph/verify.hpp"
#include "octet/try.hpp"
#include "quant/assign/kernel_probe.hpp"
#include "quant/assign/materialize.hpp"
#include "quant/pipeline.hpp"
#include "schema/ir/validate.hpp"

namespace octet {
namespace {

std::vector<TypeOverride> find_refused(const Materialized& m, const GraphAssignment& a) {
  ThreadPool pool(1);
  std::vector<TypeOverride> refused;
  for (size_t i = 0; i < m.graph.nodes.size(); ++i) {
    const NodeId source = m.source[i];
    if (source < 0 || a.nodes[static_cast<size_t>(source)].kind != NodeForm::Kind::integer) continue;
    const DType type = a.nodes[static_cast<size_t>(source)].type;
    if (const std::string why = why_no_kernel(m.graph, m.graph.nodes[i], pool); !why.empty())
      refused.push_back({source, type == DType::int16 ? DType::int8 : DType::float32,
                         fmt::format("no kernel takes it in {}: {}", name_of(type), why)});
  }
  return refused;
}

}  // namespace

Result<Quantized> quantize_once(const PreparedModel& prepared, const GraphStatistics& statistics,
                                const Recipe& recipe, std::vector<TypeOverride> overrides,
                                const WeightMoments* moments) {
  const Graph& g = prepared.model->main();
  for (;;) {
    OCTET_ASSIGN(GraphAssignment a, assign(g, statistics, recipe, overrides, prepared.int16_activations));
    OCTET_ASSIGN(Materialized m, materialize(g, a, recipe.io));
    if (std::vector<TypeOverride> refused = find_refused(m, a); !refused.empty()) {
      // Each round moves at least one more node from int16 to int8 or from there to float, so this ends.
      overrides.insert(overrides.end(), refused.begin(), refused.end());
      continue;
    }
    if (auto status = verify_quantized(m.graph); !status.ok())
      return Status::internal("the quantized graph is wrong: " + status.message());
    const std::vector<Finding> shrunk = shrink_weights(prepared, m, recipe, moments);
    a.findings.insert(a.findings.end(), shrunk.begin(), shrunk.end());
    auto model = std::make_shared<ModelData>(*prepared.model);
    model->main() = std::move(m.graph);
    model->path.clear();
    model->file_bytes = 0;
    if (auto status = validate(*model); !status.ok())
      return Status::internal("the quantized graph is wrong: " + status.message());
    return Quantized{std::move(model), std::move(a), std::move(m.source), std::move(overrides)};
  }
}

}  // namespace octet
