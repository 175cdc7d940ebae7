// Windows (convolution, pooling) and explicit padding in front of them.
#pragma once

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "graph/graph_editor.hpp"

namespace octet {

// A PAD or PADV2 whose amounts are constant.
struct PadOp {
  std::vector<std::pair<int64_t, int64_t>> amounts;  // before and after, per axis
  double fill = 0;                                   // real; -infinity for the lowest integer of a type

  bool is_noop() const;
};
std::optional<PadOp> pad_op(const Graph& g, const Node& n);

// A convolution or a pooling: extents along axes 1.. of the input.
struct WindowOp {
  int axes = 2;
  std::array<int32_t, 3> filter{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1};
  Padding padding;
};
std::optional<WindowOp> window_op(const Graph& g, const Node& n);

// No padding of the batch or of the channels.
bool pads_only_window_axes(const PadOp& pad, const WindowOp& window);
// Padding `x` by `pad`, then a VALID window with output `y`, is what SAME padding means on `x`. With strides
// that depends on the extents of `x`, which must then be fixed.
bool same_padding_equals(const Value& x, const Value& y, const PadOp& pad, const WindowOp& window);
// Values made by node `producer` are never below `fill` (a max pooling then ignores it); -1: unknown
// producer.
bool never_below(const Graph& g, NodeId producer, double fill);
void set_padding(Node& n, const Padding& padding);

}  // namespace octet
