#include "quant/reals.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "kernels/quant_math.hpp"
#include "quant/assign/scales.hpp"
#include "schema/core/half.hpp"
#include "schema/core/int4.hpp"

namespace octet {
namespace {

template <class T>
void integers_to_reals(const ConstTensorView& v, std::vector<float>& reals) {
  const T* p = v.as<T>();
  const size_t n = reals.size();
  if (v.quant.empty()) {
    for (size_t i = 0; i < n; ++i)
      reals[i] = static_cast<float>(p[i]);
  } else if (v.quant.params().size() == 1) {
    const Affine a = v.quant.at();
    for (size_t i = 0; i < n; ++i)
      reals[i] = static_cast<float>(dequantize(p[i], a));
  } else {
    const Channels c = channels_of(v.shape, v.quant);
    for (size_t i = 0; i < n; ++i)
      reals[i] = static_cast<float>(dequantize(p[i], v.quant.at(c.of(static_cast<int64_t>(i)))));
  }
}

template <class T>
void quantize_all(const std::vector<float>& reals, const Affine& a, std::vector<std::byte>& storage) {
  storage.resize(reals.size() * sizeof(T));
  auto* p = reinterpret_cast<T*>(storage.data());
  for (size_t i = 0; i < reals.size(); ++i)
    p[i] = quantize<T>(static_cast<double>(reals[i]), a);
}

}  // namespace

void to_reals(const ConstTensorView& v, std::vector<float>& reals) {
  const auto n = static_cast<size_t>(v.elements());
  reals.resize(n);
  if (n == 0) return;
  switch (v.dtype) {
    case DType::float32: std::memcpy(reals.data(), v.data, n * sizeof(float)); return;
    case DType::float64:
      for (size_t i = 0; i < n; ++i)
        reals[i] = static_cast<float>(v.as<double>()[i]);
      return;
    case DType::float16:
      for (size_t i = 0; i < n; ++i)
        reals[i] = half_to_float(v.as<uint16_t>()[i]);
      return;
    case DType::int4: {
      const std::vector<int8_t> unpacked = unpack_int4(v.data, v.elements());
      return integers_to_reals<int8_t>({unpacked.data(), DType::int8, v.shape, v.quant}, reals);
    }
    case DType::int8: return integers_to_reals<int8_t>(v, reals);
    case DType::uint8: return integers_to_reals<uint8_t>(v, reals);
    case DType::int16: return integers_to_reals<int16_t>(v, reals);
    case DType::int32: return integers_to_reals<int32_t>(v, reals);
    case DType::int64: return integers_to_reals<int64_t>(v, reals);
    case DType::uint32: return integers_to_reals<uint32_t>(v, reals);
    case DType::uint16: return integers_to_reals<uint16_t>(v, reals);
    case DType::uint64: return integers_to_reals<uint64_t>(v, reals);
    case DType::boolean: return integers_to_reals<bool>(v, reals);
    default: std::fill(reals.begin(), reals.end(), 0.0f);
  }
}

Result<ConstTensorView> convert(const ConstTensorView& v, DType type, const Quantization& quant,
                                std::vector<std::byte>& storage) {
  if (v.dtype == type) return v;
  ConstTensorView result{nullptr, type, v.shape, quant};
  std::vector<float> reals;
  if (type == DType::float32) {
    to_reals(v, reals);
    storage.resize(reals.size() * sizeof(float));
    if (!reals.empty()) std::memcpy(storage.data(), reals.data(), storage.size());
  } else if (!quant.empty() && (is_float(v.dtype) || !v.quant.empty())) {
    to_reals(v, reals);
    if (type == DType::int8)
      quantize_all<int8_t>(reals, quant.at(), storage);
    else if (type == DType::uint8)
      quantize_all<uint8_t>(reals, quant.at(), storage);
    else if (type == DType::int16)
      quantize_all<int16_t>(reals, quant.at(), storage);
    else
      return Status::invalid(fmt::format("cannot make {} of {}", name_of(type), name_of(v.dtype)));
  } else {
    return Status::invalid(fmt::format("cannot make {} of {}", name_of(type), name_of(v.dtype)));
  }
  result.data = storage.data();
  return result;
}

bool all_finite(const ConstTensorView& view) {
  if (view.dtype != DType::float32) return true;
  const auto* x = view.as<float>();
  return std::all_of(x, x + view.elements(), [](float v) { return std::isfinite(v); });
}

}  // namespace octet
