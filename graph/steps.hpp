// What rules of several tables look for and do at a site.
#pragma once

#include "graph/rule.hpp"
#include "graph/window_op.hpp"

namespace octet {

// The consumer reads input 0 of its producer; a producer without other readers is removed.
void read_past_producer(Site& s);

// The producer takes the consumer in, with `act` as its fused activation.
Status take_activation(Site& s, const Activation& act);

// A PAD in front of a window that has no padding itself and for which the fill is like no element at all: 0
// for a convolution, for a max pooling what its input is never below.
struct PaddedWindow {
  PadOp pad;
  WindowOp window;
};
std::optional<PaddedWindow> padded_window(const Site& s);

// Operators whose window padded_window() may find padding for.
bool is_convolution(const OpSpec& spec);

}  // namespace octet
