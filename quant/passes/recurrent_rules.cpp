// Recurrent operators that have no integer form, in operators that have one.
//
// BIDIRECTIONAL_SEQUENCE_LSTM is two UNIDIRECTIONAL_SEQUENCE_LSTMs, one of which reads time backwards.
// RNN, UNIDIRECTIONAL_SEQUENCE_RNN and BIDIRECTIONAL_SEQUENCE_RNN are unrolled: h = act(W x + R h + b) is a
// FULLY_CONNECTED over all steps at once and one per step, ADD and TANH. No operator of the formats computes
// it in integers for a whole sequence, so a graph that other readers can run has a node for every step;
// beyond kMaxSteps that is no longer sensible and the operator stays as it is, in float. The state between
// runs becomes a resource variable (VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE), because the steps that need
// it are no longer one operator; unroll() sees to its initial zeros. The steps are marked for 16-bit
// activations: a state rounded to 8 bits in every step would gather error, as the cell of an LSTM would.
#include <array>
#include <fmt/format.h>

#include "graph/emitter.hpp"
#include "kernels/op_spec.hpp"
#include "quant/passes/unroll.hpp"

namespace octet {
namespace {

using enum OpKind;

// With what only sequences need.
class SequenceEmitter : public Emitter {
 public:
  using Emitter::Emitter;

  // One output like `like` with another last extent.
  ValueId like(const char* suffix, ValueId like, int32_t last) {
    Shape shape = value(like).shape;
    std::vector<int32_t> signature = value(like).shape_signature;
    shape[-1] = last;
    if (!signature.empty()) signature.back() = last;
    return add_value(suffix, DType::float32, std::move(shape), std::move(signature));
  }

