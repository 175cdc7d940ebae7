#include "kernels/required.hpp"

#include <fmt/format.h>

#include "kernels/op_spec.hpp"

namespace octet {

Status check_required(const Graph& g) {
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    const OpSpec* spec = find_spec(n.kind);
    if (spec == nullptr) continue;
    auto check = [&](std::string_view what, const std::vector<ValueId>& values, int least) -> Status {
      for (int k = 0; k < least; ++k)
        if (const auto at = static_cast<size_t>(k); at >= values.size() || values[at] == kNoValue)
          return Status::corrupt(fmt::format("{} '{}': {} {} is absent", kind_name(n),
                                             node_name(g, static_cast<NodeId>(i)), what, k));
      return {};
    };
    OCTET_TRY(check("input", n.inputs, spec->inputs.min));
    OCTET_TRY(check("output", n.outputs, spec->outputs.min));
  }
  return {};
}

}  // namespace octet
