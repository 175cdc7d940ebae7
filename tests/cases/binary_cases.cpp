// Operators of two and three operands with broadcasting.
#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

using Real2 = std::function<double(double, double)>;

// The element of an operand of shape `s` behind output position `i` of shape `out`, straight from NumPy's
// rule.
size_t source(const Shape& out, const Shape& s, size_t i) {
  size_t at = 0, step = 1;
  for (int a = 1; a <= out.rank(); ++a) {
    const size_t index = i % static_cast<size_t>(out[-a]);
    i /= static_cast<size_t>(out[-a]);
    if (a > s.rank()) continue;
    at += (s[-a] == 1 ? 0 : index) * step;
    step *= static_cast<size_t>(s[-a]);
  }
  return at;
}

Oracle each(Real2 f) {
  return [f](const NodeDesc& n, const Values& in) {
    Values out(1);
    const Shape& s = n.out[0].shape;
    for (size_t i = 0; i < static_cast<size_t>(s.elements()); ++i)
      out[0].push_back(f(in[0][source(s, n.in[0].shape, i)], in[1][source(s, n.in[1].shape, i)]));
    return out;
  };
}

struct Function {
  OpKind kind;
  bool has_activation;
  double lo0, hi0, lo1, hi1;
  Real2 f;
};

std::vector<Function> functions() {
  return {
      {OpKind::ADD, true, -2, 3, -1, 1, [](double a, double b) { return a + b; }},
      {OpKind::SUB, true, -2, 3, 0, 7, [](double a, double b) { return a - b; }},
      {OpKind::MUL, true, -2, 3, -4, 1, [](double a, double b) { return a * b; }},
      {OpKind::DIV, true, -2, 3, 1, 4, [](double a, double b) { return a / b; }},
      {OpKind::MAXIMUM, false, -2, 3, -3, 1, [](double a, double b) { return std::fmax(a, b); }},
      {OpKind::MINIMUM, false, -2, 3, -3, 1, [](double a, double b) { return std::fmin(a, b); }},
      {OpKind::SQUARED_DIFFERENCE, false, -2, 3, -3, 1,
       [](double a, double b) { return a * a - 2 * a * b + b * b; }},
      {OpKind::POW, false, 0.1, 3, -1, 2,
       [](double a, double b) {
         return a <= 0 ? (b < 0 ? 1e9 : b > 0 ? 0 : 1) : std::exp(b * std::log(a));
       }},
      {OpKind::FLOOR_DIV, false, -9, 9, 0.7, 2, [](double a, double b) { return std::floor(a / b); }},
      {OpKind::FLOOR_MOD, false, -9, 9, 0.7, 2, [](double a, double b) { return a - b * std::floor(a / b); }},
      {OpKind::ATAN2, false, -2, 3, 0.1, 2, [](double a, double b) { return std::atan2(a, b); }},
      {OpKind::PRELU, false, -2, 3, -0.3, 0.5,
       [](double a, double b) { return std::fmax(a, 0) + b * std::fmin(a, 0); }},
  };
}

Attrs attrs_of(const Function& fn, Activation act = {}) {
  if (!fn.has_activation) return NoAttrs{};
  BinaryAttrs a;
  a.act = act;
  return a;
}

OpCase binary(const Function& fn, std::string name, Shape a, Shape b, Activation act = {}) {
  OpCase c{.name = std::move(name),
           .kind = fn.kind,
           .attrs = attrs_of(fn, act),
           .inputs = {random_tensor(a, fn.lo0, fn.hi0), random_tensor(b, fn.lo1, fn.hi1)}};
  Real2 f = fn.f;
  c.oracle = each([f, act](double x, double y) {
    const double v = f(x, y);
    switch (act.kind) {
      case Activation::Kind::relu: return std::fmax(v, 0);
      case Activation::Kind::relu6: return std::fmin(std::fmax(v, 0), 6);
      case Activation::Kind::relu_n1_to_1: return std::fmin(std::fmax(v, -1), 1);
      case Activation::Kind::tanh: return std::tanh(v);
      default: return v;
    }
  });
  c.uint8 = c.int8;
  return c;
}

