// Semantic validation of a graph: every index, shape, size, scale, zero point and axis, whatever made the
// graph (a reader, a rewrite, the quantizer). Errors name the tensor or operator.
#pragma once

#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

Status validate(const ModelData& model);

}  // namespace octet
