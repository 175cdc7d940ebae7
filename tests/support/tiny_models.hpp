// Small models made in memory, for tests of the format, of validation and of bad input.
#pragma once

#include "schema/ir/graph.hpp"

namespace octet::test {

// Everything the format can say, in a few hundred bytes: per-channel weights, a bias, options with and
// without fields, a custom operator, a variable, an absent input, dynamic extents, strings, two graphs,
// signatures, metadata.
ModelData rich_model(Format format = Format::tflite);

// One operator of `kind` with default attributes between an input and an output.
ModelData single_op_model(OpKind kind);

// A convolution, an addition and a softmax with sensible shapes: a model that runs.
ModelData runnable_model();

// Append a value; data of `constant` is empty for a value that is computed.
ValueId add_value(Graph& g, std::string name, DType dtype, Shape shape, Constant constant = {});

}  // namespace octet::test