  ValueId reversed(ValueId x, int32_t axis, ValueId to = kNoValue) {
    if (to == kNoValue) to = like("reversed", x, value(x).shape[-1]);
    op(REVERSE_V2, NoAttrs{}, {x, ints("axis", {axis})}, {to});
    return to;
  }
};

bool is_float_constant(const Site& s, ValueId v) {
  return v == kNoValue || (s.value(v).is_constant() && s.value(v).dtype == DType::float32);
}

// Fills in for an operator with `outputs`: one that joins both directions, or one for each.
void join_directions(SequenceEmitter& e, bool merge, const std::vector<ValueId>& parts, ValueId merged) {
  if (merge) e.op(CONCATENATION, ConcatAttrs{.axis = e.value(merged).shape.rank() - 1}, parts, {merged});
}

// --- LSTM in both directions ---------------------------------------------------------------------------

struct LstmDirection {
  size_t first, hidden, cell;  // where its weights begin among the inputs, and its state
};
constexpr std::array<LstmDirection, 2> kDirections = {{{1, 35, 36}, {18, 37, 38}}};
constexpr size_t kWeights = 17, kSecondInput = 39, kFirstAuxWeights = 40;

bool can_split(const Site& s) {
  const Node& n = s.consumer();
  const auto& a = std::get<BidirectionalLstmAttrs>(n.attrs);
  if (n.inputs.size() != 48 || n.outputs.size() != (a.merge_outputs ? 1u : 2u)) return false;
  // Otherwise the parts would have no integer form either.
  if (a.act.kind != Activation::Kind::tanh) return false;
  for (size_t i = kFirstAuxWeights; i < 48; ++i)
    if (n.inputs[i] != kNoValue) return false;
  for (const LstmDirection& d : kDirections) {
    for (size_t i = 0; i < kWeights; ++i)
      if (!is_float_constant(s, n.inputs[d.first + i])) return false;
    if (n.inputs[d.hidden] == kNoValue || n.inputs[d.cell] == kNoValue) return false;
  }
  return s.value(n.inputs[0]).has_rank && s.value(n.inputs[0]).shape.rank() == 3 && s.output().has_rank;
}

Status split_lstm(Site& s) {
  const Node n = s.consumer();  // a copy: adding nodes moves it
  const auto& a = std::get<BidirectionalLstmAttrs>(n.attrs);
  SequenceEmitter e(s);
  s.ed.remove(s.consumer_id);
  const int32_t time = a.time_major ? 0 : 1;
  std::vector<ValueId> parts;
  for (size_t direction = 0; direction < 2; ++direction) {
    const LstmDirection& d = kDirections[direction];
    const bool backwards = direction == 1;
    ValueId x = n.inputs[0];
    if (backwards && n.inputs[kSecondInput] != kNoValue) x = n.inputs[kSecondInput];
    if (backwards) x = e.reversed(x, time);
    std::vector<ValueId> in = {x};
    for (size_t i = 0; i < kWeights; ++i)
      in.push_back(n.inputs[d.first + i]);
    in.push_back(n.inputs[d.hidden]);
    in.push_back(n.inputs[d.cell]);
    in.resize(24, kNoValue);
    const ValueId own = a.merge_outputs ? kNoValue : n.outputs[direction];
    const bool direct = own != kNoValue && !backwards;
    ValueId y =
        direct ? own : e.like(backwards ? "backward" : "forward", x, s.value(n.inputs[d.hidden]).shape[-1]);
    SequenceLstmAttrs attrs;
    attrs.act = a.act;
    attrs.cell_clip = a.cell_clip;
    attrs.proj_clip = a.proj_clip;
    attrs.time_major = a.time_major;
    attrs.asymmetric_quantize_inputs = a.asymmetric_quantize_inputs;
    e.op(UNIDIRECTIONAL_SEQUENCE_LSTM, attrs, std::move(in), {y});
    parts.push_back(backwards ? e.reversed(y, time, own) : y);
  }
  join_directions(e, a.merge_outputs, parts, n.outputs[0]);
  return {};
}

// --- RNN -----------------------------------------------------------------------------------------------

struct RnnPass {
  ValueId x = kNoValue, weights = kNoValue, recurrent = kNoValue, bias = kNoValue, state = kNoValue;
  ValueId aux = kNoValue, aux_weights = kNoValue;
  bool backwards = false;
};

struct RnnForm {
  std::vector<RnnPass> passes;
  Activation act;
  int32_t time = -1;  // axis; -1: a single step, without an axis for it
  bool merge = false;
};

RnnForm rnn_form(const Node& n) {
  RnnForm f;
  auto pass = [&](size_t first) {
    return RnnPass{n.input(0), n.input(first), n.input(first + 1), n.input(first + 2), n.input(first + 3)};
  };
  f.passes = {pass(1)};
  if (const auto* cell = std::get_if<RnnAttrs>(&n.attrs)) {
    f.act = cell->act;
  } else if (const auto* one = std::get_if<SequenceRnnAttrs>(&n.attrs)) {
    f.act = one->act;
    f.time = one->time_major ? 0 : 1;
  } else {
    const auto& both = std::get<BidirectionalRnnAttrs>(n.attrs);
    f.act = both.act;
    f.time = both.time_major ? 0 : 1;
    f.merge = both.merge_outputs;
    f.passes.push_back(pass(5));
    f.passes[1].backwards = true;
    constexpr size_t kAux = 9;
    if (n.input(kAux) != kNoValue && n.input(kAux + 1) == kNoValue) {
      f.passes[1].x = n.input(kAux);  // two inputs in parallel
    } else if (n.input(kAux) != kNoValue) {
      for (size_t d = 0; d < 2; ++d) {
        f.passes[d].aux = n.input(kAux);
        f.passes[d].aux_weights = n.input(kAux + 1 + d);
      }
    }
  }
  return f;
}

std::optional<RnnForm> unrollable(const Site& s) {
  RnnForm f = rnn_form(s.consumer());
  const bool known_act = f.act.none() || f.act.kind == Activation::Kind::tanh ||
                         f.act.kind == Activation::Kind::relu || f.act.kind == Activation::Kind::relu6 ||
                         f.act.kind == Activation::Kind::relu_n1_to_1;
  if (!known_act || s.consumer().outputs.size() != (f.passes.size() == 1 || f.merge ? 1u : 2u))
    return std::nullopt;
  for (const RnnPass& p : f.passes) {
    for (ValueId v : {p.x, p.weights, p.recurrent, p.bias, p.state})
      if (v == kNoValue) return std::nullopt;
    for (ValueId v : {p.weights, p.recurrent, p.bias, p.aux_weights})
      if (!is_float_constant(s, v)) return std::nullopt;
    const Value &x = s.value(p.x), &state = s.value(p.state);
    if (!x.has_rank || x.shape.rank() != (f.time < 0 ? 2 : 3) || state.shape.rank() != 2) return std::nullopt;
    if (p.aux != kNoValue && p.aux_weights == kNoValue) return std::nullopt;
    // State that another operator shares can't become a variable of this one.
    if (s.ed.consumers(p.state).size() != 1) return std::nullopt;
    if (f.time < 0) continue;
    if (x.shape[f.time] < 1 || x.shape[f.time] > kMaxSteps) return std::nullopt;
    if (!x.shape_signature.empty() && x.shape_signature[static_cast<size_t>(f.time)] < 0) return std::nullopt;
  }
  return f;
}

// W x of every step, in one operator.
ValueId products(SequenceEmitter& e, ValueId x, ValueId weights, ValueId bias) {
  constexpr int32_t kKeepsDims = 5;  // the operator version that has the attribute
  const ValueId y = e.like("products", x, e.value(weights).shape[0]);
  e.op(FULLY_CONNECTED, FullyConnectedAttrs{.keep_num_dims = true}, {x, weights, bias}, {y}, kKeepsDims);
  return y;
}

ValueId sum(SequenceEmitter& e, ValueId a, ValueId b, Activation act, ValueId to = kNoValue) {
  if (to == kNoValue) to = e.like("sum", a, e.value(a).shape[-1]);
  e.op(ADD, BinaryAttrs{.act = act}, {a, b}, {to});
  return to;
}

// The steps' hidden states in the order of time.
std::vector<ValueId> unroll_pass(SequenceEmitter& e, const RnnForm& f, const RnnPass& p,
                                 ValueId last_output) {
  ValueId from_x = products(e, p.x, p.weights, p.bias);
  if (p.aux != kNoValue) from_x = sum(e, from_x, products(e, p.aux, p.aux_weights, kNoValue), {});
  const Shape row = e.value(p.state).shape;
  std::vector<ValueId> rows = {from_x};
  if (f.time >= 0) {
    rows.clear();
    const int32_t steps = e.value(from_x).shape[f.time];
    for (int32_t t = 0; t < steps; ++t)
      rows.push_back(e.add_value("step", DType::float32, row));
    e.op(UNPACK, UnpackAttrs{.count = steps, .axis = f.time}, {from_x}, rows);
  }
  const ValueId handle = e.add_value("state", DType::resource, Shape{});
  // Operators may have one name; variables of one name would be one.
  e.op(VAR_HANDLE,
       VarHandleAttrs{.container = {}, .shared_name = fmt::format("{}#{}", e.value(handle).name, handle)}, {},
       {handle});
  ValueId h = e.add_value("kept", DType::float32, row);
  e.op(READ_VARIABLE, NoAttrs{}, {handle}, {h});
  std::vector<ValueId> hidden(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t t = p.backwards ? rows.size() - 1 - i : i;
    const ValueId from_h = e.add_value("recurrent", DType::float32, row);
    e.op(FULLY_CONNECTED, FullyConnectedAttrs{}, {h, p.recurrent, kNoValue}, {from_h});
    const bool is_last = i + 1 == rows.size();
    const ValueId to =
        is_last && last_output != kNoValue ? last_output : e.add_value("hidden", DType::float32, row);
    if (f.act.kind == Activation::Kind::tanh)
      e.op(TANH, NoAttrs{}, {sum(e, rows[t], from_h, {})}, {to});
    else
      sum(e, rows[t], from_h, f.act, to);
    h = hidden[t] = to;
  }
  e.op(ASSIGN_VARIABLE, NoAttrs{}, {handle, h}, {});
  return hidden;
}

Status unroll_rnn(Site& s, const RnnForm& f) {
  const Node n = s.consumer();  // a copy: adding nodes moves it
  SequenceEmitter e(s);
  e.mark();
  s.ed.remove(s.consumer_id);
  std::vector<ValueId> parts;
  for (size_t d = 0; d < f.passes.size(); ++d) {
    const RnnPass& p = f.passes[d];
    const ValueId own = f.merge ? kNoValue : n.outputs[d];
    const std::vector<ValueId> hidden = unroll_pass(e, f, p, f.time < 0 ? own : kNoValue);
    if (f.time < 0) continue;
    parts.push_back(own != kNoValue ? own : e.like("direction", p.x, e.value(p.weights).shape[0]));
    e.op(PACK, PackAttrs{.count = static_cast<int32_t>(hidden.size()), .axis = f.time}, hidden,
         {parts.back()});
  }
  join_directions(e, f.merge, parts, n.outputs[0]);
  return {};
}

constexpr Rule kRecurrentRules[] = {
    {.name = "split directions",
     .picture = "BIDIRECTIONAL_SEQUENCE_LSTM => UNIDIRECTIONAL_SEQUENCE_LSTM, REVERSE_V2 -> "
                "UNIDIRECTIONAL_SEQUENCE_LSTM -> REVERSE_V2",
     .consumers = {BIDIRECTIONAL_SEQUENCE_LSTM},
     .outputs = Rule::Outputs::any,
     .rewrite = rewrite_by<can_split, split_lstm>},
    {.name = "unroll RNN",
     .picture = "RNN => FULLY_CONNECTED, FULLY_CONNECTED... -> ADD -> TANH",
     .consumers = {RNN, UNIDIRECTIONAL_SEQUENCE_RNN, BIDIRECTIONAL_SEQUENCE_RNN},
     .outputs = Rule::Outputs::any,
     .rewrite = rewrite_by<unrollable, unroll_rnn>},
};

}  // namespace

std::span<const Rule> recurrent_rules() {
  return kRecurrentRules;
}

}  // namespace octet
