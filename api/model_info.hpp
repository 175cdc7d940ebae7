// Descriptions of a graph's parts for the public interface. Internal to api/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "octet/model.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// `computed`: the role of a tensor that is neither constant nor variable.
TensorInfo tensor_info(const Value& v, TensorRole computed);
std::vector<TensorInfo> tensor_infos(const Graph& g, const std::vector<ValueId>& ids, TensorRole computed);

// Multiply-accumulates of one run with these shapes, one per value; 0 where the operator does not accept
// them.
int64_t macs_of(const Graph& g, const Node& n, std::span<const Shape> shapes);

}  // namespace octet
