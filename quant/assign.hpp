// Assignment: which operators compute in int8, and the scale and zero point of everything they touch.
// Decided first as plain data, applied afterwards by materialize().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/calibration.hpp"
#include "quant/recipe.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Something a user should know about a tensor or operator.
struct Finding {
  std::string where;  // its name
  std::string what;
};

struct NodeForm {
  enum class Kind : uint8_t {
    int8,       // computes in int8
    floating,   // stays in float; `reason` says why
    untouched,  // sees no float tensor (indices, shapes, booleans), or stores what it is given
  };
  Kind kind = Kind::floating;
  std::string reason;
  // Per input and output of an int8 node: how the tensor must be quantized there; empty where it is not.
  // Intermediates are those its rule asks for, not those the node has now.
  std::vector<Quantization> inputs, outputs, intermediates;
};

struct Assignment {
  std::vector<NodeForm> nodes;  // one per node of the graph
  // How each value that is float32 now is held where it is held as int8: the quantization it is produced
  // with, or that a QUANTIZE gives it. Empty: never int8.
  std::vector<Quantization> values;
  std::vector<Finding> findings;
};

// Nodes that must stay float whatever the recipe says, with the reason.
using ForcedFloat = std::vector<std::pair<NodeId, std::string>>;

Result<Assignment> assign(const Graph& g, const Calibration& calibration, const Recipe& recipe,
                          const ForcedFloat& forced = {});

}  // namespace octet
