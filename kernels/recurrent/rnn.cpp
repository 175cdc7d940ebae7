// RNN, UNIDIRECTIONAL_SEQUENCE_RNN, BIDIRECTIONAL_SEQUENCE_RNN: h = act(W x + A aux + R h + b), step by step.
// Float activations, float or int8 weights.
#include <algorithm>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/recurrent/matvec.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

struct RnnPass {
  int input = 0, weights = 1, recurrent = 2, bias = 3, hidden = 4, aux = -1, aux_weights = -1;
  Activation act;
  int64_t batch = 0, steps = 1, n = 0, n_aux = 0, units = 0;
  bool time_major = false, backwards = false;
  size_t output = 0;
  int64_t row_stride = 0, row_offset = 0;
  int64_t row(int64_t t, int64_t b) const { return time_major ? t * batch + b : b * steps + t; }
};

Status check(const NodeDesc& n, RnnPass& p, bool time_major) {
  auto shape = [&](int i) -> const Shape& { return n.in[static_cast<size_t>(i)].shape; };
  for (int i : {p.input, p.weights, p.recurrent, p.bias, p.hidden})
    if (!n.has_input(static_cast<size_t>(i))) return Status::corrupt(fmt::format("input {} is absent", i));
  const Shape &x = shape(p.input), &w = shape(p.weights);
  const int rank = n.kind == OpKind::RNN ? 2 : 3;
  if (x.rank() != rank || w.rank() != 2 || w[1] != x[-1])
    return Status::corrupt(fmt::format("input is {}, weights {}", x.to_string(), w.to_string()));
  p.time_major = time_major;
  p.batch = rank == 3 && time_major ? x[1] : x[0];
  p.steps = rank == 3 ? x[time_major ? 0 : 1] : 1;
  p.n = x[-1];
  p.units = w[0];
  p.row_stride = p.units;
  if (shape(p.recurrent) != Shape{w[0], w[0]} || shape(p.bias) != Shape{w[0]})
    return Status::corrupt(fmt::format("recurrent weights are {}, the bias {}",
                                       shape(p.recurrent).to_string(), shape(p.bias).to_string()));
  if (n.in[static_cast<size_t>(p.bias)].dtype != DType::float32)
    return Status::unsupported("a bias that is not float32");
  if (p.aux >= 0) {
    Shape s = x;
    s[-1] = shape(p.aux).rank() > 0 ? shape(p.aux)[-1] : 0;
    p.n_aux = s[-1];
    if (shape(p.aux) != s || shape(p.aux_weights) != Shape{w[0], s[-1]})
      return Status::corrupt(fmt::format("auxiliary input is {}", shape(p.aux).to_string()));
  }
  return check_state(n.in[static_cast<size_t>(p.hidden)], p.batch * p.units);
}

Result<std::vector<RnnPass>> passes_of_rnn(const NodeDesc& n) {
  RnnPass p;
  if (n.kind == OpKind::RNN) {
    p.act = n.attr<RnnAttrs>().act;
    OCTET_TRY(check(n, p, false));
    return std::vector<RnnPass>{p};
  }
  if (n.kind == OpKind::UNIDIRECTIONAL_SEQUENCE_RNN) {
    p.act = n.attr<SequenceRnnAttrs>().act;
    OCTET_TRY(check(n, p, n.attr<SequenceRnnAttrs>().time_major));
    return std::vector<RnnPass>{p};
  }
  const auto& attr = n.attr<BidirectionalRnnAttrs>();
  RnnPass back{.weights = 5, .recurrent = 6, .bias = 7, .hidden = 8};
  back.backwards = true;
  p.act = back.act = attr.act;
  if (n.has_input(9)) {
    if (n.has_input(10) != n.has_input(11)) return Status::corrupt("auxiliary weights in part");
    if (n.has_input(10)) {
      p.aux = back.aux = 9;
      p.aux_weights = 10;
      back.aux_weights = 11;
    } else {
      back.input = 9;  // two inputs in parallel, one for each direction
    }
  }
  OCTET_TRY(check(n, p, attr.time_major));
  OCTET_TRY(check(n, back, attr.time_major));
  if (back.batch != p.batch || back.steps != p.steps)
    return Status::corrupt("the two inputs differ in batch or length");
  if (n.out.size() != (attr.merge_outputs ? 1u : 2u))
    return Status::corrupt(fmt::format("has {} outputs", n.out.size()));
  if (attr.merge_outputs) {
    p.row_stride = back.row_stride = p.units + back.units;
    back.row_offset = p.units;
  } else {
    back.output = 1;
  }
  return std::vector<RnnPass>{p, back};
}

Result<InferredShapes> infer_rnn(const NodeDesc& n) {
  OCTET_ASSIGN(const auto passes, passes_of_rnn(n));
  InferredShapes out;
  out.shapes.resize(n.out.size());
  for (const RnnPass& p : passes) {
    Shape s = n.in[0].shape;
    s[-1] = static_cast<int32_t>(p.row_stride);
    out.shapes[p.output] = s;
  }
  return out;
}

