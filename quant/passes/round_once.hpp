// Rule tables that only a quantizer needs, and the pass that applies them.
#pragma once

#include "graph/rewriter.hpp"

namespace octet {

std::span<const Rule> int16_activation_rules();  // marks what needs 16-bit activations
std::span<const Rule> channel_rules();           // what would round several times, as one operator

// Before int8 quantization, after fuse(): what needs 16-bit activations is marked
// (int16_activation_rules.cpp), operators that would round one after the other become one that rounds once
// (channel_rules.cpp). `int16_activations` are marks that there are already.
Result<FusionReport> round_once(Graph& g, NodeMarks& int16_activations);

}  // namespace octet