OpCase integers(OpKind kind, Attrs attrs, DType t, std::vector<double> a, std::vector<double> b, Real2 f) {
  const auto na = static_cast<int32_t>(a.size()), nb = static_cast<int32_t>(b.size());
  OpCase c{.name = fmt::format("{}", name_of(t)),
           .kind = kind,
           .attrs = std::move(attrs),
           .inputs = {given({na}, std::move(a), t, false), given({nb}, std::move(b), t, false)},
           .outputs = {t}};
  c.oracle = each(std::move(f));
  return c;
}

void add_arithmetic(std::vector<OpCase>& cases) {
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{1}, {1}},
      {{15}, {15}},
      {{16}, {16}},
      {{17}, {17}},
      {{1000}, {1000}},
      {{1, 5, 7, 3}, {3}},           // per channel, few of them
      {{2, 5, 7, 24}, {24}},         // per channel
      {{2, 9, 70}, {1, 1, 70}},      // per channel, long rows
      {{2, 4, 5, 6}, {2, 1, 1, 6}},  // gathered
      {{2, 3, 4, 5}, {4, 1}},        // constant along the last axis
      {{3, 100}, {3, 1}},            // the same, long rows
      {{2, 3, 2, 2, 3, 2}, {3, 1, 2, 1, 2}},
      {{4, 700}, {}},  // a scalar operand
  };
  for (const Function& fn : functions()) {
    for (const auto& [a, b] : shapes) {
      cases.push_back(binary(fn, fmt::format("{} {}", a.to_string(), b.to_string()), a, b));
      if (fn.kind != OpKind::PRELU && !(a == b))
        cases.push_back(binary(fn, fmt::format("{} {}", b.to_string(), a.to_string()), b, a));
    }
    if (fn.kind != OpKind::PRELU) {
      cases.push_back(binary(fn, "5x1x7 and 1x6x7", {5, 1, 7}, {1, 6, 7}));
      cases.push_back(binary(fn, "5x1 and 1x90", {5, 1}, {1, 90}));
    }
    OpCase constant = binary(fn, "a constant scalar", {3, 50}, {1});
    constant.inputs[1].constant = true;
    cases.push_back(constant);
    if (fn.has_activation)
      for (auto k : {Activation::Kind::relu, Activation::Kind::relu6, Activation::Kind::relu_n1_to_1,
                     Activation::Kind::tanh})
        cases.push_back(binary(fn, fmt::format("activation {}", static_cast<int>(k)), {3, 50}, {50}, k));
    OpCase bench = binary(fn, "56x56x64", {1, 56, 56, 64}, {1, 56, 56, 64});
    bench.bench = true;
    cases.push_back(bench);
    bench = binary(fn, "56x56x64 per channel", {1, 56, 56, 64}, {64});
    bench.bench = true;
    cases.push_back(bench);
  }
  // Operands whose ranges differ by 2000: a scale ratio that XNNPACK does not take, extreme zero points.
  for (OpKind k : {OpKind::ADD, OpKind::SUB}) {
    const double sign = k == OpKind::ADD ? 1 : -1;
    OpCase c{.name = "far scales",
             .kind = k,
             .attrs = BinaryAttrs{},
             .inputs = {random_tensor({333}, 0, 2000), random_tensor({333}, -1, 0)}};
    c.oracle = each([sign](double a, double b) { return a + sign * b; });
    c.uint8 = true;
    cases.push_back(c);
  }
}

