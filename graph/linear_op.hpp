// Operators that are linear in their input, with weights and bias: what a fusion must know to change them.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph_editor.hpp"
#include "kernels/op_spec.hpp"

namespace octet {

bool is_linear(const OpSpec& spec);

// A linear operator whose weights (and bias, when present) are float32 constants, with weights for every
// input channel: not a FULLY_CONNECTED that takes several pixels at once.
class LinearOp {
 public:
  static std::optional<LinearOp> of(const Graph& g, const Node& n);

  const LinearForm& form() const { return *form_; }
  int64_t out_channels() const { return weights_->shape[form_->out_axis]; }
  int64_t in_channels() const { return in_channels_; }
  const Value& weights() const { return *weights_; }
  const Value* bias() const { return bias_; }
  // Output and input channel of element `i` of the weights.
  int64_t out_channel(int64_t i) const;
  int64_t in_channel(int64_t i) const;
  // Every output position sees all of its window inside the input.
  bool is_unpadded() const { return unpadded_; }

 private:
  const LinearForm* form_ = nullptr;
  const Value* weights_ = nullptr;
  const Value* bias_ = nullptr;
  int64_t in_channels_ = 0, out_inner_ = 1, in_inner_ = 1, outs_per_group_ = 0;
  bool unpadded_ = false;
};

// Other weights and biases of the same shapes; a bias is added where there was none and it is not all 0.
Status set_parameters(GraphEditor& ed, NodeId n, const std::vector<double>& weights,
                      const std::vector<double>& bias);
// y' = scale * y + shift per output channel, in double, into weights and bias. Declines when the result is
// outside of float.
Status scale_and_shift_output(GraphEditor& ed, NodeId n, const std::vector<double>& scale,
                              const std::vector<double>& shift);
// Whether that would succeed.
bool can_scale_and_shift_output(const Graph& g, const Node& n, const std::vector<double>& scale,
                                const std::vector<double>& shift);
// x' = scale * x + shift per input channel in front of the operator, into weights and bias.
Status scale_and_shift_input(GraphEditor& ed, NodeId n, const std::vector<double>& scale,
                             const std::vector<double>& shift);

}  // namespace octet
