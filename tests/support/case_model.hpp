// A conformance case as a model of one operator.
#pragma once

#include "tests/support/op_case.hpp"

namespace octet::test {

// Input i of the operator is named "in<i>", output i "out<i>". What the case or the operator's rule wants
// constant is, all else is an input of the graph.
ModelData model_of(const OpCase& c, const Prepared& p, Form form);
// The bytes of the inputs of such a model's graph.
std::vector<std::span<const std::byte>> inputs_of(const ModelData& m, const Prepared& p);

}  // namespace octet::test
