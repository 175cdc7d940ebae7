// CAST between any two numeric types: through int64 or double, block by block. Quantization parameters are
// not looked at. Float to integer saturates and NaN becomes 0; integer to integer wraps around.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "schema/core/half.hpp"

namespace octet {
namespace {

constexpr size_t kCastBlock = 256;

using Integers = std::array<int64_t, kCastBlock>;
using Reals = std::array<double, kCastBlock>;

float bfloat16_to_float(uint16_t b) {
  const uint32_t bits = static_cast<uint32_t>(b) << 16;
  float f = 0;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}
uint16_t float_to_bfloat16(float f) {  // to nearest even
  uint32_t bits = 0;
  std::memcpy(&bits, &f, sizeof bits);
  if (f != f) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class T>
T from_real(double x) {  // saturates: 2^63 and 2^64 are exact in double, so >= finds what does not fit
  if (x != x) return 0;
  if (x <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (x >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(x);
}

// One element type on either side of a cast. `integral` says which of the two buffers it goes through;
// uint64 values beyond int64 keep their bits there, and `is_unsigned64` tells the other side.
struct Side {
  bool integral = false, is_unsigned64 = false;
  size_t bytes = 0;
  void (*load)(const void*, size_t, Integers&, Reals&) = nullptr;
  void (*store_integers)(const Integers&, size_t, bool from_unsigned64, void*) = nullptr;
  void (*store_reals)(const Reals&, size_t, void*) = nullptr;
};

double real_of(int64_t v, bool is_unsigned64) {
  return is_unsigned64 ? static_cast<double>(static_cast<uint64_t>(v)) : static_cast<double>(v);
}

template <class T>
Side integer_side() {
  return {true,
          std::is_same_v<T, uint64_t>,
          sizeof(T),
          [](const void* p, size_t n, Integers& v, Reals&) {
            const T* x = static_cast<const T*>(p);
            for (size_t i = 0; i < n; ++i)
              v[i] = static_cast<int64_t>(x[i]);
          },
          [](const Integers& v, size_t n, bool, void* p) {
            T* x = static_cast<T*>(p);
            for (size_t i = 0; i < n; ++i)
              x[i] = static_cast<T>(v[i]);
          },
          [](const Reals& v, size_t n, void* p) {
            T* x = static_cast<T*>(p);
            for (size_t i = 0; i < n; ++i)
              x[i] = from_real<T>(v[i]);
          }};
}

Side bool_side() {
  return {true,
          false,
          1,
          [](const void* p, size_t n, Integers& v, Reals&) {
            const auto* x = static_cast<const uint8_t*>(p);
            for (size_t i = 0; i < n; ++i)
              v[i] = x[i] != 0;
          },
          [](const Integers& v, size_t n, bool, void* p) {
            auto* x = static_cast<uint8_t*>(p);
            for (size_t i = 0; i < n; ++i)
              x[i] = v[i] != 0;
          },
          [](const Reals& v, size_t n, void* p) {
            auto* x = static_cast<uint8_t*>(p);
            for (size_t i = 0; i < n; ++i)
              x[i] = v[i] != 0;
          }};
}

// Raw: how an element is stored; `load` and `store` convert it from and to a number.
template <class Raw, auto load, auto store>
Side real_side() {
  return {false,
          false,
          sizeof(Raw),
          [](const void* p, size_t n, Integers&, Reals& v) {
            const auto* x = static_cast<const Raw*>(p);
            for (size_t i = 0; i < n; ++i)
              v[i] = static_cast<double>(load(x[i]));
          },
          [](const Integers& v, size_t n, bool u, void* p) {
            auto* x = static_cast<Raw*>(p);
            for (size_t i = 0; i < n; ++i)
              x[i] = store(real_of(v[i], u));
          },
          [](const Reals& v, size_t n, void* p) {
            auto* x = static_cast<Raw*>(p);
            for (size_t i = 0; i < n; ++i)
              x[i] = store(v[i]);
          }};
}

struct ComplexPair {
  float real, imaginary;
};

std::optional<Side> side_of(DType t) {
  switch (t) {
    case DType::int8: return integer_side<int8_t>();
    case DType::uint8: return integer_side<uint8_t>();
    case DType::int16: return integer_side<int16_t>();
    case DType::uint16: return integer_side<uint16_t>();
    case DType::int32: return integer_side<int32_t>();
    case DType::uint32: return integer_side<uint32_t>();
    case DType::int64: return integer_side<int64_t>();
    case DType::uint64: return integer_side<uint64_t>();
    case DType::boolean: return bool_side();
    case DType::float32:
      return real_side<float, [](float x) { return x; }, [](double x) { return static_cast<float>(x); }>();
    case DType::float64: return real_side<double, [](double x) { return x; }, [](double x) { return x; }>();
    case DType::float16:
      return real_side<uint16_t, [](uint16_t x) { return half_to_float(x); },
                       [](double x) { return float_to_half(static_cast<float>(x)); }>();
    case DType::bfloat16:
      return real_side<uint16_t, [](uint16_t x) { return bfloat16_to_float(x); },
                       [](double x) { return float_to_bfloat16(static_cast<float>(x)); }>();
    case DType::complex64:
      return real_side<ComplexPair, [](ComplexPair x) { return x.real; },
                       [](double x) { return ComplexPair{static_cast<float>(x), 0}; }>();
    default: return std::nullopt;
  }
}

KernelResult cast(const NodeDesc& n, ThreadPool&) {
  const auto from = side_of(n.in[0].dtype), to = side_of(n.out[0].dtype);
  if (!from) return unsupported_type(n.in[0]);
  if (!to) return unsupported_type(n.out[0]);
  const auto count = static_cast<size_t>(n.out[0].elements());
  const bool same = n.in[0].dtype == n.out[0].dtype;
  return make_kernel([from = *from, to = *to, count, same](const RunArgs& args) -> Status {
    const auto* in = static_cast<const std::byte*>(args.in[0]);
    auto* out = static_cast<std::byte*>(args.out[0]);
    if (same) {
      if (in != out) std::memcpy(out, in, count * to.bytes);
      return {};
    }
    args.pool.for_range(count, 8192, [&](size_t begin, size_t end) {
      Integers integers;
      Reals reals;
      for (size_t i = begin; i < end; i += kCastBlock) {
        const size_t m = std::min(kCastBlock, end - i);
        from.load(in + i * from.bytes, m, integers, reals);
        if (from.integral)
          to.store_integers(integers, m, from.is_unsigned64, out + i * to.bytes);
        else
          to.store_reals(reals, m, out + i * to.bytes);
      }
    });
    return {};
  });
}

}  // namespace

const OpSpec& spec_CAST() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::CAST;
    s.traits = Trait::elementwise;
    s.infer = infer_same;
    s.reference = {"reference", cast};
    // The numbers of a bool fit any integer type as they are: int8 with scale 1.
    TensorRule only_bool = keep();
    only_bool.a = static_cast<int>(DType::boolean);
    s.quant = QuantRule::of({only_bool}, {fixed(1, 0)});
    s.sharing = Sharing::in_place;
    s.version_int8 = 3;
    s.notes = "float to integer saturates, NaN becomes 0; int8 form only from bool, with scale 1";
    return s;
  }();
  return spec;
}

}  // namespace octet