void add_integers(std::vector<OpCase>& cases) {
  const std::vector<double> a{-7, -7, 7, 7, 0, 100}, b{2, -2, 2, -2, 5, 3};
  for (DType t : {DType::int32, DType::int64}) {
    cases.push_back(integers(OpKind::ADD, BinaryAttrs{}, t, a, b, [](double x, double y) { return x + y; }));
    cases.push_back(integers(OpKind::SUB, BinaryAttrs{}, t, a, b, [](double x, double y) { return x - y; }));
    cases.push_back(integers(OpKind::MUL, BinaryAttrs{}, t, a, b, [](double x, double y) { return x * y; }));
    cases.push_back(
        integers(OpKind::DIV, BinaryAttrs{}, t, a, b, [](double x, double y) { return std::trunc(x / y); }));
    cases.push_back(
        integers(OpKind::MAXIMUM, NoAttrs{}, t, a, b, [](double x, double y) { return std::max(x, y); }));
    cases.push_back(
        integers(OpKind::MINIMUM, NoAttrs{}, t, a, b, [](double x, double y) { return std::min(x, y); }));
    cases.push_back(integers(OpKind::FLOOR_DIV, NoAttrs{}, t, a, b,
                             [](double x, double y) { return std::floor(x / y); }));
    cases.push_back(integers(OpKind::FLOOR_MOD, NoAttrs{}, t, a, b,
                             [](double x, double y) { return x - y * std::floor(x / y); }));
    cases.push_back(integers(OpKind::SQUARED_DIFFERENCE, NoAttrs{}, t, a, b,
                             [](double x, double y) { return (x - y) * (x - y); }));
    cases.push_back(integers(OpKind::POW, NoAttrs{}, t, {-3, 2, 0, 5}, {3, 10, 0, 1},
                             [](double x, double y) { return std::pow(x, y); }));
  }
}

void add_comparisons(std::vector<OpCase>& cases) {
  const std::vector<std::pair<OpKind, Real2>> kinds = {
      {OpKind::EQUAL, [](double a, double b) { return a == b; }},
      {OpKind::NOT_EQUAL, [](double a, double b) { return a != b; }},
      {OpKind::LESS, [](double a, double b) { return a < b; }},
      {OpKind::LESS_EQUAL, [](double a, double b) { return a <= b; }},
      {OpKind::GREATER, [](double a, double b) { return a > b; }},
      {OpKind::GREATER_EQUAL, [](double a, double b) { return a >= b; }},
  };
  for (const auto& [kind, f] : kinds) {
    for (const auto& [a, b] : std::vector<std::pair<Shape, Shape>>{
             {{1}, {1}}, {{17}, {17}}, {{1000}, {1}}, {{2, 5, 6}, {5, 1}}, {{3, 1, 90}, {4, 1}}}) {
      OpCase c{.name = fmt::format("{} {}", a.to_string(), b.to_string()),
               .kind = kind,
               .attrs = NoAttrs{},
               .inputs = {random_tensor(a), random_tensor(b, -0.5, 2)},
               .outputs = {DType::boolean}};
      c.oracle = each(f);
      c.uint8 = true;
      cases.push_back(c);
    }
    // Scales of 1/128 and of twice that, where half of the bytes have a partner; then of 0.0117, where only
    // the zeros have one.
    for (double step : {1.0 / 64, 0.0117}) {
      std::vector<double> a, b;
      for (int i = 0; i < 3000; ++i) {
        a.push_back(i % 3 == 0 ? 0 : (i * 37 % 256 - 128) / 128.0);
        b.push_back(i % 5 == 0 ? 0 : (i * 91 % 256 - 128) * step);
      }
      OpCase c{.name = fmt::format("bytes of 0.0078125 and {}", step),
               .kind = kind,
               .attrs = NoAttrs{},
               .inputs = {given({3000}, a, DType::float32, false), given({3000}, b, DType::float32, false)},
               .outputs = {DType::boolean}};
      c.oracle = each(f);
      c.uint8 = true;
      cases.push_back(c);
    }
    for (DType t : {DType::int32, DType::int64}) {
      OpCase c = integers(kind, NoAttrs{}, t, {-3, 0, 5, 7, -1}, {-3, 1, 5, -7, 0}, f);
      c.outputs = {DType::boolean};
      cases.push_back(c);
    }
  }
  for (OpKind k : {OpKind::EQUAL, OpKind::NOT_EQUAL, OpKind::LOGICAL_AND, OpKind::LOGICAL_OR}) {
    OpCase c = integers(k, NoAttrs{}, DType::boolean, {0, 0, 1, 1}, {0, 1, 0, 1}, [k](double a, double b) {
      return k == OpKind::EQUAL         ? a == b
             : k == OpKind::NOT_EQUAL   ? a != b
             : k == OpKind::LOGICAL_AND ? a * b
                                        : a + b > 0;
    });
    c.outputs = {DType::boolean};
    cases.push_back(c);
  }
  OpCase c{.name = "bool",
           .kind = OpKind::LOGICAL_NOT,
           .attrs = NoAttrs{},
           .inputs = {given({3}, {0, 1, 0}, DType::boolean, false)},
           .outputs = {DType::boolean}};
  c.oracle = [](const NodeDesc&, const Values&) { return Values{{1, 0, 1}}; };
  cases.push_back(c);
}

