// What an element-wise operator makes of one of its inputs, found by trying.
#pragma once

#include "quant/statistics/observer.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// The response of `node` to `value`, when that is its only computed input and each element of the output
// depends on one element of it alone; else empty. The graph must outlive the response.
Response response_of(const Graph& g, NodeId node, ValueId value);

}  // namespace octet
