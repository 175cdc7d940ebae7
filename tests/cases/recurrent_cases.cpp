// LSTM, RNN, SVDF in float. The oracle follows the equations gate by gate, in double, sequence by sequence.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

using Vector = std::vector<double>;

double sigmoid_recurrent(double x) {
  return 1 / (1 + std::exp(-x));
}

// W x for the rows of W.
Vector times(const Vector& w, const Vector& x, size_t rows) {
  Vector y(rows, 0.0);
  for (size_t r = 0; r < rows; ++r)
    for (size_t i = 0; i < x.size(); ++i)
      y[r] += w[r * x.size() + i] * x[i];
  return y;
}

void add_to(Vector& a, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i)
    a[i] += b[i];
}

Vector normalized(const Vector& z, const Vector& weights) {
  double mean = 0, variance = 0;
  for (double v : z)
    mean += v / static_cast<double>(z.size());
  for (double v : z)
    variance += (v - mean) * (v - mean) / static_cast<double>(z.size());
  Vector y;
  for (size_t i = 0; i < z.size(); ++i)
    y.push_back((z[i] - mean) / std::sqrt(variance) * weights[i]);
  return y;
}

double clip(double x, double limit) {
  return limit > 0 ? std::min(std::max(x, -limit), limit) : x;
}

struct LstmShape {
  int32_t batch = 1, steps = 1, n = 3, m = 4, k = 4;
  bool time_major = false, input_gate = true, peephole = false, projection = false, projection_bias = false,
       norm = false, diagonal = false;
  float cell_clip = 0, projection_clip = 0;
};

// One sequence through the cell; positions as in the file format, `first` is where a direction's begin.
std::vector<Vector> lstm(const LstmShape& s, const Values& in, const std::vector<Vector>& xs, size_t first,
                         Vector h, Vector c, const std::vector<Vector>& aux = {}, size_t aux_first = 0) {
  const auto m = static_cast<size_t>(s.m), k = static_cast<size_t>(s.k);
  std::vector<Vector> ys;
  for (size_t t = 0; t < xs.size(); ++t) {
    auto pre = [&](size_t g) {  // gate g before peephole, norm and bias
      Vector z = times(in[first + g], xs[t], m);
      if (s.diagonal)
        for (size_t j = 0; j < m; ++j)
          z[j] += in[first + 4 + g][j] * h[j];
      else
        add_to(z, times(in[first + 4 + g], h, m));
      if (!aux.empty()) add_to(z, times(in[aux_first + g], aux[t], m));
      return z;
    };
    auto gate = [&](size_t g, Vector z) {
      const size_t peephole = first + 8 + (g == 3 ? 2 : g);
      if (s.peephole && g != 2)
        for (size_t j = 0; j < m; ++j)
          z[j] += in[peephole][j] * c[j];
      if (s.norm) z = normalized(z, in[20 + g]);
      add_to(z, in[first + 11 + g]);
      return z;
    };
    std::vector<Vector> z(4);
    for (size_t g = s.input_gate ? 0 : 1; g < 4; ++g)
      z[g] = pre(g);
    const Vector f = gate(1, z[1]), g = gate(2, z[2]), i = s.input_gate ? gate(0, z[0]) : Vector();
    for (size_t j = 0; j < m; ++j) {
      const double keep = sigmoid_recurrent(f[j]), take = s.input_gate ? sigmoid_recurrent(i[j]) : 1 - keep;
      c[j] = clip(keep * c[j] + take * std::tanh(g[j]), static_cast<double>(s.cell_clip));
    }
    const Vector o = gate(3, z[3]);
    Vector y(m);
    for (size_t j = 0; j < m; ++j)
      y[j] = sigmoid_recurrent(o[j]) * std::tanh(c[j]);
    if (s.projection) {
      y = times(in[first + 15], y, k);
      if (s.projection_bias) add_to(y, in[first + 16]);
      for (double& v : y)
        v = clip(v, static_cast<double>(s.projection_clip));
    }
    h = y;
    ys.push_back(y);
  }
  return ys;
}

