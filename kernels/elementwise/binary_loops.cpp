// Vectorized loops of two operands. Quantized: integers to float, the operation with the scales folded into
// at most three factors, clamp, round to nearest even. Within one step of the reference, which works in
// double.
#include <cmath>

#include "kernels/dispatch.hpp"
#include "kernels/elementwise/binary.hpp"
#include "kernels/elementwise/lookup.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// A kernel that hands blocks to `fn` with its own copy of the parameters.
template <class T, class P>
std::unique_ptr<Kernel> block_kernel(const NodeDesc& n, Broadcast::BlockFn fn, const P& params) {
  return make_kernel([plan = broadcast_of(n), fn, params](const RunArgs& args) -> Status {
    const size_t bytes[] = {sizeof(T), sizeof(T)};
    plan.run(args.pool, args.in.first(2), bytes, args.out[0], sizeof(T), fn, &params);
    return {};
  });
}

// -------------------------------------------------------------------------------------------- quantized

struct Sum {  // a = s_a / s_o, b = +-s_b / s_o
  OCTET_INLINE static float of(float x, float y, const QuantizedParams& p) { return x * p.a + y * p.b; }
};
struct Product {  // o = s_a s_b / s_o
  OCTET_INLINE static float of(float x, float y, const QuantizedParams& p) { return x * y * p.o; }
};
struct Quotient {  // o = s_a / (s_b s_o); 0 / 0 is the zero point
  OCTET_INLINE static float of(float x, float y, const QuantizedParams& p) {
    const float q = x / y * p.o;
    return q != q ? 0.0f : q;
  }
};
struct Larger {
  OCTET_INLINE static float of(float x, float y, const QuantizedParams& p) {
    const float u = x * p.a, v = y * p.b;
    return u > v ? u : v;
  }
};
struct Smaller {
  OCTET_INLINE static float of(float x, float y, const QuantizedParams& p) {
    const float u = x * p.a, v = y * p.b;
    return u < v ? u : v;
  }
};
struct SquaredDifference {  // a = s_a / sqrt(s_o), b = s_b / sqrt(s_o)
  OCTET_INLINE static float of(float x, float y, const QuantizedParams& p) {
    const float d = x * p.a - y * p.b;
    return d * d;
  }
};
struct Prelu {  // a = s_a / s_o, o = s_a s_b / s_o
  OCTET_INLINE static float of(float x, float y, const QuantizedParams& p) {
    // One of the terms is 0. A choice between them would be compiled to a branch per element.
    const float up = x > 0 ? x : 0, down = x < 0 ? x : 0;
    return up * p.a + down * y * p.o;
  }
};

template <class T, class Op>
void quantized_block(const void* const* in, void* out, size_t n, const void* params) {
  const QuantizedParams p = *static_cast<const QuantizedParams*>(params);
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  T* o = static_cast<T*>(out);
  element_loop(0, n, [=](size_t i) OCTET_INLINE {
    float x = Op::of(static_cast<float>(a[i] - p.za), static_cast<float>(b[i] - p.zb), p);
    x = x < p.lo ? p.lo : x;
    x = x > p.hi ? p.hi : x;
    o[i] = static_cast<T>(round_small(x) + p.zo);
  });
}

template <class T>
Broadcast::BlockFn quantized_fn(OpKind kind) {
  switch (kind) {
    case OpKind::ADD:
    case OpKind::SUB: return quantized_block<T, Sum>;
    case OpKind::MUL: return quantized_block<T, Product>;
    case OpKind::DIV: return quantized_block<T, Quotient>;
    case OpKind::MAXIMUM: return quantized_block<T, Larger>;
    case OpKind::MINIMUM: return quantized_block<T, Smaller>;
    case OpKind::SQUARED_DIFFERENCE: return quantized_block<T, SquaredDifference>;
    case OpKind::PRELU: return quantized_block<T, Prelu>;
    default: return nullptr;
  }
}

// ------------------------------------------------------------------------------- float32, int32, int64

template <class T>
struct PlainParams {
  T lo, hi;
};

