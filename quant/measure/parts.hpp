// Parts of an output that mean something by themselves.
#pragma once

#include <string>
#include <vector>

#include "octet/tensor.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Consecutive slices of an output along one axis.
struct OutputParts {
  int axis = 0;  // counted from the front; of the output
  // Pieces that are joined in the output, with names; empty: the parts are its channels.
  std::vector<std::string> names;
  std::vector<int64_t> ends;  // where each piece ends along the axis

  bool joined() const { return !names.empty(); }
};

// Of each output of a graph: pieces that a CONCATENATION or a PACK joins, seen through what only moves them;
// else channels.
std::vector<OutputParts> parts_of_outputs(const Graph& g);

// The part of every element of an output with this shape, as a number from 0; empty where it has no parts:
// one piece, or channels of less than 16 elements.
std::vector<int> parts_of_elements(const OutputParts& parts, const Shape& shape);

}  // namespace octet
