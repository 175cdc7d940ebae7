#include "tests/support/recurrent.hpp"

#include <fmt/format.h>

namespace octet::test {
namespace {

ValueId state(GraphBuilder& b, const char* name, int32_t batch, int32_t width) {
  return b.state(fmt::format("{}{}", name, b.graph().values.size()), {batch, width});
}

}  // namespace

std::vector<ValueId> lstm_weights(GraphBuilder& b, const Recurrent& r) {
  std::vector<ValueId> in;
  auto add = [&](bool there, const Shape& s, float size) {
    in.push_back(there ? b.random(s, -size, size) : kNoValue);
  };
  for (int g = 0; g < 4; ++g)
    add(g > 0 || r.input_gate, {r.m, r.n}, 0.6f);
  for (int g = 0; g < 4; ++g)
    add(g > 0 || r.input_gate, {r.m, r.k}, 0.4f);
  for (int g = 0; g < 3; ++g)
    add(r.peephole && (g > 0 || r.input_gate), {r.m}, 0.3f);
  for (int g = 0; g < 4; ++g)
    add(g > 0 || r.input_gate, {r.m}, 0.5f);
  add(r.projection, {r.k, r.m}, 0.6f);
  add(r.projection, {r.k}, 0.2f);
  return in;
}

ValueId lstm(GraphBuilder& b, ValueId x, const Recurrent& r) {
  std::vector<ValueId> in = {x};
  for (ValueId v : lstm_weights(b, r))
    in.push_back(v);
  in.push_back(state(b, "hidden", r.batch, r.k));
  in.push_back(state(b, "cell", r.batch, r.m));
  for (int g = 0; r.norm && g < 4; ++g)
    in.push_back(g > 0 || r.input_gate ? b.random({r.m}, 0.5f, 1.2f) : kNoValue);
  SequenceLstmAttrs a;
  a.act = r.act;
  a.cell_clip = r.cell_clip;
  a.time_major = r.time_major;
  return b.op(OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM, in, a);
}

std::vector<ValueId> bidirectional_lstm(GraphBuilder& b, ValueId x, const Recurrent& r, bool merged,
                                        ValueId second) {
  std::vector<ValueId> in = {x};
  for (int direction = 0; direction < 2; ++direction)
    for (ValueId v : lstm_weights(b, r))
      in.push_back(v);
  for (int direction = 0; direction < 2; ++direction) {
    in.push_back(state(b, "hidden", r.batch, r.k));
    in.push_back(state(b, "cell", r.batch, r.m));
  }
  in.push_back(second);
  in.resize(48, kNoValue);
  BidirectionalLstmAttrs a;
  a.act = r.act;
  a.cell_clip = r.cell_clip;
  a.merge_outputs = merged;
  a.time_major = r.time_major;
  return b.multi(OpKind::BIDIRECTIONAL_SEQUENCE_LSTM, in, a,
                 std::vector<DType>(merged ? 1 : 2, DType::float32));
}

namespace {

// Weights, recurrent weights, bias, state.
void add_rnn_direction(GraphBuilder& b, const Recurrent& r, std::vector<ValueId>& in) {
  in.push_back(b.random({r.m, r.n}, -0.6f, 0.6f));
  in.push_back(b.random({r.m, r.m}, -0.4f, 0.4f));
  in.push_back(b.random({r.m}, -0.5f, 0.5f));
  in.push_back(state(b, "hidden", r.batch, r.m));
}

}  // namespace

ValueId rnn(GraphBuilder& b, ValueId x, const Recurrent& r) {
  std::vector<ValueId> in = {x};
  add_rnn_direction(b, r, in);
  if (b.shape(x).rank() == 2) return b.op(OpKind::RNN, in, RnnAttrs{.act = r.act});
  return b.op(OpKind::UNIDIRECTIONAL_SEQUENCE_RNN, in,
              SequenceRnnAttrs{.time_major = r.time_major, .act = r.act});
}

std::vector<ValueId> bidirectional_rnn(GraphBuilder& b, ValueId x, const Recurrent& r, bool merged,
                                       ValueId second, bool linked) {
  std::vector<ValueId> in = {x};
  add_rnn_direction(b, r, in);
  add_rnn_direction(b, r, in);
  in.push_back(second);
  for (int direction = 0; direction < 2; ++direction)
    in.push_back(linked ? b.random({r.m, b.shape(second)[-1]}, -0.6f, 0.6f) : kNoValue);
  return b.multi(OpKind::BIDIRECTIONAL_SEQUENCE_RNN, in,
                 BidirectionalRnnAttrs{.time_major = r.time_major, .act = r.act, .merge_outputs = merged},
                 std::vector<DType>(merged ? 1 : 2, DType::float32));
}

}  // namespace octet::test