Vector part(const Vector& v, size_t begin, size_t n) {
  return {v.begin() + static_cast<ptrdiff_t>(begin), v.begin() + static_cast<ptrdiff_t>(begin + n)};
}

// Row of step t of sequence b in a [steps, batch, width] or [batch, steps, width] tensor.
size_t row_of(bool time_major, size_t batch, size_t steps, size_t t, size_t b) {
  return time_major ? t * batch + b : b * steps + t;
}

std::vector<Vector> sequence(const Vector& x, bool time_major, size_t batch, size_t steps, size_t width,
                             size_t b) {
  std::vector<Vector> xs;
  for (size_t t = 0; t < steps; ++t)
    xs.push_back(part(x, row_of(time_major, batch, steps, t, b) * width, width));
  return xs;
}

// Runs `one(b)` for every sequence and places its rows; rows are `width` long from column `at` of `stride`.
template <class F>
void place(Vector& out, bool time_major, size_t batch, size_t steps, size_t stride, size_t at, F one) {
  for (size_t b = 0; b < batch; ++b) {
    const std::vector<Vector> ys = one(b);
    for (size_t t = 0; t < steps; ++t)
      for (size_t j = 0; j < ys[t].size(); ++j)
        out[row_of(time_major, batch, steps, t, b) * stride + at + j] = ys[t][j];
  }
}

std::vector<CaseTensor> direction(const LstmShape& s) {
  std::vector<CaseTensor> in;
  auto add = [&](bool there, Shape shape, double size = 0.7) {
    in.push_back(there ? random_constant(shape, -size, size) : absent_tensor());
  };
  for (int g = 0; g < 4; ++g)
    add(g > 0 || s.input_gate, {s.m, s.n});
  for (int g = 0; g < 4; ++g)
    add(g > 0 || s.input_gate, s.diagonal ? Shape{s.m} : Shape{s.m, s.k});
  for (int g = 0; g < 3; ++g)
    add(s.peephole && (g > 0 || s.input_gate), {s.m});
  for (int g = 0; g < 4; ++g)
    add(g > 0 || s.input_gate, {s.m});
  add(s.projection, {s.k, s.m});
  add(s.projection_bias, {s.k});
  return in;
}

OpCase lstm_case(std::string name, const LstmShape& s, bool cell_only = false) {
  OpCase c{.name = std::move(name), .kind = OpKind::UNIDIRECTIONAL_SEQUENCE_LSTM, .int8 = false};
  SequenceLstmAttrs attr;
  attr.act = Activation::Kind::tanh;
  attr.cell_clip = s.cell_clip;
  attr.proj_clip = s.projection_clip;
  attr.time_major = s.time_major;
  attr.diagonal_recurrent_tensors = s.diagonal;
  c.attrs = attr;
  Shape x = s.time_major ? Shape{s.steps, s.batch, s.n} : Shape{s.batch, s.steps, s.n};
  if (cell_only) {
    c.kind = OpKind::LSTM;
    c.attrs = LstmAttrs{.act = attr.act, .cell_clip = attr.cell_clip, .proj_clip = attr.proj_clip};
    x = {s.batch, s.n};
  }
  c.inputs.push_back(random_tensor(x, -2, 2));
  for (CaseTensor& t : direction(s))
    c.inputs.push_back(t);
  c.inputs.push_back(state_tensor({s.batch, s.k}, -1, 1));
  c.inputs.push_back(state_tensor({s.batch, s.m}, -1, 1));
  if (s.norm)
    for (int g = 0; g < 4; ++g)
      c.inputs.push_back(g > 0 || s.input_gate ? random_constant({s.m}, 0.5, 1.5) : absent_tensor());
  c.oracle = [s](const NodeDesc&, const Values& in) -> Values {
    const auto batch = static_cast<size_t>(s.batch), steps = static_cast<size_t>(s.steps),
               n = static_cast<size_t>(s.n), m = static_cast<size_t>(s.m), k = static_cast<size_t>(s.k);
    Vector out(batch * steps * k);
    place(out, s.time_major, batch, steps, k, 0, [&](size_t b) {
      return lstm(s, in, sequence(in[0], s.time_major, batch, steps, n, b), 1, part(in[18], b * k, k),
                  part(in[19], b * m, m));
    });
    return {out};
  };
  return c;
}

