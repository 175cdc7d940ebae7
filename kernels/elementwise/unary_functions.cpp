#include "kernels/elementwise/unary_functions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octet {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

double clamp(double x, double lo, double hi) {  // NaN stays NaN
  return x < lo ? lo : x > hi ? hi : x;
}
double gelu(double x, double) {
  return 0.5 * x * std::erfc(-x * 0.70710678118654752440);
}
double gelu_tanh(double x, double) {
  return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

}  // namespace

UnaryFunction unary_function(OpKind kind, const Attrs& attrs) {
  switch (kind) {
    case OpKind::RELU: return {[](double x, double) { return clamp(x, 0, kInf); }};
    case OpKind::RELU6: return {[](double x, double) { return clamp(x, 0, 6); }};
    case OpKind::RELU_N1_TO_1: return {[](double x, double) { return clamp(x, -1, 1); }};
    case OpKind::RELU_0_TO_1: return {[](double x, double) { return clamp(x, 0, 1); }};
    case OpKind::LEAKY_RELU:
      return {[](double x, double alpha) { return x < 0 ? alpha * x : x; },
              static_cast<double>(std::get<LeakyReluAttrs>(attrs).alpha)};
    case OpKind::ELU: return {[](double x, double) { return x < 0 ? std::expm1(x) : x; }};
    case OpKind::GELU: return {std::get<GeluAttrs>(attrs).approximate ? gelu_tanh : gelu};
    case OpKind::HARD_SWISH: return {[](double x, double) { return x * clamp(x + 3, 0, 6) / 6; }};
    case OpKind::LOGISTIC: return {[](double x, double) { return 1 / (1 + std::exp(-x)); }};
    case OpKind::TANH: return {[](double x, double) { return std::tanh(x); }};
    case OpKind::ABS: return {[](double x, double) { return std::fabs(x); }};
    case OpKind::NEG: return {[](double x, double) { return -x; }};
    case OpKind::EXP: return {[](double x, double) { return std::exp(x); }};
    case OpKind::LOG: return {[](double x, double) { return x <= 0 ? -kInf : std::log(x); }};
    case OpKind::SQRT: return {[](double x, double) { return x <= 0 ? 0 : std::sqrt(x); }};
    case OpKind::RSQRT: return {[](double x, double) { return x <= 0 ? kInf : 1 / std::sqrt(x); }};
    case OpKind::SQUARE: return {[](double x, double) { return x * x; }};
    case OpKind::FLOOR: return {[](double x, double) { return std::floor(x); }};
    case OpKind::CEIL: return {[](double x, double) { return std::ceil(x); }};
    case OpKind::ROUND: return {[](double x, double) { return std::nearbyint(x); }};  // half to even
    case OpKind::SIN: return {[](double x, double) { return std::sin(x); }};
    case OpKind::COS: return {[](double x, double) { return std::cos(x); }};
    case OpKind::SIGN: return {[](double x, double) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }};
    default: return {};
  }
}

}  // namespace octet
