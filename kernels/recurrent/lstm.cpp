// LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_LSTM
#include "kernels/recurrent/lstm.hpp"

#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/recurrent/lstm_basic.hpp"
#include "kernels/recurrent/matvec.hpp"
#include "octet/try.hpp"

namespace octet {

Status check_state(const TensorDesc& t, int64_t elements) {
  if (!t.is_variable) return Status::corrupt(fmt::format("state '{}' is not a variable", t.name));
  if (t.elements() != elements)
    return Status::corrupt(
        fmt::format("state '{}' is {}, not {} elements", t.name, t.shape.to_string(), elements));
  return {};
}

namespace {

// Position `i` when that optional input is there.
int present(const NodeDesc& n, int i) {
  return n.has_input(static_cast<size_t>(i)) ? i : -1;
}

LstmPass::Gates four(const NodeDesc& n, int first) {
  return {present(n, first), present(n, first + 1), present(n, first + 2), present(n, first + 3)};
}

// Peepholes have no cell gate: input, forget, output in a row.
LstmPass::Gates three(const NodeDesc& n, int first) {
  return {present(n, first), present(n, first + 1), -1, present(n, first + 2)};
}

// The order of a direction's tensors, which LSTM and both directions of the sequence forms share: input
// weights, recurrent weights, peepholes, biases, projection and its bias.
LstmPass pass_from(const NodeDesc& n, int first) {
  LstmPass p;
  p.input_weights = four(n, first);
  p.recurrent_weights = four(n, first + 4);
  p.peephole = three(n, first + 8);
  p.bias = four(n, first + 11);
  p.projection = present(n, first + 15);
  p.projection_bias = present(n, first + 16);
  return p;
}

void take_rows(const NodeDesc& n, LstmPass& p, bool time_major) {
  const Shape& s = n.in[static_cast<size_t>(p.input)].shape;
  p.time_major = time_major;
  if (s.rank() == 3) {
    p.batch = s[time_major ? 1 : 0];
    p.steps = s[time_major ? 0 : 1];
  } else {
    p.batch = s.rank() > 0 ? s[0] : 0;
    p.steps = 1;
  }
  p.n = s.rank() > 0 ? s[-1] : 0;
}

template <class A>
void take_attrs(LstmPass& p, const A& attr) {
  p.act = attr.act;
  p.cell_clip = attr.cell_clip;
  p.projection_clip = attr.proj_clip;
}

// The passes of a node: one, or forward and backward.
Result<std::vector<LstmPass>> passes_of(const NodeDesc& n) {
  if (n.kind == OpKind::BIDIRECTIONAL_SEQUENCE_LSTM) {
    const auto& attr = n.attr<BidirectionalLstmAttrs>();
    LstmPass forward = pass_from(n, 1), backward = pass_from(n, 18);
    forward.hidden = 35;
    forward.cell = 36;
    backward.hidden = 37;
    backward.cell = 38;
    backward.backwards = true;
    if (const int aux = present(n, 39); aux >= 0) {
      forward.aux_weights = four(n, 40);
      backward.aux_weights = four(n, 44);
      if (forward.aux_weights[kForgetGate] >= 0)
        forward.aux = backward.aux = aux;
      else
        backward.input = aux;  // two inputs in parallel, one for each direction
    }
    for (LstmPass* p : {&forward, &backward}) {
      take_attrs(*p, attr);
      take_rows(n, *p, attr.time_major);
      OCTET_TRY(check_pass(n, *p));
    }
    if (backward.batch != forward.batch || backward.steps != forward.steps)
      return Status::corrupt("the two inputs differ in batch or length");
    if (n.out.size() != (attr.merge_outputs ? 1u : 2u))
      return Status::corrupt(fmt::format("has {} outputs", n.out.size()));
    if (attr.merge_outputs) {
      forward.row_stride = backward.row_stride = forward.k + backward.k;
      backward.row_offset = forward.k;
    } else {
      backward.output = 1;
    }
    return std::vector<LstmPass>{forward, backward};
  }
  LstmPass p = pass_from(n, 1);
  p.hidden = 18;
  p.cell = 19;
  p.norm = four(n, 20);
  if (n.kind == OpKind::LSTM) {
    take_attrs(p, n.attr<LstmAttrs>());
    take_rows(n, p, false);
  } else {
    const auto& attr = n.attr<SequenceLstmAttrs>();
    take_attrs(p, attr);
    take_rows(n, p, attr.time_major);
    p.diagonal = attr.diagonal_recurrent_tensors;
  }
  OCTET_TRY(check_pass(n, p));
  return std::vector<LstmPass>{p};
}

}  // namespace

Status check_pass(const NodeDesc& n, LstmPass& p) {
  const Shape& x = n.in[static_cast<size_t>(p.input)].shape;
  if (x.rank() != (n.kind == OpKind::LSTM ? 2 : 3))
    return Status::corrupt(fmt::format("input is {}", x.to_string()));
  for (size_t g : {kForgetGate, kCellGate, kOutputGate})
    for (int i : {p.input_weights[g], p.recurrent_weights[g], p.bias[g]})
      if (i < 0) return Status::corrupt(fmt::format("weights or bias of gate {} are absent", g));
  const bool has_gate = p.input_weights[kInputGate] >= 0;
  if (has_gate != (p.recurrent_weights[kInputGate] >= 0) || has_gate != (p.bias[kInputGate] >= 0))
    return Status::corrupt("the input gate is there in part");
  const Shape& w = n.in[static_cast<size_t>(p.input_weights[kOutputGate])].shape;
  const Shape& r = n.in[static_cast<size_t>(p.recurrent_weights[kOutputGate])].shape;
  if (w.rank() != 2 || r.rank() != (p.diagonal ? 1 : 2))
    return Status::corrupt(fmt::format("weights are {} and {}", w.to_string(), r.to_string()));
  p.m = w[0];
  p.k = r[-1];
  p.n_aux = p.aux >= 0 ? n.in[static_cast<size_t>(p.aux)].shape[-1] : 0;
  p.row_stride = p.k;
  auto sized = [&](int i, const Shape& s) -> Status {
    if (i < 0 || n.in[static_cast<size_t>(i)].shape == s) return {};
    const TensorDesc& t = n.in[static_cast<size_t>(i)];
    return Status::corrupt(fmt::format("'{}' is {}, not {}", t.name, t.shape.to_string(), s.to_string()));
  };
  const auto m = static_cast<int32_t>(p.m), k = static_cast<int32_t>(p.k), inputs = static_cast<int32_t>(p.n),
             aux = static_cast<int32_t>(p.n_aux);
  const bool peephole = p.peephole[kOutputGate] >= 0, norm = p.norm[kForgetGate] >= 0;
  for (size_t g = 0; g < 4; ++g) {
    const bool exists = g != kInputGate || has_gate;
    OCTET_TRY(sized(p.input_weights[g], Shape{m, inputs}));
    OCTET_TRY(sized(p.recurrent_weights[g], p.diagonal ? Shape{m} : Shape{m, k}));
    OCTET_TRY(sized(p.bias[g], Shape{m}));
    OCTET_TRY(sized(p.peephole[g], Shape{m}));
    OCTET_TRY(sized(p.norm[g], Shape{m}));
    if (g != kCellGate && (p.peephole[g] >= 0) != (peephole && exists))
      return Status::corrupt("peepholes in part");
    if ((p.norm[g] >= 0) != (norm && exists)) return Status::corrupt("layer norm in part");
    if (p.aux < 0) continue;
    if ((p.aux_weights[g] >= 0) != exists) return Status::corrupt("auxiliary weights in part");
    OCTET_TRY(sized(p.aux_weights[g], Shape{m, aux}));
  }
  if (p.aux >= 0) {
    Shape s = x;
    s[-1] = aux;
    OCTET_TRY(sized(p.aux, s));
  }
  OCTET_TRY(sized(p.projection, Shape{k, m}));
  OCTET_TRY(sized(p.projection_bias, Shape{k}));
  if (p.projection < 0 && (p.k != p.m || p.projection_bias >= 0))
    return Status::corrupt(fmt::format("cells of {} give outputs of {} without a projection", p.m, p.k));
  if (p.diagonal && p.k != p.m)
    return Status::corrupt("diagonal recurrent weights with another size than the cell");
  if (!(p.cell_clip >= 0) || !(p.projection_clip >= 0)) return Status::corrupt("a negative clip");
  OCTET_TRY(check_state(n.in[static_cast<size_t>(p.hidden)], p.batch * p.k));
  return check_state(n.in[static_cast<size_t>(p.cell)], p.batch * p.m);
}

namespace {

Result<InferredShapes> infer_full(const NodeDesc& n) {
  OCTET_ASSIGN(const auto passes, passes_of(n));
  InferredShapes out;
  out.shapes.resize(n.out.size());
  for (const LstmPass& p : passes) {
    Shape s = n.in[0].shape;
    s[-1] = static_cast<int32_t>(p.row_stride);
    out.shapes[p.output] = s;
  }
  return out;
}

Result<InferredShapes> infer_lstm(const NodeDesc& n) {
  if (n.attr<LstmAttrs>().basic_kernel) return infer_basic_lstm(n);
  if (n.in.size() != 20 && n.in.size() != 24)
    return Status::corrupt(fmt::format("has {} inputs", n.in.size()));
  if (n.out.size() != 1) return Status::corrupt(fmt::format("has {} outputs", n.out.size()));
  return infer_full(n);
}

Result<InferredShapes> infer_sequence(const NodeDesc& n) {
  if (n.in.size() != 20 && n.in.size() != 24)
    return Status::corrupt(fmt::format("has {} inputs", n.in.size()));
  return infer_full(n);
}

Result<InferredShapes> infer_bidirectional(const NodeDesc& n) {
  if (n.in.size() != 48) return Status::corrupt(fmt::format("has {} inputs", n.in.size()));
  return infer_full(n);
}

template <bool in_double>
KernelResult create_lstm(const NodeDesc& n, ThreadPool& pool) {
  if (n.kind == OpKind::LSTM && n.attr<LstmAttrs>().basic_kernel) return create_basic_lstm(n, pool);
  OCTET_ASSIGN(const auto passes, passes_of(n));
  std::vector<PassFn> run;
  for (const LstmPass& p : passes) {
    const TensorDesc& x = n.in[static_cast<size_t>(p.input)];
    if (n.out[p.output].dtype != x.dtype)
      return Status::corrupt(
          fmt::format("input is {}, output {}", name_of(x.dtype), name_of(n.out[p.output].dtype)));
    const bool is_float = x.dtype == DType::float32;
    if (!is_float && !in_double) return Status::declined("integer LSTMs have one kernel");
    for (int state : {p.hidden, p.cell})
      if (is_float && n.in[static_cast<size_t>(state)].dtype != DType::float32)
        return Status::unsupported("a float LSTM with an integer state");
    if (is_float) {
      OCTET_ASSIGN(PassFn f, make_float_pass(n, p, in_double));
      run.push_back(std::move(f));
    } else {
      OCTET_ASSIGN(PassFn f, make_integer_pass(n, p));
      run.push_back(std::move(f));
    }
  }
  return make_kernel([run = std::move(run)](const RunArgs& args) -> Status {
    for (const PassFn& f : run)
      OCTET_TRY(f(args));
    return {};
  });
}

int64_t macs_lstm(const NodeDesc& n) {
  if (n.kind == OpKind::LSTM && n.attr<LstmAttrs>().basic_kernel) return 0;
  const auto passes = passes_of(n);
  if (!passes.ok()) return 0;
  int64_t sum = 0;
  for (const LstmPass& p : *passes) {
    const int64_t gates = p.has_input_gate() ? 4 : 3;
    const int64_t step =
        gates * p.m * (p.n + p.n_aux + (p.diagonal ? 1 : p.k)) + (p.projection >= 0 ? p.m * p.k : 0);
    sum += p.batch * p.steps * step;
  }
  return sum;
}

// The integer LSTM of the TFLite 8-bit specification, as its quantizer assigns it (tools/optimize/
// operator_property.cc in tensorflow/tensorflow, case LSTM): weights int8 symmetric per tensor; peepholes and
// layer-norm weights int16 symmetric; the cell int16 with a power of two as scale; the hidden state as the
// output; a gate's bias in steps of its input products, or of 2^-10 of its layer-norm weights.
// The five intermediates are quantized only where there is something between: the gates before their layer
// norm, and the hidden vector before a projection, which without one is the output. The first is read even
// when there is no input gate; then it takes the forget gate's scale.
QuantRule integer_rule(bool norm, bool projection, bool input_gate = true) {
  std::vector<TensorRule> in(24, keep());
  in[0] = activation();
  for (int i = 1; i <= 8; ++i)
    in[static_cast<size_t>(i)] = weights_per_tensor();
  for (size_t i : {9, 10, 11})
    in[i] = symmetric16();
  for (int g = 0; g < 4; ++g) {
    const auto gate = static_cast<size_t>(g);
    in[12 + gate] = norm ? bias_in_steps(0x1p-10f, 20 + g) : bias_of(0, 1 + g);
    in[20 + gate] = symmetric16();
  }
  in[16] = weights_per_tensor();
  in[17] = bias_behind(4, 16);
  in[18] = same_as_output(0);
  in[19] = power_of_two16().seen_as(kInnerCell);
  std::vector<TensorRule> between;
  for (int g = 0; g < 4; ++g)
    between.push_back(norm ? symmetric16().seen_as(g == 0 && !input_gate ? int{kForgetGate} : g) : keep());
  between.push_back(projection ? activation().seen_as(kInnerHidden) : same_as_output(0));
  return QuantRule::of(std::move(in), {activation()}, std::move(between));
}

std::vector<QuantVariant> integer_variants() {
  constexpr size_t kInputGateWeights = 1, kCell = 19, kNorm = 21, kProjection = 16;
  std::vector<QuantVariant> v = {
      {{}, {kCell}, QuantRule::none("is a basic cell, which has a uint8 form only")}};
  for (const bool projection : {true, false}) {
    const std::vector<size_t> more = projection ? std::vector{kProjection} : std::vector<size_t>{};
    std::vector<size_t> norm = more;
    norm.push_back(kNorm);
    v.push_back({norm, {kInputGateWeights}, integer_rule(true, projection, false)});
    v.push_back({norm, {}, integer_rule(true, projection)});
  }
  v.push_back({{kProjection}, {}, integer_rule(false, true)});
  return v;
}

// Inputs may be absent in the middle, so only the first counts as required; infer checks the rest.
OpSpec lstm_spec(OpKind kind, Arity inputs, Arity outputs, InferFn infer, std::vector<size_t> state) {
  return {.kind = kind,
          .inputs = inputs,
          .outputs = outputs,
          .infer = infer,
          .reference = {"reference", create_lstm<true>},
          .fast = {{"float-sums", create_lstm<false>, cost::per_mac<100>}},
          .quant = integer_rule(false, false),
          .variants = integer_variants(),
          .inner = {"input gate", "forget gate", "cell gate", "output gate", "hidden", "cell"},
          .macs = macs_lstm,
          .state = std::move(state),
          .notes =
              "float, int8 weights with float activations, and the 8x8_16 integer form; peepholes, "
              "projection, layer norm, no input gate"};
}

}  // namespace

const OpSpec& spec_LSTM() {
  static const OpSpec spec = [] {
    OpSpec s = lstm_spec(OpKind::LSTM, {1, 24}, {1, 4}, infer_lstm, {1, 4, 18, 19});
    s.version_int8 = 2;
    s.readers = {kEveryForm, kNoForm};
    return s;
  }();
  return spec;
}

const OpSpec& spec_UNIDIRECTIONAL_SEQUENCE_LSTM() {
  static const OpSpec spec =
      lstm_spec(OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM, {1, 24}, {1, 1}, infer_sequence, {18, 19});
  return spec;
}

const OpSpec& spec_BIDIRECTIONAL_SEQUENCE_LSTM() {
  static const OpSpec spec = [] {
    OpSpec s = lstm_spec(OpKind::BIDIRECTIONAL_SEQUENCE_LSTM, {1, 48}, {1, 2}, infer_bidirectional,
                         {35, 36, 37, 38});
    s.quant = QuantRule::none("has no int8 form in the TFLite specification");
    s.variants.clear();
    s.inner.clear();
    s.readers = {kEveryForm, kNoForm};
    return s;
  }();
  return spec;
}

}  // namespace octet
