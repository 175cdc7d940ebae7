// Rule tables that only a quantizer needs, and the pass that applies them.
#pragma once

#include "graph/rewriter.hpp"

namespace octet {

std::span<const Rule> wide_rules();     // what needs 16-bit activations
std::span<const Rule> channel_rules();  // what would round several times, as one operator

// Before int8 quantization, after fuse(): operators that would round one after the other become one that
// rounds once (channel_rules.cpp), what needs 16 bits is marked (wide_rules.cpp).
Result<FusionReport> round_once(Graph& g);

}  // namespace octet