template <class T, OpKind kind>
OCTET_INLINE inline T plain(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;  // wraps around instead of overflowing
    const U u = static_cast<U>(x), v = static_cast<U>(y);
    if constexpr (kind == OpKind::ADD) return static_cast<T>(u + v);
    if constexpr (kind == OpKind::SUB) return static_cast<T>(u - v);
    if constexpr (kind == OpKind::MUL) return static_cast<T>(u * v);
    if constexpr (kind == OpKind::SQUARED_DIFFERENCE) return static_cast<T>((u - v) * (u - v));
  }
  if constexpr (kind == OpKind::ADD) return x + y;
  if constexpr (kind == OpKind::SUB) return x - y;
  if constexpr (kind == OpKind::MUL) return x * y;
  if constexpr (kind == OpKind::DIV) return x / y;
  if constexpr (kind == OpKind::MAXIMUM) return x > y ? x : y;
  if constexpr (kind == OpKind::MINIMUM) return x < y ? x : y;
  if constexpr (kind == OpKind::SQUARED_DIFFERENCE) return (x - y) * (x - y);
  if constexpr (kind == OpKind::PRELU) return x * (x >= 0 ? T{1} : y);  // no branch per element
}

template <class T, OpKind kind>
void plain_block(const void* const* in, void* out, size_t n, const void* params) {
  const auto p = *static_cast<const PlainParams<T>*>(params);
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  T* o = static_cast<T*>(out);
  element_loop(0, n, [=](size_t i) OCTET_INLINE {
    T x = plain<T, kind>(a[i], b[i]);
    x = x < p.lo ? p.lo : x;
    o[i] = x > p.hi ? p.hi : x;
  });
}

template <class T>
Broadcast::BlockFn plain_fn(OpKind kind) {
  switch (kind) {
    case OpKind::ADD: return plain_block<T, OpKind::ADD>;
    case OpKind::SUB: return plain_block<T, OpKind::SUB>;
    case OpKind::MUL: return plain_block<T, OpKind::MUL>;
    case OpKind::MAXIMUM: return plain_block<T, OpKind::MAXIMUM>;
    case OpKind::MINIMUM: return plain_block<T, OpKind::MINIMUM>;
    case OpKind::SQUARED_DIFFERENCE: return plain_block<T, OpKind::SQUARED_DIFFERENCE>;
    default: break;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (kind == OpKind::DIV) return plain_block<T, OpKind::DIV>;
    if (kind == OpKind::PRELU) return plain_block<T, OpKind::PRELU>;
  }
  return nullptr;
}

}  // namespace

Broadcast::BlockFn portable_quantized_fn(OpKind kind, DType type) {
  switch (type) {
    case DType::int8: return quantized_fn<int8_t>(kind);
    case DType::uint8: return quantized_fn<uint8_t>(kind);
    case DType::int16: return quantized_fn<int16_t>(kind);
    default: return nullptr;
  }
}

Broadcast::BlockFn byte_product_fn(const ElementwiseLoops& loops, OpKind kind, DType type,
                                   const QuantizedParams& p) {
  if (loops.byte_product == nullptr) return nullptr;
  // Beyond 2^31 a conversion to int32 does not saturate.
  const double most = kind == OpKind::SQUARED_DIFFERENCE
                          ? std::pow(255.0 * (std::fabs(p.a) + std::fabs(p.b)), 2)
                          : 255.0 * 255.0 * std::fabs(p.o) + 255.0 * std::fabs(p.a);
  return most < 1 << 30 ? loops.byte_product(kind, type) : nullptr;
}

KernelResult binary_quantized_loop(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &a = n.in[0], &b = n.in[1], &out = n.out[0];
  if (b.dtype != a.dtype || out.dtype != a.dtype) return Status::declined("mixed types");
  if (a.quant.empty() || b.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine qa, affine_of(a));
  OCTET_ASSIGN(const Affine qb, affine_of(b));
  OCTET_ASSIGN(const Affine qo, affine_of(out));
  const Activation act = fused_of(n);
  if (!is_clamp(act)) return Status::declined("the fused activation is not a clamp");
  const auto sa = static_cast<double>(qa.scale), sb = static_cast<double>(qb.scale),
             so = static_cast<double>(qo.scale);
  double fa = sa / so, fb = sb / so, fo = 1;
  switch (n.kind) {
    case OpKind::SUB: fb = -fb; break;
    case OpKind::MUL:
    case OpKind::PRELU: fo = sa * sb / so; break;
    case OpKind::DIV: fo = sa / (sb * so); break;
    case OpKind::SQUARED_DIFFERENCE: fa = sa / std::sqrt(so), fb = sb / std::sqrt(so); break;
    default: break;
  }
  // Neither arithmetic nor rounding, as with the scales that the quantizer gives these two.
  if ((n.kind == OpKind::MAXIMUM || n.kind == OpKind::MINIMUM) && qa == qb && qa == qo)
    return dispatch<int8_t, uint8_t, int16_t>(
        a.dtype, declined_type(a.dtype), [&](auto type) -> KernelResult {
          using T = typename decltype(type)::type;
          return block_kernel<T>(
              n, plain_fn<T>(n.kind),
              PlainParams<T>{std::numeric_limits<T>::min(), std::numeric_limits<T>::max()});
        });
  QuantizedParams p{.za = static_cast<int>(qa.zero_point),
                    .zb = static_cast<int>(qb.zero_point),
                    .zo = static_cast<int>(qo.zero_point),
                    .a = static_cast<float>(fa),
                    .b = static_cast<float>(fb),
                    .o = static_cast<float>(fo)};
  if (!std::isfinite(p.a) || !std::isfinite(p.b) || !std::isfinite(p.o) || p.a == 0 || p.b == 0 || p.o == 0)
    return Status::declined("ratio of scales is beyond float");
  const QuantBounds bounds = bounds_of(act, out.dtype, qo);
  p.lo = static_cast<float>(bounds.lo - p.zo);
  p.hi = static_cast<float>(bounds.hi - p.zo);
  Broadcast::BlockFn fn = byte_product_fn(elementwise_loops(), n.kind, a.dtype, p);
  if (fn == nullptr) fn = portable_quantized_fn(n.kind, a.dtype);
  if (fn == nullptr) return Status::declined("no loop");
  return dispatch<int8_t, uint8_t, int16_t>(a.dtype, declined_type(a.dtype), [&](auto type) -> KernelResult {
    return block_kernel<typename decltype(type)::type>(n, fn, p);
  });
}

