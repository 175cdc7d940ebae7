// Apply an assignment: the int8 graph with its integer constants, and the conversions at its borders.
#pragma once

#include "quant/assign.hpp"

namespace octet {

Result<Graph> materialize(const Graph& g, const Assignment& assignment, Io io);

}  // namespace octet
