// GRU (circle): one sequence through a gated recurrent unit; the output is the last state.
//   z = sigmoid(Wz x + Uz h)      r = sigmoid(Wr x + Ur h)      c = tanh(Wc x + r * (Uc h))
//   h = z * h + (1 - z) * c                                     each product plus its bias
// Inputs: x (steps, 1, n); "hidden_hidden" W (3 units, n) and its bias; "hidden_input" U (3 units, units) and
// its bias; the first state h. Gates are in the order z, r, c. Biases may be absent.
//
// Source of the semantics: luci-interpreter's PALGRU.h in Samsung/ONE and the pass that makes the operator
// (FuseGRUPass.cpp). Their names are misleading: "hidden_hidden" multiplies the input and "hidden_input" the
// state. What they leave open is refused: more than one sequence, return_sequences, a fused activation.
// time_major says nothing: in both, axis 0 is time whatever the flag is, and luci never sets it.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "kernels/recurrent/matvec.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"

namespace octet {
namespace {

enum Input : int { kX = 0, kW = 1, kWBias = 2, kU = 3, kUBias = 4, kState = 5 };

struct Cell {
  int64_t steps = 0, n = 0, units = 0;
};

Result<Cell> cell_of(const NodeDesc& n) {
  if (n.in.size() != 6) return Status::corrupt(fmt::format("has {} inputs, takes 6", n.in.size()));
  for (int i : {kX, kW, kU, kState})
    if (!n.has_input(static_cast<size_t>(i))) return Status::corrupt(fmt::format("input {} is absent", i));
  const auto& attr = n.attr<GruAttrs>();
  if (attr.return_sequences)
    return Status::unsupported("return_sequences: no public document says what its output looks like");
  if (!attr.act.none())
    return Status::unsupported("a fused activation: no public document says where it acts");
  const Shape &x = n.in[kX].shape, &w = n.in[kW].shape, &u = n.in[kU].shape;
  if (x.rank() != 3)
    return Status::corrupt(fmt::format("the input is {}, must be steps x 1 x features", x.to_string()));
  if (x[1] != 1)
    return Status::unsupported(
        fmt::format("{} sequences at once: circle's GRU is described for one (steps x 1 x features)", x[1]));
  Cell c{.steps = x[0], .n = x[2], .units = n.in[kState].elements()};
  const auto gates = checked_cast<int32_t>(3 * std::min<int64_t>(c.units, INT32_MAX));
  if (!gates) return Status::corrupt(fmt::format("a state of {} numbers", c.units));
  const Shape want_w{*gates, x[2]}, want_u{*gates, static_cast<int32_t>(c.units)};
  if (w == want_u && u == want_w && w != u)
    return Status::unsupported(
        fmt::format("hidden_hidden is {} and hidden_input {}: in circle's GRU it is hidden_hidden that "
                    "multiplies the input",
                    w.to_string(), u.to_string()));
  for (const auto& [i, want] : {std::pair{kW, want_w}, std::pair{kU, want_u}}) {
    const TensorDesc& t = n.in[static_cast<size_t>(i)];
    if (t.shape != want)
      return Status::corrupt(
          fmt::format("weights '{}' are {}, must be {}", t.name, t.shape.to_string(), want.to_string()));
  }
  for (int i : {kWBias, kUBias})
    if (const TensorDesc* b = n.optional_input(static_cast<size_t>(i));
        b != nullptr && b->elements() != *gates)
      return Status::corrupt(
          fmt::format("bias '{}' is {}, must be {} numbers", b->name, b->shape.to_string(), *gates));
  return c;
}

Result<InferredShapes> infer_gru(const NodeDesc& n) {
  OCTET_ASSIGN(const Cell c, cell_of(n));
  // luci-interpreter gives the output the shape of the state, luci three axes: both hold one state.
  const Shape& declared = n.out[0].shape;
  if (declared.rank() > 0 && declared.is_static() && declared.elements() == c.units) return one(declared);
  return one({1, static_cast<int32_t>(c.units)});
}

struct Weights {
  Rows w, u;
  bool w_bias = false, u_bias = false;
};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// Products of one step: `wx` and `uh` with 3 * units numbers each.
template <bool in_double>
void multiply(const Cell& c, const Weights& k, const RunArgs& args, const float* x, const float* h,
              std::vector<double>& wx, std::vector<double>& uh) {
  const float* w_bias = static_cast<const float*>(args.in[kWBias]);
  const float* u_bias = static_cast<const float*>(args.in[kUBias]);
  args.pool.for_range(wx.size(), grain_of_rows(c.n + c.units), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const auto row = static_cast<int64_t>(i);
      wx[i] = k.w.dot(args, row, x, in_double) + (k.w_bias ? static_cast<double>(w_bias[i]) : 0);
      uh[i] = k.u.dot(args, row, h, in_double) + (k.u_bias ? static_cast<double>(u_bias[i]) : 0);
    }
  });
}

template <bool in_double>
KernelResult create_gru(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const Cell c, cell_of(n));
  Weights k{.w_bias = n.has_input(kWBias), .u_bias = n.has_input(kUBias)};
  OCTET_ASSIGN(k.w, rows_of(n, kW, c.n));
  OCTET_ASSIGN(k.u, rows_of(n, kU, c.units));
  for (int i : {kX, kWBias, kUBias, kState})
    if (const TensorDesc* t = n.optional_input(static_cast<size_t>(i));
        t != nullptr && t->dtype != DType::float32)
      return Status::unsupported(fmt::format("'{}' is {}, must be float32", t->name, name_of(t->dtype)));
  if (n.out[0].dtype != DType::float32) return Status::corrupt("the output is not float32");
  return make_kernel([c, k](const RunArgs& args) -> Status {
    const auto units = static_cast<size_t>(c.units);
    const float* x = static_cast<const float*>(args.in[kX]);
    const float* state = static_cast<const float*>(args.in[kState]);
    float* h = static_cast<float*>(args.out[0]);
    std::copy(state, state + units, h);
    std::vector<double> wx(3 * units), uh(3 * units);
    for (int64_t t = 0; t < c.steps; ++t) {
      multiply<in_double>(c, k, args, x + t * c.n, h, wx, uh);
      for (size_t j = 0; j < units; ++j) {
        const double z = sigmoid(wx[j] + uh[j]), r = sigmoid(wx[units + j] + uh[units + j]);
        const double candidate = std::tanh(wx[2 * units + j] + r * uh[2 * units + j]);
        h[j] = static_cast<float>(z * static_cast<double>(h[j]) + (1 - z) * candidate);
      }
    }
    return {};
  });
}

int64_t macs_gru(const NodeDesc& n) {
  const auto c = cell_of(n);
  return c.ok() ? c->steps * 3 * c->units * (c->n + c->units) : 0;
}

}  // namespace

const OpSpec& spec_GRU() {
  static const OpSpec spec{
      .kind = OpKind::GRU,
      .inputs = {1, 6},  // two of the six may be absent
      .infer = infer_gru,
      .reference = {"reference", create_gru<true>},
      .fast = {{"float-sums", create_gru<false>, cost::per_mac<100>}},
      .quant = QuantRule::none("has no int8 form in the circle format"),
      .macs = macs_gru,
      .readers = {kNoForm, kNoForm},
      .notes = "only in .circle; one sequence, last state; float, and int8 weights with float activations",
  };
  return spec;
}

}  // namespace octet
