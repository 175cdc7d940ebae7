// EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL with broadcasting. Quantized operands are
// compared as the real numbers they stand for, exactly: scale * (q - zero_point) has at most 24 + 17 bits.
#include <algorithm>
#include <array>
#include <limits>

#include "kernels/broadcast.hpp"
#include "kernels/cost.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/elementwise/binary.hpp"
#include "kernels/elementwise/lookup.hpp"
#include "kernels/infer.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

template <OpKind kind, class T>
OCTET_INLINE inline bool compare(T a, T b) {
  if constexpr (kind == OpKind::EQUAL) return a == b;
  if constexpr (kind == OpKind::NOT_EQUAL) return a != b;
  if constexpr (kind == OpKind::LESS) return a < b;
  if constexpr (kind == OpKind::LESS_EQUAL) return a <= b;
  if constexpr (kind == OpKind::GREATER) return a > b;
  if constexpr (kind == OpKind::GREATER_EQUAL) return a >= b;
}

struct Scales {
  double a = 1, b = 1;
  int za = 0, zb = 0;
};

Result<Scales> scales_of(const TensorDesc& a, const TensorDesc& b) {
  OCTET_ASSIGN(const Affine qa, affine_of(a));
  OCTET_ASSIGN(const Affine qb, affine_of(b));
  return Scales{static_cast<double>(qa.scale), static_cast<double>(qb.scale), static_cast<int>(qa.zero_point),
                static_cast<int>(qb.zero_point)};
}

template <OpKind kind, class T>
void plain_block(const void* const* in, void* out, size_t n, const void*) {
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  auto* o = static_cast<uint8_t*>(out);
  element_loop(0, n, [=](size_t i) OCTET_INLINE { o[i] = compare<kind>(a[i], b[i]); });
}

template <OpKind kind, class T>
void real_block(const void* const* in, void* out, size_t n, const void* params) {
  const Scales s = *static_cast<const Scales*>(params);
  const T *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  auto* o = static_cast<uint8_t*>(out);
  element_loop(0, n, [=](size_t i) OCTET_INLINE {
    o[i] = compare<kind>(s.a * static_cast<double>(a[i] - s.za), s.b * static_cast<double>(b[i] - s.zb));
  });
}

// ---- bytes of different scales, without arithmetic --------------------------------------------------

// Which q of b are greater than a (or not less), for every q of a: those above bound[q of a], and all of them
// below `all_below`, where the bound would be one less than the least q.
struct Bounds {
  LookupTable bound;
  int all_below = 0;
};

template <class T>
Bounds make_bounds(const Scales& s, bool or_equal) {
  constexpr int lo = std::numeric_limits<T>::min(), hi = std::numeric_limits<T>::max();
  Bounds result;
  result.all_below = lo;
  int first = lo;  // the least q of b that fits; it rises with the q of a
  for (int q = lo; q <= hi; ++q) {
    const double a = s.a * (q - s.za);
    const auto fits = [&](int other) {
      const double b = s.b * (other - s.zb);
      return or_equal ? a <= b : a < b;
    };
    while (first <= hi && !fits(first))
      ++first;
    if (first == lo) result.all_below = q + 1;
    result.bound.bytes[static_cast<uint8_t>(q)] = static_cast<uint8_t>(std::max(first - 1, lo));
  }
  return result;
}

// LESS and LESS_EQUAL, and what is true where these are not.
template <OpKind kind, class T>
void order_block(const void* const* in, void* out, size_t n, const void* params) {
  constexpr bool is_negated = kind == OpKind::GREATER || kind == OpKind::GREATER_EQUAL;
  constexpr size_t kChunk = 1024;
  const auto& bounds = *static_cast<const Bounds*>(params);
  constexpr int lo = std::numeric_limits<T>::min();
  const auto last_below = static_cast<T>(std::max(bounds.all_below - 1, lo));
  const uint8_t has_below = bounds.all_below > lo ? 1 : 0;
  alignas(64) std::array<uint8_t, kChunk> above;
  for (size_t begin = 0; begin < n; begin += kChunk) {
    const size_t count = std::min(kChunk, n - begin);
    const T *a = static_cast<const T*>(in[0]) + begin, *b = static_cast<const T*>(in[1]) + begin;
    uint8_t* o = static_cast<uint8_t*>(out) + begin;
    const T* low = reinterpret_cast<const T*>(above.data());
    look_up(bounds.bound, reinterpret_cast<const uint8_t*>(a), above.data(), count);
    element_loop(0, count, [=](size_t i) OCTET_INLINE {
      const uint8_t yes =
          static_cast<uint8_t>(b[i] > low[i]) | (static_cast<uint8_t>(a[i] <= last_below) & has_below);
      o[i] = is_negated ? yes ^ 1 : yes;
    });
  }
}

