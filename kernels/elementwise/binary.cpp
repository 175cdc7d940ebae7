// Arithmetic of two operands with broadcasting: specs and the reference kernel.
#include "kernels/elementwise/binary.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "kernels/cost.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/elementwise/lookup.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"

namespace octet {

double binary_real(OpKind kind, double a, double b) {
  switch (kind) {
    case OpKind::ADD: return a + b;
    case OpKind::SUB: return a - b;
    case OpKind::MUL: return a * b;
    case OpKind::DIV: return a / b;
    case OpKind::MAXIMUM: return a > b ? a : b;
    case OpKind::MINIMUM: return a < b ? a : b;
    case OpKind::SQUARED_DIFFERENCE: return (a - b) * (a - b);
    case OpKind::POW: return std::pow(a, b);
    case OpKind::FLOOR_DIV: return std::floor(a / b);
    case OpKind::FLOOR_MOD: {  // the sign of the divisor
      const double r = std::fmod(a, b);
      return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
    case OpKind::ATAN2: return std::atan2(a, b);
    case OpKind::PRELU: return a >= 0 ? a : a * b;
    default: return 0;
  }
}

float binary_float(OpKind kind, float a, float b) {
  switch (kind) {
    case OpKind::ADD: return a + b;
    case OpKind::SUB: return a - b;
    case OpKind::MUL: return a * b;
    case OpKind::DIV: return a / b;
    case OpKind::SQUARED_DIFFERENCE: return (a - b) * (a - b);
    case OpKind::FLOOR_DIV: return std::floor(a / b);
    case OpKind::PRELU: return a >= 0 ? a : a * b;
    default: return static_cast<float>(binary_real(kind, static_cast<double>(a), static_cast<double>(b)));
  }
}

Broadcast broadcast_of(const NodeDesc& n) {
  const Shape operands[] = {n.in[0].shape, n.in[1].shape};
  return {n.out[0].shape, operands};
}

Activation fused_of(const NodeDesc& n) {
  const Activation* act = activation_of(*n.attrs);
  return act == nullptr ? Activation() : *act;
}

bool is_clamp(const Activation& act) {
  return act.kind != Activation::Kind::tanh && act.kind != Activation::Kind::sign_bit;
}

namespace {

constexpr size_t kBinaryGrain = 2048;

double activate(const Activation& act, double x) {
  if (act.none()) return x;
  if (act.kind == Activation::Kind::tanh) return std::tanh(x);
  if (act.kind == Activation::Kind::sign_bit) return std::signbit(x) ? 1 : 0;
  const RealRange r = range_of(act);
  return x < static_cast<double>(r.lo)   ? static_cast<double>(r.lo)
         : x > static_cast<double>(r.hi) ? static_cast<double>(r.hi)
                                         : x;
}

// Integers without quantization: sums and products wrap around, division truncates toward zero. Sets `bad`
// on a division by zero or a negative exponent.
template <class T>
T binary_integer(OpKind kind, T a, T b, bool& bad) {
  const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  switch (kind) {
    case OpKind::ADD: return static_cast<T>(ua + ub);
    case OpKind::SUB: return static_cast<T>(ua - ub);
    case OpKind::MUL: return static_cast<T>(ua * ub);
    case OpKind::MAXIMUM: return std::max(a, b);
    case OpKind::MINIMUM: return std::min(a, b);
    case OpKind::SQUARED_DIFFERENCE: return static_cast<T>((ua - ub) * (ua - ub));
    case OpKind::PRELU: return a >= T{0} ? a : static_cast<T>(ua * ub);
    case OpKind::POW: {
      if (b < T{0}) {
        bad = true;
        return 0;
      }
      uint64_t result = 1, base = ua;
      for (uint64_t e = ub; e != 0; e >>= 1, base *= base)
        if ((e & 1) != 0) result *= base;
      return static_cast<T>(result);
    }
    default: break;
  }
  if (b == T{0}) {
    bad = true;
    return 0;
  }
  // b == -1 apart: the least integer divided by it overflows.
  const bool negates = std::is_signed_v<T> && ub == ~uint64_t{0};
  const T quotient = negates ? static_cast<T>(uint64_t{0} - ua) : static_cast<T>(a / b);
  const T rest = negates ? T{0} : static_cast<T>(a % b);
  const bool below = rest != 0 && (rest < T{0}) != (b < T{0});
  if (kind == OpKind::FLOOR_DIV) return static_cast<T>(below ? quotient - 1 : quotient);
  if (kind == OpKind::FLOOR_MOD) return static_cast<T>(below ? rest + b : rest);
  return quotient;  // DIV
}

template <class T, class F>
std::unique_ptr<Kernel> zip_kernel(const NodeDesc& n, F f) {  // out = f(a, b, bad)
  return make_kernel([plan = broadcast_of(n), f](const RunArgs& args) -> Status {
    const T *a = static_cast<const T*>(args.in[0]), *b = static_cast<const T*>(args.in[1]);
    T* out = static_cast<T*>(args.out[0]);
    std::atomic<bool> any_bad = false;
    args.pool.for_range(plan.elements(), kBinaryGrain, [&](size_t begin, size_t end) {
      bool bad = false;
      plan.for_each(begin, end, [&](size_t i, const auto& at) { out[i] = f(a[at[0]], b[at[1]], bad); });
      if (bad) any_bad = true;
    });
    if (any_bad) return Status::invalid("division by zero or negative exponent on integers");
    return {};
  });
}

// The int8 form of POW keeps its exponent in float32: 1.9999998 instead of 2 has no real result on negative
// numbers.
bool has_float_exponent(const NodeDesc& n) {
  return n.kind == OpKind::POW && is_small_quantized(n.in[0].dtype) && n.in[1].dtype == DType::float32;
}

KernelResult pow_float_exponent(const NodeDesc& n) {
  OCTET_ASSIGN(const Affine from, affine_of(n.in[0]));
  OCTET_ASSIGN(const Affine to, affine_of(n.out[0]));
  const DType t = n.in[0].dtype;
  return dispatch<int8_t, uint8_t, int16_t>(t, unsupported_type(n.in[0]), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    return make_kernel([plan = broadcast_of(n), from, to](const RunArgs& args) -> Status {
      const T* x = static_cast<const T*>(args.in[0]);
      const auto* exponent = static_cast<const float*>(args.in[1]);
      T* out = static_cast<T*>(args.out[0]);
      args.pool.for_range(plan.elements(), kBinaryGrain, [&](size_t begin, size_t end) {
        plan.for_each(begin, end, [&](size_t i, const auto& at) {
          const double e = static_cast<double>(exponent[at[1]]);
          out[i] = quantize<T>(std::pow(dequantize(x[at[0]], from), e), to);
        });
      });
      return {};
    });
  });
}

}  // namespace

KernelResult binary_reference(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &a = n.in[0], &b = n.in[1], &out = n.out[0];
  if (out.dtype != a.dtype) return unsupported_type(out);
  if (has_float_exponent(n)) return pow_float_exponent(n);
  if (b.dtype != a.dtype) return unsupported_type(b);
  const OpKind kind = n.kind;
  const Activation act = fused_of(n);
  if (a.dtype == DType::float32)
    return zip_kernel<float>(n,
                             [=](float x, float y, bool&) { return apply(act, binary_float(kind, x, y)); });
  if (is_small_quantized(a.dtype) && !(a.quant.empty() && b.quant.empty() && out.quant.empty())) {
    OCTET_ASSIGN(const Affine qa, affine_of(a));
    OCTET_ASSIGN(const Affine qb, affine_of(b));
    OCTET_ASSIGN(const Affine qo, affine_of(out));
    return dispatch<int8_t, uint8_t, int16_t>(a.dtype, unsupported_type(a), [&](auto type) -> KernelResult {
      using T = typename decltype(type)::type;
      return zip_kernel<T>(n, [=](T x, T y, bool&) {
        return quantize<T>(activate(act, binary_real(kind, dequantize(x, qa), dequantize(y, qb))), qo);
      });
    });
  }
  if (!is_clamp(act) || kind == OpKind::ATAN2) return unsupported_type(a);
  return dispatch<int8_t, uint8_t, int16_t, int32_t, uint32_t, int64_t>(
      a.dtype, unsupported_type(a), [&](auto type) -> KernelResult {
        using T = typename decltype(type)::type;
        const RealRange r = range_of(act);
        const bool clamps = !act.none();
        const auto lo =
            std::isfinite(r.lo) ? saturate<T>(static_cast<double>(r.lo)) : std::numeric_limits<T>::min();
        const auto hi =
            std::isfinite(r.hi) ? saturate<T>(static_cast<double>(r.hi)) : std::numeric_limits<T>::max();
        return zip_kernel<T>(n, [=](T x, T y, bool& bad) {
          const T v = binary_integer<T>(kind, x, y, bad);
          return clamps ? std::clamp(v, lo, hi) : v;
        });
      });
}

KernelResult binary_byte_table(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &a = n.in[0], &b = n.in[1], &out = n.out[0];
  const bool first = a.is_known() && a.elements() == 1, second = b.is_known() && b.elements() == 1;
  if (!is_byte(a.dtype) || out.dtype != a.dtype) return declined_type(a.dtype);
  if (b.dtype != a.dtype && !has_float_exponent(n)) return Status::declined("mixed types");
  if (!first && !second) return Status::declined("no operand is a constant scalar");
  if (b.dtype != a.dtype && !second) return Status::declined("the exponent varies");
  if (a.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  auto value = [](const TensorDesc& t) -> Result<double> {
    if (t.dtype == DType::float32) return static_cast<double>(t.as<float>()[0]);
    OCTET_ASSIGN(const Affine q, affine_of(t));
    return t.dtype == DType::int8 ? dequantize(t.as<int8_t>()[0], q) : dequantize(t.as<uint8_t>()[0], q);
  };
  OCTET_ASSIGN(const double c, value(second ? b : a));
  OCTET_ASSIGN(const Affine from, affine_of(second ? a : b));
  OCTET_ASSIGN(const Affine to, affine_of(out));
  const Activation act = fused_of(n);
  const LookupTable table = make_table(a.dtype, from, out.dtype, to, [&](double x) {
    return activate(act, second ? binary_real(n.kind, x, c) : binary_real(n.kind, c, x));
  });
  return make_lookup_kernel(table, static_cast<size_t>(out.elements()), second ? 0 : 1);
}

namespace {

// Picoseconds for each element.
constexpr int kBinaryReferenceCost = 20'000, kPairCost = 700;

// Filling a table of all pairs takes as long as the reference takes for 65536 elements; spread over some 60
// runs, it pays from here on.
double pair_table_cost(const NodeDesc& n, const Cpu& cpu) {
  constexpr double kWorthPairTable = 1024;
  return kWorthPairTable * (kBinaryReferenceCost - kPairCost) + cost::per_element<kPairCost>(n, cpu);
}

OpSpec make(OpKind kind, Traits traits, TensorRule in, int version_float, int version_int8, int version_int16,
            OtherReaders readers, std::string_view notes = {}, std::optional<ClampForm> clamp = {}) {
  OpSpec s;
  s.kind = kind;
  s.traits = Trait::elementwise | traits;
  s.clamp = clamp;
  s.inputs = {2, 2};
  s.infer = infer_broadcast;
  s.reference = {"reference", binary_reference, cost::per_element<kBinaryReferenceCost>};
  s.fast = {{"byte-table", binary_byte_table, cost::per_element<20>},
            {"quantized-loop", binary_quantized_loop, cost::per_element<150>},
            {"plain-loop", binary_plain_loop, cost::per_element<100>}};
  if (kind == OpKind::ADD || kind == OpKind::SUB)
    s.fast.push_back({"xnnpack", binary_xnnpack, cost::per_element<80>});
  if (kind == OpKind::FLOOR_DIV || kind == OpKind::FLOOR_MOD || kind == OpKind::ATAN2)
    s.fast.push_back({"pair-table", binary_pair_table, pair_table_cost});
  s.quant = QuantRule::of({in, in}, {activation()});
  s.sharing = Sharing::in_place;
  s.version_float = version_float;
  s.version_int8 = version_int8;
  s.version_int16 = version_int16;
  s.readers = readers;
  s.rescales = true;
  s.notes = notes;
  return s;
}

constexpr Traits kSum = Trait::shifts | Trait::monotone | Trait::takes_clamp;
constexpr Traits kProduct = Trait::scales | Trait::homogeneous | Trait::takes_clamp;

}  // namespace

#define OCTET_BINARY(kind, ...)                                 \
  const OpSpec& spec_##kind() {                                 \
    static const OpSpec spec = make(OpKind::kind, __VA_ARGS__); \
    return spec;                                                \
  }
OCTET_BINARY(ADD, kSum | Trait::commutative, activation(), 1, 2, 3, {},
             "int16: version 3 asks for pot_scale_int16 = false")
OCTET_BINARY(SUB, kSum, activation(), 1, 2, 5, {}, "int16: version 5 asks for pot_scale_int16 = false")
OCTET_BINARY(MUL, kProduct | Trait::commutative, activation(), 1, 2, 4, {})
OCTET_BINARY(DIV, kProduct, activation(), 1, 1, 1, {kFloatForm, kFloatAndInt8})
OCTET_BINARY(MAXIMUM, Trait::commutative | Trait::monotone, same_as_output(0), 1, 2, 4, {}, {},
             ClampForm{.operand = ClampForm::Operand::lo})
OCTET_BINARY(MINIMUM, Trait::commutative | Trait::monotone, same_as_output(0), 1, 2, 4, {}, {},
             ClampForm{.operand = ClampForm::Operand::hi})
OCTET_BINARY(SQUARED_DIFFERENCE, Trait::commutative | Trait::nonnegative, activation(), 1, 2, 2,
             {kFloatAndInt8, kEveryForm})
OCTET_BINARY(FLOOR_DIV, Traits(), activation(), 2, 3, 3, {kFloatForm, kFloatForm},
             "TensorFlow Lite ignores scales")
OCTET_BINARY(FLOOR_MOD, Traits(), activation(), 1, 2, 2, {kFloatForm, kFloatForm},
             "TensorFlow Lite ignores scales")
OCTET_BINARY(ATAN2, Traits(), activation(), 1, 1, 1, {kFloatForm, kNoForm})
#undef OCTET_BINARY

const OpSpec& spec_POW() {
  static const OpSpec spec = [] {
    OpSpec s = make(OpKind::POW, Traits(), activation(), 1, 1, 1, {kFloatForm, kNoForm},
                    "int8: with a float32 exponent");
    s.quant = QuantRule::of({activation(), keep()}, {activation()});
    return s;
  }();
  return spec;
}

}  // namespace octet