void lstms(std::vector<OpCase>& t) {
  t.push_back(lstm_case("plain", {.batch = 2, .steps = 5}));
  t.push_back(lstm_case("time major", {.batch = 3, .steps = 4, .time_major = true}));
  t.push_back(lstm_case("no input gate", {.steps = 3, .input_gate = false}));
  t.push_back(lstm_case("peepholes", {.batch = 2, .steps = 3, .peephole = true}));
  t.push_back(lstm_case("peepholes, no input gate", {.steps = 3, .input_gate = false, .peephole = true}));
  t.push_back(lstm_case(
      "projection", {.batch = 2, .steps = 3, .m = 6, .k = 2, .projection = true, .projection_bias = true}));
  t.push_back(lstm_case(
      "clips", {.steps = 4, .m = 6, .k = 3, .projection = true, .cell_clip = 0.3f, .projection_clip = 0.1f}));
  t.push_back(lstm_case("layer norm", {.batch = 2, .steps = 3, .n = 5, .m = 8, .k = 8, .norm = true}));
  t.push_back(lstm_case(
      "everything",
      {.batch = 2, .steps = 3, .n = 5, .m = 8, .k = 3, .peephole = true, .projection = true, .norm = true}));
  t.push_back(lstm_case("diagonal", {.steps = 3, .diagonal = true}));
  t.push_back(lstm_case("wide", {.steps = 6, .n = 40, .m = 64, .k = 64}));
  t.back().bench = true;
  t.push_back(lstm_case("cell", {.batch = 3}, true));
  t.push_back(lstm_case("cell with projection", {.batch = 2, .m = 5, .k = 2, .projection = true}, true));
}

// Two directions over one input; with `merged` outputs side by side, with `linked` an auxiliary input.
OpCase both_ways(std::string name, bool merged, bool linked, bool parallel) {
  const LstmShape f{.batch = 2, .steps = 4, .time_major = true},
      b{.batch = 2, .steps = 4, .m = 3, .k = 3, .time_major = true};
  OpCase c{.name = std::move(name), .kind = OpKind::BIDIRECTIONAL_SEQUENCE_LSTM, .int8 = false};
  BidirectionalLstmAttrs attr;
  attr.act = Activation::Kind::tanh;
  attr.merge_outputs = merged;
  attr.time_major = true;
  c.attrs = attr;
  const Shape x{f.steps, f.batch, f.n};
  c.inputs.push_back(random_tensor(x));
  for (const LstmShape& s : {f, b})
    for (CaseTensor& t : direction(s))
      c.inputs.push_back(t);
  for (const LstmShape& s : {f, b})
    for (int32_t width : {s.k, s.m})
      c.inputs.push_back(state_tensor({s.batch, width}, -1, 1));
  c.inputs.push_back(linked || parallel ? random_tensor(x) : absent_tensor());
  for (const LstmShape& s : {f, b})
    for (int g = 0; g < 4; ++g)
      c.inputs.push_back(linked ? random_constant({s.m, s.n}) : absent_tensor());
  if (!merged) c.outputs = {DType::float32, DType::float32};
  c.oracle = [=](const NodeDesc&, const Values& in) -> Values {
    const size_t stride = merged ? 7 : 4;
    Vector out(4 * 2 * stride), back(merged ? 0 : 4 * 2 * 3);
    auto rows = [&](size_t input, size_t i) { return sequence(in[input], true, 2, 4, 3, i); };
    auto reversed = [](std::vector<Vector> v) { return std::vector<Vector>(v.rbegin(), v.rend()); };
    place(out, true, 2, 4, stride, 0, [&](size_t i) {
      return lstm(f, in, rows(0, i), 1, part(in[35], i * 4, 4), part(in[36], i * 4, 4),
                  linked ? rows(39, i) : std::vector<Vector>(), 40);
    });
    place(merged ? out : back, true, 2, 4, merged ? 7 : 3, merged ? 4 : 0, [&](size_t i) {
      return reversed(lstm(b, in, reversed(rows(parallel ? 39 : 0, i)), 18, part(in[37], i * 3, 3),
                           part(in[38], i * 3, 3), linked ? reversed(rows(39, i)) : std::vector<Vector>(),
                           44));
    });
    if (merged) return {out};
    return {out, back};
  };
  return c;
}