// Of two different scales few bytes stand for the same number, often the zero points alone: then they are
// compared with, one by one. Of many, the partner of each byte of a is looked up.
struct Equals {
  static constexpr size_t kFew = 4;
  size_t count = 0;
  std::array<uint8_t, kFew> a{}, b{};
  LookupTable partner, has_partner;
};

template <class T>
Equals make_equals(const Scales& s) {
  constexpr int lo = std::numeric_limits<T>::min(), hi = std::numeric_limits<T>::max();
  Equals found;
  for (int qa = lo; qa <= hi; ++qa)
    for (int qb = lo; qb <= hi; ++qb) {
      if (s.a * (qa - s.za) != s.b * (qb - s.zb)) continue;
      const auto x = static_cast<uint8_t>(qa), y = static_cast<uint8_t>(qb);
      if (found.count < Equals::kFew) found.a[found.count] = x, found.b[found.count] = y;
      ++found.count;
      found.partner.bytes[x] = y;
      found.has_partner.bytes[x] = 1;
    }
  return found;
}

template <OpKind kind>
void equality_block(const void* const* in, void* out, size_t n, const void* params) {
  const Equals& equals = *static_cast<const Equals*>(params);
  const auto *a = static_cast<const uint8_t*>(in[0]), *b = static_cast<const uint8_t*>(in[1]);
  auto* o = static_cast<uint8_t*>(out);
  constexpr uint8_t otherwise = kind == OpKind::NOT_EQUAL ? 1 : 0;
  if (equals.count > Equals::kFew) {
    constexpr size_t kChunk = 1024;
    alignas(64) std::array<uint8_t, kChunk> partners, exist;
    for (size_t begin = 0; begin < n; begin += kChunk) {
      const size_t count = std::min(kChunk, n - begin);
      look_up(equals.partner, a + begin, partners.data(), count);
      look_up(equals.has_partner, a + begin, exist.data(), count);
      const uint8_t *y = b + begin, *p = partners.data(), *e = exist.data();
      uint8_t* z = o + begin;
      element_loop(0, count, [=](size_t i) OCTET_INLINE {
        z[i] = otherwise ^ (static_cast<uint8_t>(y[i] == p[i]) & e[i]);
      });
    }
    return;
  }
  std::fill_n(o, n, otherwise);
  for (size_t k = 0; k < equals.count; ++k) {
    const uint8_t x = equals.a[k], y = equals.b[k];
    element_loop(0, n, [=](size_t i) OCTET_INLINE {
      o[i] ^= static_cast<uint8_t>(a[i] == x) & static_cast<uint8_t>(b[i] == y);
    });
  }
}

template <OpKind kind>
KernelResult byte_bounds(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &a = n.in[0], &b = n.in[1];
  if (!is_byte(a.dtype) || b.dtype != a.dtype || n.out[0].dtype != DType::boolean)
    return declined_type(is_byte(a.dtype) ? b.dtype : a.dtype);
  if (a.quant == b.quant) return Status::declined("of one scale: compared as they are");
  OCTET_ASSIGN(const Scales s, scales_of(a, b));
  const auto run = [&](Broadcast::BlockFn fn, auto params) {
    return make_kernel([plan = broadcast_of(n), fn, params](const RunArgs& args) -> Status {
      const size_t bytes[] = {1, 1};
      plan.run(args.pool, args.in.first(2), bytes, args.out[0], 1, fn, &params);
      return {};
    });
  };
  return dispatch<int8_t, uint8_t>(a.dtype, declined_type(a.dtype), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    if constexpr (kind == OpKind::EQUAL || kind == OpKind::NOT_EQUAL) {
      return run(equality_block<kind>, make_equals<T>(s));
    } else {
      constexpr bool or_equal = kind == OpKind::LESS_EQUAL || kind == OpKind::GREATER;
      return run(order_block<kind, T>, make_bounds<T>(s, or_equal));
    }
  });
}

