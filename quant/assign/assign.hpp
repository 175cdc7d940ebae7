// Assignment: which operators compute in integers, and the scale and zero point of everything they touch.
// Decided first as plain data, applied afterwards by materialize().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph_editor.hpp"
#include "octet/quantize.hpp"
#include "quant/recipe.hpp"
#include "quant/statistics/statistics.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

struct NodeForm {
  enum class Kind : uint8_t {
    integer,    // computes in integers; `type` says with which activations
    floating,   // stays in float; `reason` says why
    untouched,  // sees no float tensor (indices, shapes, booleans), or stores what it is given
  };
  Kind kind = Kind::floating;
  DType type = DType::int8;  // of an integer node's activations: int8, or int16 in the scheme int16x8
  std::string reason;        // why not as the scheme wants it
  // Per input and output of an integer node: how the tensor must be quantized there; empty where it is not.
  // Intermediates are those its rule asks for, not those the node has now.
  std::vector<Quantization> inputs, outputs, intermediates;
};

struct GraphAssignment {
  std::vector<NodeForm> nodes;  // one per node of the graph
  // How each value that is float32 now is held where it is an integer: the quantization it is produced with,
  // or that a QUANTIZE gives it. Empty: never an integer.
  std::vector<Quantization> values;
  std::vector<DType> types;  // of each value where it is an integer
  // How inputs and outputs of the graph that are int16 inside are held in int8; empty for all other values.
  std::vector<Quantization> narrow;
  std::vector<Finding> findings;
};

// A node that computes in another type than the recipe says, with the reason.
struct TypeOverride {
  NodeId node = -1;
  DType type = DType::float32;  // or int8, or int16 where the recipe has 8 bits
  std::string reason;

  friend bool operator==(const TypeOverride&, const TypeOverride&) = default;
};

// Of several overrides of one node the last counts. `int16_activations`: the operators that round_once()
// found to need them; a recipe may say otherwise.
Result<GraphAssignment> assign(const Graph& g, const GraphStatistics& statistics, const Recipe& recipe,
                               const std::vector<TypeOverride>& overrides = {},
                               const NodeMarks& int16_activations = {});

}  // namespace octet
