#include "quant/passes/round_once.hpp"

#include <array>

#include "octet/try.hpp"

namespace octet {

Result<FusionReport> round_once(Graph& g, NodeMarks& int16_activations) {
  FusionReport report;
  // One rule after the other: what needs 16 bits is known by its operators, and pairs before what is alone.
  for (const std::span<const Rule> table : {int16_activation_rules(), channel_rules()})
    for (const Rule& rule : table) {
      const std::array alone = {std::span(&rule, 1)};
      OCTET_ASSIGN(const FusionReport fired, rewrite(g, alone, {}, &int16_activations));
      report.append(fired);
    }
  return report;
}

}  // namespace octet
