// Random graphs of what makes storage interesting: branches, values that live long, operators that work in
// place, that only look at their input in another way, that cut it into parts or put parts together.
#pragma once

#include "schema/ir/graph.hpp"

namespace octet::test {

Graph random_graph(uint32_t seed);

}  // namespace octet::test