// What has no cheap loop is computed once for all pairs of bytes: 64 KiB, which the second-level cache holds.
// The same bits as the reference, whose arithmetic fills the table.
KernelResult binary_pair_table(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &a = n.in[0], &b = n.in[1], &out = n.out[0];
  constexpr size_t kPairs = 256 * 256;
  if (!is_byte(a.dtype) || b.dtype != a.dtype || out.dtype != a.dtype)
    return Status::declined("not of bytes");
  if (a.quant.empty() || b.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine qa, affine_of(a));
  OCTET_ASSIGN(const Affine qb, affine_of(b));
  OCTET_ASSIGN(const Affine qo, affine_of(out));
  // None of the kinds that have this implementation has a fused activation.
  const auto fill = [&](auto type) {
    using T = typename decltype(type)::type;
    std::vector<uint8_t> table(kPairs);
    for (size_t i = 0; i < kPairs; ++i) {
      const double x = dequantize(static_cast<T>(i / 256), qa), y = dequantize(static_cast<T>(i % 256), qb);
      table[i] = static_cast<uint8_t>(quantize<T>(binary_real(n.kind, x, y), qo));
    }
    return table;
  };
  std::vector<uint8_t> table =
      a.dtype == DType::int8 ? fill(std::type_identity<int8_t>()) : fill(std::type_identity<uint8_t>());
  return make_kernel([plan = broadcast_of(n), table = std::move(table)](const RunArgs& args) -> Status {
    const size_t bytes[] = {1, 1};
    const auto block = [](const void* const* in, void* out, size_t count, const void* params) {
      const auto *t = static_cast<const uint8_t*>(params), *x = static_cast<const uint8_t*>(in[0]),
                 *y = static_cast<const uint8_t*>(in[1]);
      auto* o = static_cast<uint8_t*>(out);
      for (size_t i = 0; i < count; ++i)
        o[i] = t[x[i] * size_t{256} + y[i]];
    };
    plan.run(args.pool, args.in.first(2), bytes, args.out[0], 1, block, table.data());
    return {};
  });
}

KernelResult binary_plain_loop(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &a = n.in[0], &b = n.in[1], &out = n.out[0];
  if (b.dtype != a.dtype || out.dtype != a.dtype) return Status::declined("mixed types");
  const Activation act = fused_of(n);
  if (!is_clamp(act)) return Status::declined("the fused activation is not a clamp");
  const RealRange r = range_of(act);
  return dispatch<float, int32_t, int64_t>(a.dtype, declined_type(a.dtype), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    const Broadcast::BlockFn fn = plain_fn<T>(n.kind);
    if (fn == nullptr) return Status::declined("no loop");
    if constexpr (std::is_same_v<T, float>) {
      return block_kernel<T>(n, fn, PlainParams<T>{r.lo, r.hi});
    } else {
      const auto bound = [](float x, T otherwise) {
        return std::isfinite(x) ? saturate<T>(static_cast<double>(x)) : otherwise;
      };
      return block_kernel<T>(n, fn,
                             PlainParams<T>{bound(r.lo, std::numeric_limits<T>::min()),
                                            bound(r.hi, std::numeric_limits<T>::max())});
    }
  });
}

}  // namespace octet
