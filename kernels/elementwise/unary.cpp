// Element-wise operators of one input. 8-bit: one table of 256 bytes. 16-bit: a table of 65536 entries for
// large tensors, polynomials for small ones. float32: XNNPACK where it has a vectorized kernel that is
// precise enough.
#include "kernels/xnnpack/unary.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/cost.hpp"
#include "kernels/elementwise/lookup.hpp"
#include "kernels/elementwise/unary_functions.hpp"
#include "kernels/elementwise/unary_polynomials.hpp"
#include "kernels/infer.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr size_t kUnaryGrain = 1024;  // elements of a transcendental function worth a thread

// Outside of the domain the float kernels follow IEEE 754, see unary_functions.hpp.
float evaluate(OpKind kind, const UnaryFunction& f, float x) {
  if (x < 0 && (kind == OpKind::LOG || kind == OpKind::SQRT || kind == OpKind::RSQRT))
    return std::numeric_limits<float>::quiet_NaN();
  if (x == 0 && kind == OpKind::RSQRT) return 1 / x;  // -0 gives -inf
  return static_cast<float>(f(static_cast<double>(x)));
}

// ABS, NEG, SIGN, SQUARE and the ramps on plain integers; arithmetic wraps around.
template <class T>
T evaluate_integer(OpKind kind, T x) {
  using U = std::make_unsigned_t<T>;
  switch (kind) {
    case OpKind::ABS: return x < 0 ? static_cast<T>(U{0} - static_cast<U>(x)) : x;
    case OpKind::NEG: return static_cast<T>(U{0} - static_cast<U>(x));
    case OpKind::SIGN: return static_cast<T>((x > 0) - (x < 0));
    case OpKind::SQUARE: return static_cast<T>(static_cast<U>(x) * static_cast<U>(x));
    case OpKind::RELU: return std::max<T>(x, 0);
    case OpKind::RELU6: return std::clamp<T>(x, 0, 6);
    case OpKind::RELU_N1_TO_1: return std::clamp<T>(x, -1, 1);
    default: return std::clamp<T>(x, 0, 1);  // RELU_0_TO_1
  }
}
bool takes_integers(OpKind kind) {
  switch (kind) {
    case OpKind::ABS:
    case OpKind::NEG:
    case OpKind::SIGN:
    case OpKind::SQUARE:
    case OpKind::RELU:
    case OpKind::RELU6:
    case OpKind::RELU_N1_TO_1:
    case OpKind::RELU_0_TO_1: return true;
    default: return false;
  }
}

template <class T, class F>
std::unique_ptr<Kernel> map_kernel(size_t n, F f) {
  return make_kernel([n, f](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    T* out = static_cast<T*>(args.out[0]);
    args.pool.for_range(n, kUnaryGrain, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i)
        out[i] = f(in[i]);
    });
    return {};
  });
}

KernelResult reference_unary(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return unsupported_type(out);
  const auto count = static_cast<size_t>(out.elements());
  const OpKind kind = n.kind;
  const UnaryFunction f = unary_function(kind, *n.attrs);
  if (in.dtype == DType::float32)
    return map_kernel<float>(count, [kind, f](float x) { return evaluate(kind, f, x); });
  const bool quantized = is_small_quantized(in.dtype) && !in.quant.empty();
  if (!quantized && takes_integers(kind) && in.dtype != DType::uint8)
    return dispatch<int8_t, int16_t, int32_t, int64_t>(
        in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
          using T = typename decltype(type)::type;
          return map_kernel<T>(count, [kind](T x) { return evaluate_integer<T>(kind, x); });
        });
  return dispatch<int8_t, uint8_t, int16_t>(in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    OCTET_ASSIGN(const Affine a, affine_of(in));
    OCTET_ASSIGN(const Affine b, affine_of(out));
    return map_kernel<T>(count, [a, b, f](T q) { return quantize<T>(f(dequantize(q, a)), b); });
  });
}

KernelResult byte_table(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype || !is_byte(in.dtype)) return declined_type(in.dtype);
  if (in.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  return make_lookup_kernel(make_table(in.dtype, a, out.dtype, b, unary_function(n.kind, *n.attrs)),
                            static_cast<size_t>(out.elements()));
}

KernelResult int16_table(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype || in.dtype != DType::int16) return declined_type(in.dtype);
  if (in.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  const UnaryFunction f = unary_function(n.kind, *n.attrs);
  const auto count = static_cast<size_t>(out.elements());
  std::vector<int16_t> values(65536);
  for (int i = 0; i < 65536; ++i)
    values[static_cast<size_t>(i)] = quantize<int16_t>(f(dequantize(i - 32768, a)), b);
  return map_kernel<int16_t>(
      count, [values = std::move(values)](int16_t q) { return values[static_cast<size_t>(q + 32768)]; });
}

