// Scales of an integer operator's weights and biases: the part of an assignment that follows from constants.
#pragma once

#include <vector>

#include "kernels/op_spec.hpp"
#include "quant/assign/assign.hpp"

namespace octet {

// Constants with a scale of their own, which a bias may follow from.
bool is_weights(const TensorRule& r);

// Fills in `form.inputs` for the weights and biases of `node`, once its activations and intermediates are
// there. (Q5), (Q6), (Q11)
void assign_weights(const Graph& g, const Node& node, const QuantRule& rules, bool per_channel,
                    NodeForm& form, std::vector<Finding>& findings);
// The part of it for biases that have no scale yet. (Q6)
void assign_biases(const Graph& g, const Node& node, const QuantRule& rules, NodeForm& form);

}  // namespace octet
