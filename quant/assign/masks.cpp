#include "quant/assign/masks.hpp"

#include <algorithm>
#include <set>

#include "quant/statistics/influence.hpp"

namespace octet {

std::vector<std::optional<float>> masking_bounds(const Graph& g, const std::function<Range(ValueId)>& range) {
  std::vector<std::optional<float>> bounds(g.values.size());
  const std::vector<Influence> influences = influences_of(g);
  std::set<ValueId> elsewhere(g.outputs.begin(), g.outputs.end());
  for (const Node& n : g.nodes) {
    const bool sum = n.kind == OpKind::ADD && n.inputs.size() == 2 && n.inputs[0] != n.inputs[1];
    if (!sum || !influences[static_cast<size_t>(n.outputs[0])].any()) {
      elsewhere.insert(n.inputs.begin(), n.inputs.end());
      continue;
    }
    // The sum's range ends where its elements stop to count.
    const float least = range(n.outputs[0]).min;
    for (const size_t slot : {0, 1}) {
      std::optional<float>& bound = bounds[static_cast<size_t>(n.inputs[slot])];
      const float other = least - range(n.inputs[1 - slot]).max;
      bound = bound ? std::min(*bound, other) : other;
    }
  }
  for (const ValueId v : elsewhere)
    if (v != kNoValue) bounds[static_cast<size_t>(v)].reset();
  return bounds;
}

}  // namespace octet
