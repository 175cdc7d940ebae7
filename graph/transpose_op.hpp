// Permutations of TRANSPOSE, as the rules need them.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph_editor.hpp"

namespace octet {

// Output axis i is input axis p[i]. Nothing when the permutation is not a constant or not a permutation.
std::optional<std::vector<int32_t>> permutation_of(const Graph& g, const Node& n);
// A constant of `n`'s own, in place of the old one.
void set_permutation(GraphEditor& ed, NodeId n, const std::vector<int32_t>& p);

}  // namespace octet
