// Run one node on known inputs with its reference kernel: constant folding, and the tests' interpreter.
#pragma once

#include <span>
#include <vector>

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// `inputs[i]` is what input i holds (nullptr when absent). The outputs take names, types and quantization
// from the graph, shapes from inference.
Result<std::vector<Value>> evaluate(const Graph& g, const Node& n, std::span<const Value* const> inputs);

}  // namespace octet
