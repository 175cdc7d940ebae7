// Recipes as the quantizer reads them: what one asks of each operator.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "octet/recipe.hpp"
#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// The integers that weights become, and how many of them share a scale.
struct WeightForm {
  int bits = 8;       // 8 or 4; 4 only where activations stay float
  int32_t block = 0;  // > 0: one scale for so many neighbouring inputs of an output, where operators take it
  bool per_channel = true;  // false: one scale for all channels of a weight tensor

  friend bool operator==(const WeightForm&, const WeightForm&) = default;
};
// What blocks may be: what XNNPACK takes.
inline constexpr int32_t kBlockStep = 32, kMostBlock = 4096;

// Shell-like pattern: * any characters, ? one. Case matters.
bool glob_match(std::string_view pattern, std::string_view text);

// What a recipe asks of one operator, and the pattern that asks it; no pattern: the recipe as a whole.
struct OperatorChoice {
  Scheme scheme = Scheme::int8;
  WeightForm weights;
  const std::string* pattern = nullptr;
  bool has_scheme = false;  // the pattern's entry names the scheme

  // "kept in float by 'conv*'", for reports; empty when the recipe as a whole asks for it.
  std::string reason() const;
};
OperatorChoice choice_for(const Recipe& recipe, const Graph& g, NodeId node);

// A recipe for other operators than this graph has is a mistake: an error names the pattern.
Status check_operators(const Recipe& recipe, const Graph& g);

}  // namespace octet