OpCase basic_cell() {
  OpCase c{.name = "basic kernel", .kind = OpKind::LSTM, .int8 = false};
  c.attrs = LstmAttrs{.act = Activation::Kind::tanh, .basic_kernel = true};
  c.inputs = {random_tensor({2, 3}), state_tensor({2, 4}, -1, 1), random_constant({16, 7}),
              random_constant({16}), state_tensor({2, 4}, -1, 1)};
  c.outputs.assign(4, DType::float32);
  c.oracle = [](const NodeDesc&, const Values& in) -> Values {
    Values out(4);
    for (size_t b = 0; b < 2; ++b) {
      Vector joined = part(in[0], b * 3, 3);
      for (double v : part(in[1], b * 4, 4))
        joined.push_back(v);
      Vector z = times(in[2], joined, 16);
      add_to(z, in[3]);
      for (size_t j = 0; j < 4; ++j) {
        const double cell =
            sigmoid_recurrent(z[j]) * std::tanh(z[4 + j]) + sigmoid_recurrent(z[8 + j]) * in[4][b * 4 + j];
        out[0].push_back(sigmoid_recurrent(z[12 + j]) * std::tanh(cell));
        out[1].push_back(cell);
      }
      out[2].insert(out[2].end(), joined.begin(), joined.end());
      out[3].insert(out[3].end(), z.begin(), z.end());
    }
    return out;
  };
  return c;
}

void rnns(std::vector<OpCase>& t) {
  const auto act = Activation::Kind::relu;
  // One direction: x, weights, recurrent weights, bias, state at `first`.
  auto run = [](const Values& in, std::vector<Vector> xs, size_t first, Vector h,
                const std::vector<Vector>& aux = {}, size_t aux_weights = 0) {
    std::vector<Vector> ys;
    for (size_t i = 0; i < xs.size(); ++i) {
      Vector z = times(in[first], xs[i], h.size());
      add_to(z, times(in[first + 1], h, h.size()));
      add_to(z, in[first + 2]);
      if (!aux.empty()) add_to(z, times(in[aux_weights], aux[i], h.size()));
      for (double& v : z)
        v = std::max(v, 0.0);
      h = z;
      ys.push_back(z);
    }
    return ys;
  };
  auto tensors = [](int32_t units) {
    return std::vector<CaseTensor>{random_constant({units, 3}), random_constant({units, units}, -0.5, 0.5),
                                   random_constant({units}), state_tensor({2, units}, 0, 1)};
  };
  for (bool time_major : {false, true}) {
    OpCase c{.name = time_major ? "time major" : "batch major",
             .kind = OpKind::UNIDIRECTIONAL_SEQUENCE_RNN,
             .int8 = false};
    c.attrs = SequenceRnnAttrs{.time_major = time_major, .act = act};
    c.inputs = {random_tensor(time_major ? Shape{5, 2, 3} : Shape{2, 5, 3})};
    for (CaseTensor& x : tensors(4))
      c.inputs.push_back(x);
    c.oracle = [=](const NodeDesc&, const Values& in) -> Values {
      Vector out(2 * 5 * 4);
      place(out, time_major, 2, 5, 4, 0, [&](size_t b) {
        return run(in, sequence(in[0], time_major, 2, 5, 3, b), 1, part(in[4], b * 4, 4));
      });
      return {out};
    };
    t.push_back(std::move(c));
  }
  OpCase cell{.name = "cell", .kind = OpKind::RNN, .attrs = RnnAttrs{.act = act}, .int8 = false};
  cell.inputs = {random_tensor({2, 3})};
  for (CaseTensor& x : tensors(4))
    cell.inputs.push_back(x);
  cell.oracle = [=](const NodeDesc&, const Values& in) -> Values {
    Vector out(2 * 4);
    place(out, false, 2, 1, 4, 0,
          [&](size_t b) { return run(in, {part(in[0], b * 3, 3)}, 1, part(in[4], b * 4, 4)); });
    return {out};
  };
  t.push_back(std::move(cell));
  for (bool merged : {false, true}) {
    OpCase c{.name = merged ? "merged and linked" : "apart",
             .kind = OpKind::BIDIRECTIONAL_SEQUENCE_RNN,
             .int8 = false};
    c.attrs = BidirectionalRnnAttrs{.time_major = true, .act = act, .merge_outputs = merged};
    c.inputs = {random_tensor({3, 2, 3})};
    for (int32_t units : {4, 2})
      for (CaseTensor& x : tensors(units))
        c.inputs.push_back(x);
    if (merged) {
      c.inputs.push_back(random_tensor({3, 2, 5}));
      c.inputs.push_back(random_constant({4, 5}));
      c.inputs.push_back(random_constant({2, 5}));
    } else {
      c.outputs.assign(2, DType::float32);
    }
    c.oracle = [=](const NodeDesc&, const Values& in) -> Values {
      const size_t stride = merged ? 6 : 4;
      Vector out(3 * 2 * stride), back(merged ? 0 : 3 * 2 * 2);
      auto rows = [&](size_t input, size_t width, size_t b) {
        return sequence(in[input], true, 2, 3, width, b);
      };
      auto reversed = [](std::vector<Vector> v) { return std::vector<Vector>(v.rbegin(), v.rend()); };
      const std::vector<Vector> none;
      place(out, true, 2, 3, stride, 0, [&](size_t b) {
        return run(in, rows(0, 3, b), 1, part(in[4], b * 4, 4), merged ? rows(9, 5, b) : none, 10);
      });
      place(merged ? out : back, true, 2, 3, merged ? 6 : 2, merged ? 4 : 0, [&](size_t b) {
        return reversed(run(in, reversed(rows(0, 3, b)), 5, part(in[8], b * 2, 2),
                            merged ? reversed(rows(9, 5, b)) : none, 11));
      });
      if (merged) return {out};
      return {out, back};
    };
    t.push_back(std::move(c));
  }
}