struct RnnWeights {
  Rows w, r, a;
};

template <bool in_double>
void step(const RnnPass& p, const RnnWeights& k, const RunArgs& args, int64_t t, int64_t b,
          std::vector<float>& next) {
  const int64_t row = p.row(t, b);
  const float* x = static_cast<const float*>(args.in[static_cast<size_t>(p.input)]) + row * p.n;
  const float* aux =
      k.a ? static_cast<const float*>(args.in[static_cast<size_t>(p.aux)]) + row * p.n_aux : nullptr;
  const float* bias = static_cast<const float*>(args.in[static_cast<size_t>(p.bias)]);
  float* h = state_of<float>(args, p.hidden) + b * p.units;
  args.pool.for_range(
      static_cast<size_t>(p.units), grain_of_rows(p.n + p.n_aux + p.units), [&](size_t begin, size_t end) {
        for (auto j = static_cast<int64_t>(begin); j < static_cast<int64_t>(end); ++j) {
          double z =
              static_cast<double>(bias[j]) + k.w.dot(args, j, x, in_double) + k.r.dot(args, j, h, in_double);
          if (k.a) z += k.a.dot(args, j, aux, in_double);
          next[static_cast<size_t>(j)] = apply(p.act, static_cast<float>(z));
        }
      });
  std::copy(next.begin(), next.end(), h);
  std::copy(next.begin(), next.end(),
            static_cast<float*>(args.out[p.output]) + row * p.row_stride + p.row_offset);
}

template <bool in_double>
KernelResult create_rnn(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(auto passes, passes_of_rnn(n));
  std::vector<RnnWeights> weights;
  for (const RnnPass& p : passes) {
    RnnWeights k;
    OCTET_ASSIGN(k.w, rows_of(n, p.weights, p.n));
    OCTET_ASSIGN(k.r, rows_of(n, p.recurrent, p.units));
    OCTET_ASSIGN(k.a, rows_of(n, p.aux_weights, p.n_aux));
    weights.push_back(k);
    for (int i : {p.input, p.hidden})
      if (n.in[static_cast<size_t>(i)].dtype != DType::float32)
        return Status::unsupported(fmt::format("an RNN of {}", name_of(n.in[static_cast<size_t>(i)].dtype)));
    if (n.out[p.output].dtype != DType::float32) return Status::corrupt("output is not float32");
  }
  return make_kernel(
      [passes = std::move(passes), weights = std::move(weights)](const RunArgs& args) -> Status {
        for (size_t d = 0; d < passes.size(); ++d) {
          const RnnPass& p = passes[d];
          std::vector<float> next(static_cast<size_t>(p.units));
          for (int64_t s = 0; s < p.steps; ++s)
            for (int64_t b = 0; b < p.batch; ++b)
              step<in_double>(p, weights[d], args, p.backwards ? p.steps - 1 - s : s, b, next);
        }
        return {};
      });
}

int64_t macs_rnn(const NodeDesc& n) {
  const auto passes = passes_of_rnn(n);
  int64_t sum = 0;
  if (passes.ok())
    for (const RnnPass& p : *passes)
      sum += p.batch * p.steps * p.units * (p.n + p.n_aux + p.units);
  return sum;
}

OpSpec rnn_spec(OpKind kind, Arity inputs, Arity outputs, std::vector<size_t> state) {
  return {
      .kind = kind,
      .inputs = inputs,
      .outputs = outputs,
      .infer = infer_rnn,
      .reference = {"reference", create_rnn<true>},
      .fast = {{"float-sums", create_rnn<false>, cost::per_mac<100>}},
      .quant = QuantRule::none("has no int8 form in the TFLite specification; constant float weights and at "
                               "most 32 steps can be unrolled"),
      .macs = macs_rnn,
      .state = std::move(state),
      .notes = "float, and int8 weights with float activations"};
}

}  // namespace

const OpSpec& spec_RNN() {
  static const OpSpec spec = read_by(rnn_spec(OpKind::RNN, {5, 5}, {1, 1}, {4}), kEveryForm, kNoForm);
  return spec;
}

const OpSpec& spec_UNIDIRECTIONAL_SEQUENCE_RNN() {
  static const OpSpec spec =
      read_by(rnn_spec(OpKind::UNIDIRECTIONAL_SEQUENCE_RNN, {5, 5}, {1, 1}, {4}), kEveryForm, kNoForm);
  return spec;
}

const OpSpec& spec_BIDIRECTIONAL_SEQUENCE_RNN() {
  static const OpSpec spec =
      read_by(rnn_spec(OpKind::BIDIRECTIONAL_SEQUENCE_RNN, {9, 12}, {1, 2}, {4, 8}), kEveryForm, kNoForm);
  return spec;
}

}  // namespace octet
