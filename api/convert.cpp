#include "octet/convert.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <type_traits>

#include "kernels/quant_math.hpp"
#include "schema/core/half.hpp"
#include "schema/core/int4.hpp"

namespace octet {
namespace {

struct Half {
  uint16_t bits;
  operator float() const { return half_to_float(bits); }  // NOLINT(google-explicit-constructor)
};
struct BFloat {
  uint16_t bits;
  operator float() const {  // NOLINT(google-explicit-constructor)
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};
template <class T>
inline constexpr bool is_real =
    std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat>;

// Call f with a null pointer of the C++ type that stands for `t`; false for types without numbers.
template <class F>
bool with_type(DType t, const F& f) {
  switch (t) {
    case DType::float32: f(static_cast<float*>(nullptr)); return true;
    case DType::float64: f(static_cast<double*>(nullptr)); return true;
    case DType::float16: f(static_cast<Half*>(nullptr)); return true;
    case DType::bfloat16: f(static_cast<BFloat*>(nullptr)); return true;
    case DType::int8: f(static_cast<int8_t*>(nullptr)); return true;
    case DType::uint8: f(static_cast<uint8_t*>(nullptr)); return true;
    case DType::int16: f(static_cast<int16_t*>(nullptr)); return true;
    case DType::uint16: f(static_cast<uint16_t*>(nullptr)); return true;
    case DType::int32: f(static_cast<int32_t*>(nullptr)); return true;
    case DType::uint32: f(static_cast<uint32_t*>(nullptr)); return true;
    case DType::int64: f(static_cast<int64_t*>(nullptr)); return true;
    case DType::uint64: f(static_cast<uint64_t*>(nullptr)); return true;
    case DType::boolean: f(static_cast<bool*>(nullptr)); return true;
    default: return false;
  }
}

template <class S>
S load(const std::byte* p) {
  if constexpr (std::is_same_v<S, bool>) {
    return *p != std::byte{0};
  } else {
    S s;
    std::memcpy(&s, p, sizeof(S));
    return s;
  }
}

template <class S>
std::string number_text(S s) {
  if constexpr (is_real<S>)
    return fmt::format("{}", static_cast<double>(s));
  else
    return fmt::format("{}", s);
}

// `s` as the number it is, in T; false when T does not hold it.
template <class T, class S>
bool to_whole(S s, T* out) {
  if constexpr (is_real<S>) {
    const double d = static_cast<double>(s);
    // 2^digits is exact in double, unlike the type's greatest value.
    const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
    const double begin = std::is_signed_v<T> ? -end : 0.0;
    if (!(d >= begin && d < end) || d != std::trunc(d)) return false;
    *out = static_cast<T>(d);
    return true;
  } else {
    *out = static_cast<T>(s);
    if constexpr (std::is_same_v<T, bool>) return s == S(0) || s == S(1);
    return static_cast<S>(*out) == s && (s < S(0)) == (*out < T(0));
  }
}

template <class S, class T>
Status convert_typed(const std::byte* from, const TensorView& out) {
  T* to = out.as<T>();
  const int64_t n = out.elements();
  const auto at = [&](int64_t i) { return load<S>(from + static_cast<size_t>(i) * sizeof(S)); };
  if constexpr (is_real<T>) {
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<T, Half>)
        to[i].bits = float_to_half(static_cast<float>(at(i)));
      else if constexpr (std::is_same_v<T, BFloat>)  // round to nearest even
        to[i].bits = [&] {
          const uint32_t b = std::bit_cast<uint32_t>(static_cast<float>(at(i)));
          return static_cast<uint16_t>(
              std::isnan(static_cast<float>(at(i))) ? 0x7fc0 : (b + 0x7fff + (b >> 16 & 1)) >> 16);
        }();
      else
        to[i] = static_cast<T>(at(i));
    }
    return {};
  } else {
    if constexpr (is_real<S>) {
      if (out.quant && !std::is_same_v<T, bool>) {
        for (int64_t i = 0; i < n; ++i)
          to[i] = quantize<T>(static_cast<double>(at(i)), out.quant.at());
        return {};
      }
    }
    for (int64_t i = 0; i < n; ++i)
      if (!to_whole<T>(at(i), &to[i]))
        return Status::invalid(fmt::format("element {} is {}, which {} does not hold", i, number_text(at(i)),
                                           name_of(out.dtype)));
    return {};
  }
}

}  // namespace

Status convert_elements(std::span<const std::byte> from, DType type, const TensorView& out) {
  if (type == out.dtype) {
    if (from.size() != static_cast<size_t>(out.bytes())) return Status::internal("wrong number of bytes");
    if (type == DType::boolean)  // any byte but 0 is true in the file; kernels expect 0 and 1
      for (size_t i = 0; i < from.size(); ++i)
        out.as<uint8_t>()[i] = from[i] != std::byte{0};
    else if (!from.empty())
      std::memcpy(out.data, from.data(), from.size());
    return {};
  }
  if (out.quant.is_per_channel())
    return Status::unsupported("data for an input that is quantized per channel has to be of its own type");
  Status status = Status::unsupported(
      fmt::format("data of type {} does not go into an input of type {}", name_of(type), name_of(out.dtype)));
  with_type(type, [&](auto* s) {
    with_type(out.dtype, [&](auto* t) {
      status = convert_typed<std::remove_pointer_t<decltype(s)>, std::remove_pointer_t<decltype(t)>>(
          from.data(), out);
    });
  });
  return status;
}

std::vector<float> real_values(const ConstTensorView& v) {
  std::vector<float> reals(static_cast<size_t>(v.elements()));
  if (v.dtype == DType::int4) {
    const std::vector<int8_t> unpacked = unpack_int4(v.data, v.elements());
    return real_values({unpacked.data(), DType::int8, v.shape, v.quant});
  }
  // Of channel c come `inner` elements in a row.
  const auto channels = static_cast<int64_t>(v.quant.params().size());
  const int64_t inner = v.quant.is_blockwise()     ? v.quant.block()
                        : v.quant.is_per_channel() ? v.shape.elements(*v.quant.axis() + 1, v.shape.rank())
                                                   : 1;
  const auto params = [&](size_t i) {
    return channels == 1 ? v.quant.at()
                         : v.quant.at(static_cast<size_t>(static_cast<int64_t>(i) / inner % channels));
  };
  with_type(v.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const auto* data = static_cast<const std::byte*>(v.data);
    for (size_t i = 0; i < reals.size(); ++i) {
      const T x = load<T>(data + i * sizeof(T));
      if constexpr (!is_real<T> && !std::is_same_v<T, bool>) {
        if (channels > 0) {
          reals[i] = static_cast<float>(dequantize(x, params(i)));
          continue;
        }
      }
      reals[i] = static_cast<float>(x);
    }
  });
  return reals;
}

int64_t first_not_finite(const ConstTensorView& v) {
  if (!is_float(v.dtype)) return -1;
  int64_t found = -1;
  with_type(v.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    if constexpr (is_real<T>) {
      const auto* data = static_cast<const std::byte*>(v.data);
      for (int64_t i = 0; i < v.elements() && found < 0; ++i)
        if (!std::isfinite(static_cast<double>(load<T>(data + static_cast<size_t>(i) * sizeof(T)))))
          found = i;
    }
  });
  return found;
}

}  // namespace octet
