// Runs a graph node by node with the reference kernels, keeping every value: slow and simple, independent of
// planner and executor.
#pragma once

#include <vector>

#include "schema/ir/graph.hpp"

namespace octet::test {

// Contents of every value (empty for those that were not computed). `inputs`: one per graph input.
Result<std::vector<Value>> interpret(const Graph& g, const std::vector<Constant>& inputs);

// Pseudo-random floats in [lo, hi) for every graph input, the same on every run; other types get small
// integers.
std::vector<Constant> random_inputs(const Graph& g, uint32_t seed, float lo = -2, float hi = 2);

// Greatest difference of the outputs of two graphs on the same inputs, relative to the greatest magnitude.
Result<double> difference(const Graph& a, const Graph& b, const std::vector<Constant>& inputs);

}  // namespace octet::test
