// The form of a quantized model that its reader runs.
#pragma once

#include <vector>

#include "octet/recipe.hpp"
#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

// Operators whose integer form the reader does not have become DEQUANTIZE, the operator in float, QUANTIZE;
// constants stay integers behind a DEQUANTIZE. graph/integer_rules.cpp is the reverse, so that Octet computes
// the same integers from either form. Error for Reader::int8_only: names the operators that it cannot have.
Status make_portable(ModelData& m, Reader reader);
Status make_portable(Graph& g, Reader reader);

// The reverse: the integer operators that a file says in float, as such. A graph without any stays as it is.
Result<ModelData> integer_form(const ModelData& file);

// The reader that a file was made portable for: the least demanding one for which make_portable() has nothing
// to do.
Result<Reader> reader_behind(const ModelData& file);

// Whether an operator computes in float; QUANTIZE and DEQUANTIZE do not count.
bool computes_in_float(const Graph& g, const Node& n);

// The operators of a file that compute in float; QUANTIZE and DEQUANTIZE do not count.
int count_float_operators(const ModelData& m);

// What the reader has no form of at all; names of kinds.
std::vector<std::string> unknown_operators(const ModelData& m, Reader reader);

}  // namespace octet