void add_selections(std::vector<OpCase>& cases) {
  const auto choose = [](std::vector<Shape> as) -> Oracle {
    return [as](const NodeDesc& n, const Values& in) {
      Values out(1);
      const Shape& s = n.out[0].shape;
      for (size_t i = 0; i < static_cast<size_t>(s.elements()); ++i) {
        const size_t k = in[0][source(s, as[0], i)] != 0 ? 1 : 2;
        out[0].push_back(in[k][source(s, as[k], i)]);
      }
      return out;
    };
  };
  const auto add = [&](OpKind kind, Shape condition, Shape x, Shape y, Shape condition_as) {
    CaseTensor c = random_tensor(condition, 0, 2);
    c.dtype = DType::boolean;
    OpCase row{.name = fmt::format("{} {} {}", condition.to_string(), x.to_string(), y.to_string()),
               .kind = kind,
               .attrs = NoAttrs{},
               .inputs = {c, random_tensor(x, -2, 1), random_tensor(y, -1, 3)}};
    row.oracle = choose({condition_as, x, y});
    row.uint8 = true;
    cases.push_back(row);
  };
  add(OpKind::SELECT, {17}, {17}, {17}, {17});
  add(OpKind::SELECT, {}, {2, 9}, {2, 9}, {});
  add(OpKind::SELECT, {4}, {4, 3, 2}, {4, 3, 2}, {4, 1, 1});
  for (const auto& [c, x, y] : std::vector<std::array<Shape, 3>>{{{{1}, {1}, {1}}},
                                                                 {{{2, 1, 5}, {3, 1}, {1}}},
                                                                 {{{1, 70}, {4, 70}, {4, 1}}},
                                                                 {{{1000}, {1000}, {1000}}}})
    add(OpKind::SELECT_V2, c, x, y, c);
}

}  // namespace

std::vector<OpCase> binary_cases() {
  std::vector<OpCase> cases;
  add_arithmetic(cases);
  add_integers(cases);
  add_comparisons(cases);
  add_selections(cases);
  for (int inputs : {1, 2, 4}) {
    OpCase c{.name = fmt::format("{} inputs", inputs), .kind = OpKind::ADD_N, .attrs = NoAttrs{}};
    for (int k = 0; k < inputs; ++k)
      c.inputs.push_back(random_tensor({3, 333}, -1 - k, 2));
    c.oracle = [](const NodeDesc&, const Values& in) {
      Values out(1, std::vector<double>(in[0].size()));
      for (const auto& x : in)
        for (size_t i = 0; i < x.size(); ++i)
          out[0][i] += x[i];
      return out;
    };
    c.uint8 = true;
    cases.push_back(c);
  }
  return cases;
}

}  // namespace octet::test
