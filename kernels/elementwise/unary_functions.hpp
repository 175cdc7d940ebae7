// The real function behind each element-wise operator of one input.
#pragma once

#include "schema/ir/attrs.hpp"
#include "schema/ir/op_kind.hpp"

namespace octet {

// One unary operator on one real number, in double. Outside of the function's domain the result is the limit
// from inside (log(x <= 0) = -inf, rsqrt(x <= 0) = inf), so that a quantized result saturates on that side;
// the float kernels return what IEEE 754 gives instead.
using RealFn = double (*)(double x, double parameter);

struct UnaryFunction {
  RealFn f = nullptr;
  double parameter = 0;  // alpha of LEAKY_RELU
  double operator()(double x) const { return f(x, parameter); }
};

UnaryFunction unary_function(OpKind kind, const Attrs& attrs);

}  // namespace octet
