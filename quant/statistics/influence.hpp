// Values that have no influence on what reads them: what a mask pushes far below the rest of a SOFTMAX's row,
// or below the bound of a clamp. They saturate, so ranges are chosen without them, however large they are.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "octet/tensor.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// What all readers of a value do with its smallest elements.
struct Influence {
  // Rows along the last axis: elements this far below the greatest of their row count for nothing.
  std::optional<float> below_row;
  // Elements below this are as good as this.
  std::optional<float> floor;

  bool any() const { return below_row || floor; }
};
// Per value of a graph. A graph output shows everything.
std::vector<Influence> influences_of(const Graph& g);

// The values as they count, in `storage` where they differ: none is further from the others than its
// influence reaches. Rows that a mask hides as a whole count for nothing at all.
std::span<const float> influential(const ConstTensorView& view, const Influence& influence,
                                   std::vector<float>& storage);

}  // namespace octet
