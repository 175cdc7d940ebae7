// LSTM in its three forms (cell, sequence, both directions): what is where among a node's inputs, and the two
// arithmetics that run it.
//
// One step, gate order i f g o (input, forget, cell, output), sizes: input n, cell m, output k:
//   z = W x + A aux + R h + P c + b        per gate; P (peephole) is diagonal and absent in g, o sees the new
//   c z = b + L * (z - mean z) / stddev z    with layer normalization, which then holds the bias c =
//   sigmoid(z_f) * c + sigmoid(z_i) * act(z_g), clipped;   without an input gate its factor is 1 - f h =
//   sigmoid(z_o) * act(c), projected to k and clipped when there is a projection
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "kernels/op_spec.hpp"

namespace octet {

enum Gate : uint8_t { kInputGate, kForgetGate, kCellGate, kOutputGate };
// What a float pass shows from inside (OpSpec::inner): the gates before their normalization, by Gate; the
// hidden vector before its projection; the cell.
enum LstmInner : uint8_t { kInnerHidden = 4, kInnerCell, kInnerCount };

// One direction of an LSTM node. Positions among the node's inputs, -1 for what is not there.
struct LstmPass {
  using Gates = std::array<int, 4>;
  static constexpr Gates kNone{-1, -1, -1, -1};

  int input = 0, aux = -1, hidden = -1, cell = -1, projection = -1, projection_bias = -1;
  Gates input_weights = kNone, aux_weights = kNone, recurrent_weights = kNone, peephole = kNone, bias = kNone,
        norm = kNone;
  Activation act = Activation::Kind::tanh;
  float cell_clip = 0, projection_clip = 0;  // 0: none

  int64_t batch = 0, steps = 0, n = 0, n_aux = 0, m = 0, k = 0;
  bool time_major = false, backwards = false;
  bool diagonal = false;  // recurrent weights are vectors

  size_t output = 0;                       // which output of the node
  int64_t row_stride = 0, row_offset = 0;  // elements: an output row may be part of a longer one

  bool has_input_gate() const { return input_weights[kInputGate] >= 0; }
  bool has_norm() const { return norm[kForgetGate] >= 0; }
  // Row of step `t` of sequence `b` in the input and the output.
  int64_t row(int64_t t, int64_t b) const { return time_major ? t * batch + b : b * steps + t; }
};

// Checks the shapes and types of everything the pass names against each other.
Status check_pass(const NodeDesc& n, LstmPass& p);

using PassFn = std::function<Status(const RunArgs&)>;

// Float activations; weights float, or int8 that are multiplied as they are and scaled after (hybrid).
// `in_double` accumulates in double: the reference.
Result<PassFn> make_float_pass(const NodeDesc& n, const LstmPass& p, bool in_double);
// The integer scheme of the TFLite specification: int8 (or int16) activations, int8 weights, int16 cell.
Result<PassFn> make_integer_pass(const NodeDesc& n, const LstmPass& p);

}  // namespace octet