// Cheap functions of float32 as own vectorized loops: as fast as memory.
template <class F>
std::unique_ptr<Kernel> loop_kernel(size_t n, F f) {
  return make_kernel([n, f](const RunArgs& args) -> Status {
    const float* in = static_cast<const float*>(args.in[0]);
    float* out = static_cast<float*>(args.out[0]);
    args.pool.for_range(n, 16384, [&](size_t begin, size_t end) {
      element_loop(begin, end, [in, out, f](size_t i) OCTET_INLINE { out[i] = f(in[i]); });
    });
    return {};
  });
}

std::unique_ptr<Kernel> clamp_kernel(size_t n, float lo, float hi) {
  return loop_kernel(n, [lo, hi](float x) OCTET_INLINE {
    const float y = x < lo ? lo : x;
    return y > hi ? hi : y;
  });
}

KernelResult float_loop(const NodeDesc& n, ThreadPool&) {
  if (n.in[0].dtype != DType::float32 || n.out[0].dtype != DType::float32)
    return declined_type(n.in[0].dtype);
  const auto count = static_cast<size_t>(n.out[0].elements());
  switch (n.kind) {
    case OpKind::RELU: return clamp_kernel(count, 0, std::numeric_limits<float>::infinity());
    case OpKind::RELU6: return clamp_kernel(count, 0, 6);
    case OpKind::RELU_N1_TO_1: return clamp_kernel(count, -1, 1);
    case OpKind::RELU_0_TO_1: return clamp_kernel(count, 0, 1);
    case OpKind::LEAKY_RELU: {
      const float alpha = n.attr<LeakyReluAttrs>().alpha;
      // A choice of factors vectorizes; a choice of products would be a branch per element.
      return loop_kernel(count, [alpha](float x) OCTET_INLINE { return x * (x < 0 ? alpha : 1.0f); });
    }
    case OpKind::HARD_SWISH:
      return loop_kernel(count, [](float x) OCTET_INLINE {
        const float y = x + 3.0f, z = y < 0.0f ? 0.0f : y;
        return x * (z > 6.0f ? 6.0f : z) * (1.0f / 6.0f);
      });
    case OpKind::ABS: return loop_kernel(count, [](float x) OCTET_INLINE { return __builtin_fabsf(x); });
    case OpKind::NEG: return loop_kernel(count, [](float x) OCTET_INLINE { return -x; });
    case OpKind::SQUARE: return loop_kernel(count, [](float x) OCTET_INLINE { return x * x; });
    // Not XNNPACK's: its log of infinity and NaN, square root of infinity and 1 / sqrt(0) are not IEEE 754's.
    case OpKind::LOG: return loop_kernel(count, [](float x) { return std::log(x); });
    case OpKind::SQRT: return loop_kernel(count, [](float x) { return std::sqrt(x); });
    case OpKind::RSQRT: return loop_kernel(count, [](float x) { return 1.0f / std::sqrt(x); });
    case OpKind::SIGN:
      return loop_kernel(count, [](float x) OCTET_INLINE { return x > 0 ? 1.0f : x < 0 ? -1.0f : x; });
    default: return Status::declined("no loop");
  }
}

enum class Fast { loop, xnnpack, none };

// Picoseconds for each element.
constexpr int kUnaryReferenceCost = 20'000, kTableCost = 500, kPolynomialCost = 1'000;

// Filling a table of 65536 values takes as long as the reference takes for as many elements; spread over four
// runs, it pays from here on.
constexpr int64_t kWorthInt16Table = 16384;
double int16_table_cost(const NodeDesc& n, const Cpu& cpu) {
  return kWorthInt16Table * double{kUnaryReferenceCost - kTableCost} + cost::per_element<kTableCost>(n, cpu);
}

// Polynomials are as fast as the table, but not always the same integers: they stand in for it, and take its
// place where it is cheap.
double polynomials_cost(const NodeDesc& n, const Cpu& cpu) {
  if (n.out[0].elements() >= kWorthInt16Table) return int16_table_cost(n, cpu) * 1.01;
  return cost::per_element<kPolynomialCost>(n, cpu);
}

OpSpec make(OpKind kind, Traits traits, Fast fast, TensorRule out, int version_int8, int version_int16,
            OtherReaders readers, std::string_view notes = {}, std::optional<ClampForm> clamp = {}) {
  OpSpec s;
  s.kind = kind;
  s.traits = Trait::elementwise | traits;
  s.clamp = clamp;
  s.infer = infer_same;
  s.reference = {"reference", reference_unary, cost::per_element<kUnaryReferenceCost>};
  s.fast = {{"byte-table", byte_table, cost::per_element<20>},
            {"int16-table", int16_table, int16_table_cost},
            {"polynomials", unary_polynomials, polynomials_cost}};
  if (fast == Fast::loop) s.fast.push_back({"float-loop", float_loop, cost::per_element<200>});
  if (fast == Fast::xnnpack) s.fast.push_back({"xnnpack", unary_xnnpack, cost::per_element<300>});
  s.quant = QuantRule::of({activation()}, {out});
  s.sharing = Sharing::in_place;
  s.version_int8 = version_int8;
  s.version_int16 = version_int16;
  s.readers = readers;
  s.rescales = true;
  s.notes = notes;
  return s;
}

}  // namespace

