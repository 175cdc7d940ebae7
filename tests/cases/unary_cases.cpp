// Element-wise operators of one input, and conversions. The oracles are written from the definitions, not
// with the kernels' own functions.
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

using Real = std::function<double(double)>;

Oracle each(Real f) {
  return [f](const NodeDesc&, const Values& in) {
    Values out(1);
    for (double x : in[0])
      out[0].push_back(f(x));
    return out;
  };
}

struct UnaryFunction {
  OpKind kind;
  Attrs attrs;
  double lo, hi;  // range of the inputs
  Real f;
};

double ramp(double x, double lo, double hi) {
  return std::fmin(std::fmax(x, lo), hi);
}

std::vector<UnaryFunction> unary_functions() {
  const NoAttrs none;
  return {
      {OpKind::RELU, none, -2, 3, [](double x) { return ramp(x, 0, INFINITY); }},
      {OpKind::RELU6, none, -2, 9, [](double x) { return ramp(x, 0, 6); }},
      {OpKind::RELU_N1_TO_1, none, -2, 2, [](double x) { return ramp(x, -1, 1); }},
      {OpKind::RELU_0_TO_1, none, -2, 2, [](double x) { return ramp(x, 0, 1); }},
      {OpKind::LEAKY_RELU, LeakyReluAttrs{0.1f}, -4, 3,
       [](double x) { return x >= 0 ? x : double(0.1f) * x; }},
      {OpKind::ELU, none, -6, 2, [](double x) { return x >= 0 ? x : std::exp(x) - 1; }},
      {OpKind::GELU, GeluAttrs{false}, -5, 4,
       [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; }},
      {OpKind::GELU, GeluAttrs{true}, -5, 4,
       [](double x) {
         const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * std::pow(x, 3));
         return x / (1 + std::exp(-2 * u));
       }},
      {OpKind::HARD_SWISH, none, -6, 6, [](double x) { return x <= -3  ? 0
                                                              : x >= 3 ? x
                                                                       : x * (x + 3) / 6; }},
      {OpKind::LOGISTIC, none, -9, 9, [](double x) { return std::exp(x) / (1 + std::exp(x)); }},
      {OpKind::TANH, none, -5, 5, [](double x) { return 1 - 2 / (std::exp(2 * x) + 1); }},
      {OpKind::ABS, none, -3, 2, [](double x) { return x < 0 ? -x : x; }},
      {OpKind::NEG, none, -3, 2, [](double x) { return 0 - x; }},
      {OpKind::EXP, none, -5, 2, [](double x) { return std::pow(M_E, x); }},
      {OpKind::LOG, none, 0.05, 9, [](double x) { return std::log2(x) * M_LN2; }},
      {OpKind::SQRT, none, 0.01, 9, [](double x) { return std::pow(x, 0.5); }},
      {OpKind::RSQRT, none, 0.3, 9, [](double x) { return std::pow(x, -0.5); }},
      {OpKind::SQUARE, none, -3, 2, [](double x) { return std::pow(x, 2); }},
      {OpKind::FLOOR, none, -9, 9, [](double x) { return std::trunc(x) - (x < std::trunc(x) ? 1 : 0); }},
      {OpKind::CEIL, none, -9, 9, [](double x) { return std::trunc(x) + (x > std::trunc(x) ? 1 : 0); }},
      {OpKind::ROUND, none, -9, 9,
       [](double x) {
         const double below = std::floor(x), part = x - below;
         const bool up = part > 0.5 || (part == 0.5 && std::fmod(below, 2) != 0);
         return up ? below + 1 : below;
       }},
      {OpKind::SIN, none, -7, 7, [](double x) { return std::cos(x - M_PI_2); }},
      {OpKind::COS, none, -7, 7, [](double x) { return std::sin(x + M_PI_2); }},
      {OpKind::SIGN, none, -2, 2, [](double x) { return x == 0 ? 0 : std::copysign(1.0, x); }},
  };
}

// log and rsqrt have no limit at 0: their int8 form saturates there, which the oracle follows.
Real quantizable(const UnaryFunction& fn) {
  if (fn.kind == OpKind::LOG) return [f = fn.f](double x) { return x <= 0 ? -1e9 : f(x); };
  if (fn.kind == OpKind::RSQRT) return [f = fn.f](double x) { return x <= 0 ? 1e9 : f(x); };
  return fn.f;
}

OpCase conversion(std::string name, OpKind kind, Attrs attrs, CaseTensor in, DType out, Real f) {
  OpCase c{.name = std::move(name),
           .kind = kind,
           .attrs = std::move(attrs),
           .inputs = {std::move(in)},
           .outputs = {out},
           .oracle = each(std::move(f)),
           .int8 = false};
  return c;
}

}  // namespace

std::vector<OpCase> unary_cases() {
  std::vector<OpCase> cases;
  for (const UnaryFunction& fn : unary_functions()) {
    const bool approximate =
        std::holds_alternative<GeluAttrs>(fn.attrs) && std::get<GeluAttrs>(fn.attrs).approximate;
    for (const Shape& s : {Shape{1}, Shape{15}, Shape{2, 8}, Shape{17}, Shape{1, 10, 10, 10}}) {
      OpCase c{.name = fmt::format("{}{}", approximate ? "tanh " : "", s.to_string()),
               .kind = fn.kind,
               .attrs = fn.attrs,
               .inputs = {random_tensor(s, fn.lo, fn.hi)}};
      c.oracle = each(quantizable(fn));
      c.uint8 = true;
      cases.push_back(c);
    }
    OpCase bench{.name = approximate ? "tanh 56x56x64" : "56x56x64",
                 .kind = fn.kind,
                 .attrs = fn.attrs,
                 .inputs = {random_tensor({1, 56, 56, 64}, fn.lo, fn.hi)}};
    bench.oracle = each(quantizable(fn));
    bench.bench = true;
    cases.push_back(bench);
  }

  OpCase ties = conversion("ties", OpKind::ROUND, NoAttrs{},
                           given({8}, {0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0, 3}, DType::float32, false),
                           DType::float32, nullptr);
  ties.oracle = [](const NodeDesc&, const Values&) { return Values{{0, 2, 2, 0, -2, -2, 0, 3}}; };
  cases.push_back(ties);
  for (DType t : {DType::int32, DType::int64}) {
    cases.push_back(conversion(fmt::format("{}", name_of(t)), OpKind::ABS, NoAttrs{},
                               given({5}, {-7, -1, 0, 1, 1e6}, t, false), t,
                               [](double x) { return std::fabs(x); }));
    cases.push_back(conversion(fmt::format("{}", name_of(t)), OpKind::NEG, NoAttrs{},
                               given({5}, {-7, -1, 0, 1, 1e6}, t, false), t, [](double x) { return -x; }));
  }
  // The int8 form of CAST: a bool as int8 of scale 1.
  OpCase from_bool = conversion("bool to float32", OpKind::CAST, CastAttrs{},
                                given({5}, {0, 1, 1, 0, 1}, DType::boolean, false), DType::float32,
                                [](double x) { return x; });
  cases.push_back(from_bool);
  cases.push_back(conversion("float32 to int32", OpKind::CAST, CastAttrs{},
                             given({4}, {-2.7, 2.7, 0.5, 1e12}, DType::float32, false), DType::int32,
                             [](double x) { return x > 2147483647 ? 2147483647 : std::trunc(x); }));
  return cases;
}

}  // namespace octet::test
