// Before int8 quantization: recurrent operators that have no integer form become operators that have one.
#pragma once

#include <functional>

#include "graph/rewriter.hpp"

namespace octet {

// An RNN of more steps is not unrolled.
inline constexpr int32_t kMaxSteps = 32;

std::span<const Rule> recurrent_rules();

// Rewrites the main graph, except for nodes that `keep` wants as they are. Results stay the same, from run to
// run: state that was inside an operator is in a resource variable then, which a graph of its own sets to
// zeros (CALL_ONCE). Marks the operators of the main graph that need 16-bit activations.
Result<FusionReport> unroll(ModelData& m, const Keep& keep, NodeMarks& int16_activations);

}  // namespace octet
