// Asks the kernels whether they take a node as it is.
#pragma once

#include <string>

#include "kernels/thread_pool.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Why no implementation takes this node; empty when one does. Only a clear refusal counts: what fails because
// a shape is not known yet is the planner's to judge.
std::string why_no_kernel(const Graph& g, const Node& n, ThreadPool& pool);

}  // namespace octet
