// LSTMs and RNNs in test graphs, with random weights and state of their own.
#pragma once

#include "tests/support/graph_builder.hpp"

namespace octet::test {

struct Recurrent {
  int32_t batch = 1, steps = 5, n = 6, m = 8, k = 8;  // k differs from m only with a projection
  bool time_major = false, input_gate = true, peephole = false, projection = false, norm = false;
  Activation act = Activation::Kind::tanh;
  float cell_clip = 0;

  Shape input() const { return time_major ? Shape{steps, batch, n} : Shape{batch, steps, n}; }
};

// One direction's weights and biases, in the order that all LSTM operators share (17 tensors).
std::vector<ValueId> lstm_weights(GraphBuilder& b, const Recurrent& r);
// UNIDIRECTIONAL_SEQUENCE_LSTM
ValueId lstm(GraphBuilder& b, ValueId x, const Recurrent& r);
// BIDIRECTIONAL_SEQUENCE_LSTM; one output when merged, else two. `second`: the backward direction's own
// input.
std::vector<ValueId> bidirectional_lstm(GraphBuilder& b, ValueId x, const Recurrent& r, bool merged,
                                        ValueId second = kNoValue);
// UNIDIRECTIONAL_SEQUENCE_RNN, or RNN when x has no axis for time; m units.
ValueId rnn(GraphBuilder& b, ValueId x, const Recurrent& r);
// BIDIRECTIONAL_SEQUENCE_RNN. `second`: the backward direction's own input, or with `linked` one for both.
std::vector<ValueId> bidirectional_rnn(GraphBuilder& b, ValueId x, const Recurrent& r, bool merged,
                                       ValueId second = kNoValue, bool linked = false);

}  // namespace octet::test
