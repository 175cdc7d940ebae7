// Constants inside element-wise operators, as the rules need them.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph_editor.hpp"
#include "kernels/op_spec.hpp"

namespace octet {

// The values of a float32 constant in double; nothing when it is no such constant or not finite.
std::optional<std::vector<double>> floats_of(const Value& v);
// The single value of a constant with one element.
std::optional<double> scalar_of(const Value& v);
// The integers of a constant int32 or int64 tensor.
std::optional<std::vector<int64_t>> ints_of(const Value& v);

// Operators that are affine in one operand where the other one is a constant, and clamps.
bool is_affine(const OpSpec& spec);
bool is_clamp(const OpSpec& spec);

// A product, quotient, sum or difference with one float32 constant: y = scale * x + shift, element-wise with
// broadcasting. Both vectors have the constant's elements (or one, where only the other one varies).
struct AffineOp {
  size_t x_slot = 0;
  ValueId constant = kNoValue;
  Shape shape;  // of the constant
  std::vector<double> scale, shift;

  bool is_scale() const { return all(shift, 0); }
  bool is_shift() const { return all(scale, 1); }

 private:
  static bool all(const std::vector<double>& v, double x) {
    for (double e : v)
      if (e != x) return false;
    return true;
  }
};
std::optional<AffineOp> affine_op(const Graph& g, const Node& n);

// `v` (of shape `shape`) as one value per slice of a tensor's last axis of extent `channels`, when it varies
// along no other axis; `rank` is the tensor's.
std::optional<std::vector<double>> per_channel(const std::vector<double>& v, const Shape& shape, int rank,
                                               int64_t channels);

// The clamp that an operator is, as the consumer of a value: a bound that is an operand must be a scalar
// constant. `x_slot` is the other operand.
struct ClampOp {
  size_t x_slot = 0;
  float lo, hi;
};
std::optional<ClampOp> clamp_op(const Graph& g, const Node& n);
// The same with a bound that is known to be `limit`.
ClampOp clamp_by(const ClampForm& form, size_t x_slot, float limit);
// The operator of one input that limits to the bounds of an activation.
std::optional<OpKind> clamp_kind(const Activation& act);
// The activation that limits to [lo, hi]: a standard one where there is one, else Activation::clamp.
Activation activation_for(float lo, float hi);
// `act` followed by a clamp to [lo, hi]; nothing for activations that are no clamps and for an empty range.
std::optional<Activation> tighten(const Activation& act, float lo, float hi);

}  // namespace octet