template <OpKind kind>
KernelResult create(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &a = n.in[0], &b = n.in[1];
  if (b.dtype != a.dtype) return unsupported_type(b);
  if (n.out[0].dtype != DType::boolean) return unsupported_type(n.out[0]);
  Scales s;
  bool real = false;
  if (is_small_quantized(a.dtype) && a.quant != b.quant) {
    OCTET_ASSIGN(s, scales_of(a, b));
    real = true;
  }
  Broadcast::BlockFn fn = nullptr;
  const auto choose = [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    fn = plain_block<kind, T>;
    if constexpr (sizeof(T) <= 2 && std::is_integral_v<T> && !std::is_same_v<T, bool>)
      if (real) fn = real_block<kind, T>;
    return make_kernel([plan = broadcast_of(n), fn, s](const RunArgs& args) -> Status {
      const size_t bytes[] = {sizeof(T), sizeof(T)};
      plan.run(args.pool, args.in.first(2), bytes, args.out[0], 1, fn, &s);
      return {};
    });
  };
  if (a.dtype == DType::boolean) {  // any byte but 0 is true
    if constexpr (kind == OpKind::EQUAL || kind == OpKind::NOT_EQUAL)
      return make_kernel([plan = broadcast_of(n)](const RunArgs& args) -> Status {
        const size_t bytes[] = {1, 1};
        plan.run(
            args.pool, args.in.first(2), bytes, args.out[0], 1,
            [](const void* const* in, void* out, size_t count, const void*) {
              const auto *x = static_cast<const uint8_t*>(in[0]), *y = static_cast<const uint8_t*>(in[1]);
              for (size_t i = 0; i < count; ++i)
                static_cast<uint8_t*>(out)[i] = compare<kind>(x[i] != 0, y[i] != 0);
            },
            nullptr);
        return {};
      });
    return unsupported_type(a);
  }
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t, uint32_t, int64_t>(a.dtype, unsupported_type(a),
                                                                               choose);
}

// TensorFlow Lite compares multiples of 1/256 that the operands are rounded to, and stops the program where a
// scale is 1 or more (comparisons.cc).
bool others_compare(const NodeDesc& n) {
  if (n.in[0].quant.empty() || n.in[0].quant != n.in[1].quant) return false;
  const float scale = n.in[0].quant.scale();
  return scale >= 1.0f / 256 && scale < 1;
}

template <OpKind kind>
OpSpec make(int version_int8, int version_int16, OtherReaders readers) {
  OpSpec s;
  s.kind = kind;
  s.traits = Trait::elementwise;
  if (kind == OpKind::EQUAL || kind == OpKind::NOT_EQUAL) s.traits = s.traits | Trait::commutative;
  s.inputs = {2, 2};
  s.infer = infer_broadcast;
  s.reference = {"reference", create<kind>};
  s.fast = {{"byte-bounds", byte_bounds<kind>, cost::per_element<100>}};
  s.quant = QuantRule::of({activation()}, {keep()});
  s.version_int8 = version_int8;
  s.version_int16 = version_int16;
  s.readers = readers;
  s.readers.takes = others_compare;
  s.notes = "int8 operands may have different scales";
  return s;
}

}  // namespace

#define OCTET_COMPARE(kind, ...)                                \
  const OpSpec& spec_##kind() {                                 \
    static const OpSpec spec = make<OpKind::kind>(__VA_ARGS__); \
    return spec;                                                \
  }
OCTET_COMPARE(EQUAL, 2, 4, {kFloatAndInt8, kFloatAndInt8})
OCTET_COMPARE(NOT_EQUAL, 2, 2, {kFloatAndInt8, kFloatAndInt8})
OCTET_COMPARE(LESS, 2, 3, {kFloatAndInt8, kFloatAndInt8})
OCTET_COMPARE(LESS_EQUAL, 2, 2, {kFloatAndInt8, kFloatAndInt8})
OCTET_COMPARE(GREATER, 2, 2, {kFloatAndInt8, kFloatAndInt8})
OCTET_COMPARE(GREATER_EQUAL, 2, 3, {kFloatAndInt8, kFloatAndInt8})
#undef OCTET_COMPARE

}  // namespace octet
