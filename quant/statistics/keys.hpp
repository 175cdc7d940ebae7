// What statistics are filed under: the name of a value, and a hash of everything that its contents depend on.
// A flag that changes one weight so leaves the statistics of all values in front of it valid.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/ir/graph.hpp"

namespace octet {

// The name of each value: its own, or with its number where it is not unique.
std::vector<std::string> value_keys(const Graph& g);
// The same for what is inside of operators, per node in the order of OpSpec::inner:
// "<key of its first output>/<name>".
std::vector<std::vector<std::string>> inner_keys(const Graph& g);

// Per value a hash of the operators, attributes and constants that it is computed from. Values of a graph
// with state or calls of other graphs all depend on the whole model.
std::vector<uint64_t> origins_of(const ModelData& model);

}  // namespace octet