#define OCTET_UNARY(kind, ...)                                  \
  const OpSpec& spec_##kind() {                                 \
    static const OpSpec spec = make(OpKind::kind, __VA_ARGS__); \
    return spec;                                                \
  }
// Versions: the converter's table of operator versions by input type.
OCTET_UNARY(RELU, Trait::homogeneous | Trait::monotone | Trait::nonnegative, Fast::loop, activation(), 2, 3,
            {}, {}, ClampForm{.lo = 0})
OCTET_UNARY(RELU6, Trait::monotone | Trait::nonnegative, Fast::loop, activation(), 2, 3,
            {kEveryForm, kFloatForm}, {}, ClampForm{.lo = 0, .hi = 6})
OCTET_UNARY(RELU_N1_TO_1, Trait::monotone, Fast::loop, activation(), 1, 1, {kFloatAndInt8, kNoForm}, {},
            ClampForm{.lo = -1, .hi = 1})
OCTET_UNARY(RELU_0_TO_1, Trait::monotone | Trait::nonnegative, Fast::loop, activation(), 1, 1,
            {kFloatAndInt8, kNoForm}, {}, ClampForm{.lo = 0, .hi = 1})
OCTET_UNARY(LEAKY_RELU, Trait::homogeneous, Fast::loop, activation(), 1, 2, {})
OCTET_UNARY(ELU, Trait::monotone, Fast::xnnpack, activation(), 1, 1, {kFloatAndInt8, kFloatAndInt8})
OCTET_UNARY(GELU, Traits(), Fast::xnnpack, activation(), 2, 2, {kFloatAndInt8, kNoForm})
OCTET_UNARY(HARD_SWISH, Traits(), Fast::loop, activation(), 1, 1, {kFloatAndInt8, kFloatAndInt8})
OCTET_UNARY(LOGISTIC, Trait::monotone | Trait::nonnegative, Fast::xnnpack,
            fixed(1.0f / 256, -128, 1.0f / 32768), 2, 3, {}, "int16 output scale is 1/32768")
OCTET_UNARY(TANH, Trait::monotone, Fast::xnnpack, fixed(1.0f / 128, 0, 1.0f / 32768), 2, 3, {},
            "int16 output scale is 1/32768")
OCTET_UNARY(ABS, Trait::homogeneous | Trait::nonnegative, Fast::loop, activation(), 2, 3, {})
OCTET_UNARY(NEG, Trait::homogeneous, Fast::loop, activation(), 1, 1, {kFloatForm, kFloatForm})
OCTET_UNARY(EXP, Trait::monotone | Trait::nonnegative, Fast::xnnpack, activation(), 2, 2,
            {kEveryForm, kFloatForm})
OCTET_UNARY(LOG, Trait::monotone, Fast::loop, activation(), 2, 2, {kFloatForm, kFloatForm},
            "int8: inputs that are not positive give the lowest value")
OCTET_UNARY(SQRT, Trait::monotone | Trait::nonnegative, Fast::loop, activation(), 1, 1,
            {kFloatForm, kFloatForm})
OCTET_UNARY(RSQRT, Trait::nonnegative, Fast::loop, activation(), 2, 3, {kFloatAndInt8, kFloatAndInt8},
            "int8: inputs that are not positive give the highest value")
OCTET_UNARY(SQUARE, Trait::nonnegative, Fast::loop, activation(), 1, 1, {kFloatForm, kFloatForm})
OCTET_UNARY(FLOOR, Trait::monotone, Fast::xnnpack, activation(), 1, 1, {kFloatForm, kFloatForm})
OCTET_UNARY(CEIL, Trait::monotone, Fast::xnnpack, activation(), 1, 1, {kFloatForm, kFloatForm})
OCTET_UNARY(ROUND, Trait::monotone, Fast::xnnpack, activation(), 1, 1, {kFloatForm, kFloatForm})
OCTET_UNARY(SIN, Traits(), Fast::none, activation(), 1, 1, {kFloatForm, kFloatForm})
OCTET_UNARY(COS, Traits(), Fast::none, activation(), 1, 1, {kFloatForm, kFloatForm})
OCTET_UNARY(SIGN, Trait::monotone, Fast::loop, fixed(1, 0), 1, 1, {kFloatForm, kNoForm})
#undef OCTET_UNARY

}  // namespace octet
