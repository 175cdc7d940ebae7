// One operator on one set of inputs: the row of the tables in tests/cases/ that drive conformance tests and
// bench.
//
// A case is written in real numbers. The conformance test then checks, for every case:
//   - the float reference kernel against `oracle`, a closed form in double (1e-5 of the largest output);
//   - every fast float implementation against the reference (the same bound), with 1 and 2 threads;
//   - when the operator has an int8 rule and `int8` is set: the int8 reference against the oracle on the
//     dequantized inputs (within `int8_lsb` + 0.5 steps of the output), every fast int8 implementation
//     against the int8 reference (within 1 step), and the same for uint8 when `uint8` is set, and for int16
//     activations where the reference has them;
//   - that shape inference agrees with the outputs and refuses a missing or an extra input.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/op_spec.hpp"

namespace octet::test {

struct CaseTensor {
  Shape shape;
  double lo = -1, hi = 1;      // uniform random values in [lo, hi), from the case's name as seed
  std::vector<double> values;  // given values instead, when not empty
  DType dtype = DType::float32;
  bool constant = false;
  bool absent = false;
  bool variable = false;  // state: every run starts from its own copy of the values
};
inline CaseTensor random_tensor(Shape s, double lo = -1, double hi = 1) {
  return {s, lo, hi, {}};
}
inline CaseTensor random_constant(Shape s, double lo = -1, double hi = 1) {
  return {s, lo, hi, {}, DType::float32, true};
}
inline CaseTensor given(Shape s, std::vector<double> v, DType t = DType::float32, bool constant = true) {
  return {s, 0, 0, std::move(v), t, constant};
}
inline CaseTensor ints(std::vector<double> v) {  // a constant 1-D int32 tensor: axes, shapes, paddings
  const auto n = static_cast<int32_t>(v.size());
  return given(Shape{n}, std::move(v), DType::int32);
}
inline CaseTensor state_tensor(Shape s, double lo = 0, double hi = 0) {
  CaseTensor t = random_tensor(s, lo, hi);
  t.variable = true;
  return t;
}
inline CaseTensor absent_tensor() {
  CaseTensor t;
  t.absent = true;
  return t;
}

// Real values of all inputs (empty for an absent one) -> real values of all outputs. `n` has the concrete
// shapes of inputs and outputs and the attributes.
using Values = std::vector<std::vector<double>>;
using Oracle = std::function<Values(const NodeDesc& n, const Values& in)>;

struct OpCase {
  std::string name;  // "3x3 stride 2 same 8->16": the kind is put in front
  OpKind kind = OpKind::UNKNOWN;
  Attrs attrs;
  std::vector<CaseTensor> inputs;
  std::vector<DType> outputs{DType::float32};
  Oracle oracle;  // may be empty: then only fast against reference and int8 against float reference
  bool int8 = true, uint8 = false;
  double int8_lsb = 1.0;  // 0.5 more is allowed for the rounding of the output itself
  bool bench = false;     // also a row of the kernel benchmark
};

// The tables, one function per file in tests/cases/.
std::vector<OpCase> conv_cases();
std::vector<OpCase> matmul_cases();
std::vector<OpCase> pool_cases();
std::vector<OpCase> unary_cases();
std::vector<OpCase> binary_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> movement_cases();
std::vector<OpCase> recurrent_cases();
std::vector<OpCase> circle_cases();

// All of them, names prefixed by the kind.
std::vector<OpCase> all_cases();

// A case made concrete in one numeric form.
enum class Form { float32, int8, uint8, int16 };
struct Prepared {
  std::vector<TensorDesc> in, out;            // descs point into the storage below
  std::vector<std::vector<std::byte>> bytes;  // inputs
  std::vector<std::string> names;
  Values real;  // what the stored inputs stand for
  Attrs attrs;
  OpKind kind;
  NodeDesc node() const { return {kind, &attrs, in, out}; }
};
// Generate inputs, infer shapes, quantize by the operator's QuantRule (output ranges from the oracle or from
// the float reference).
Result<Prepared> prepare(const OpCase& c, Form form);
// Run one implementation; outputs as raw bytes.
Result<std::vector<std::vector<std::byte>>> run(const Prepared& p, const Implementation& impl, int threads);
// Raw bytes of tensor `t` as real values (dequantized where it has parameters).
std::vector<double> to_real(const TensorDesc& t, const std::vector<std::byte>& bytes);
// Raw integers (or floats) of a tensor.
std::vector<double> to_raw(const TensorDesc& t, const std::vector<std::byte>& bytes);

}  // namespace octet::test
