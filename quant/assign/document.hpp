// An assignment as a document: everything that was decided about a quantization, by the names of operators
// and tensors. It can be printed, saved, edited and applied to the float model again, without data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quant/assign/assign.hpp"
#include "quant/passes/balance.hpp"
#include "quant/recipe.hpp"

namespace octet {

// Integer contents that do not follow from scales alone: weights and biases that were corrected on data.
struct TensorContents {
  std::string name;  // of the constant in the quantized graph
  DType dtype = DType::int8;
  Constant data;
};

struct AssignmentDocument {
  Recipe recipe;               // as it was kept: how the float graph is prepared
  ChannelExponents exponents;  // by which channels of activations are rescaled before
  // Names and kinds of the prepared graph's operators and the names of its values, which `assignment` is
  // about.
  std::vector<std::string> operators, kinds, values;
  GraphAssignment assignment;
  std::vector<TensorContents> contents;

  // Contents in base 64; numbers so that they are read back as they were.
  std::string to_json() const;
  // Whatever the text holds, the result is sound in itself or an error that names the entry.
  static Result<AssignmentDocument> from_json(std::string_view text);
  Status save(const std::string& path) const;
  static Result<AssignmentDocument> load(const std::string& path);
};

// The document of an assignment of this graph; without contents.
AssignmentDocument document_of(const Graph& prepared, const GraphAssignment& assignment, const Recipe& recipe,
                               const ChannelExponents& exponents);
// The assignment that a document holds, if it is one of this graph: the same operators and values, types and
// quantizations that they can have. Errors name the operator or tensor.
Result<GraphAssignment> assignment_for(const Graph& prepared, const AssignmentDocument& document);

}  // namespace octet