void svdfs(std::vector<OpCase>& t) {
  for (int32_t rank : {1, 2})
    for (bool bias : {true, false}) {
      OpCase c{.name = fmt::format("rank {}{}", rank, bias ? " with bias" : ""),
               .kind = OpKind::SVDF,
               .int8 = false};
      c.attrs = SvdfAttrs{.rank = rank, .act = Activation::Kind::relu};
      c.inputs = {random_tensor({2, 3}), random_constant({8, 3}), random_constant({8, 5}),
                  bias ? random_constant({8 / rank}) : absent_tensor(), state_tensor({2, 40}, -1, 1)};
      c.oracle = [=](const NodeDesc&, const Values& in) -> Values {
        Vector out;
        for (size_t b = 0; b < 2; ++b) {
          const Vector newest = times(in[1], part(in[0], b * 3, 3), 8);
          Vector y = bias ? in[3] : Vector(static_cast<size_t>(8 / rank), 0.0);
          for (size_t f = 0; f < 8; ++f) {
            Vector past = part(in[4], (b * 8 + f) * 5 + 1, 4);
            past.push_back(newest[f]);
            for (size_t i = 0; i < 5; ++i)
              y[f / static_cast<size_t>(rank)] += in[2][f * 5 + i] * past[i];
          }
          for (double v : y)
            out.push_back(std::max(v, 0.0));
        }
        return {out};
      };
      t.push_back(std::move(c));
    }
}

}  // namespace

std::vector<OpCase> recurrent_cases() {
  std::vector<OpCase> t;
  lstms(t);
  t.push_back(both_ways("merged", true, false, false));
  t.push_back(both_ways("apart", false, false, false));
  t.push_back(both_ways("cross-linked", false, true, false));
  t.push_back(both_ways("parallel", true, false, true));
  t.push_back(basic_cell());
  rnns(t);
  svdfs(t);
  return t;
}

}  // namespace octet::test
