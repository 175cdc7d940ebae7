#include "kernels/linear/linear.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"
#include "schema/core/int4.hpp"

namespace octet::linear {
namespace {

Status needs_quantization(const TensorDesc& t) {
  if (t.quant) return {};
  return Status::unsupported(
      fmt::format("'{}' is {} without quantization parameters", t.name, name_of(t.dtype)));
}

Result<Form> form_of(const TensorDesc& x, const TensorDesc& w, const TensorDesc& y) {
  const DType wt = w.dtype == DType::int4 ? DType::int8 : w.dtype;
  if (x.dtype == DType::float32 && y.dtype == DType::float32) {
    if (wt == DType::float32) return Form::float32;
    if (wt == DType::int8) return Form::hybrid;
  } else if (x.dtype == y.dtype) {
    if (x.dtype == DType::int8 && wt == DType::int8) return Form::int8;
    if (x.dtype == DType::uint8 && wt == DType::uint8) return Form::uint8;
    if (x.dtype == DType::int16 && wt == DType::int8) return Form::int16;
  }
  return Status::unsupported(fmt::format("{} activations with {} weights and {} outputs", name_of(x.dtype),
                                         name_of(w.dtype), name_of(y.dtype)));
}

}  // namespace

bool Numerics::weights_are_symmetric() const {
  return std::all_of(w_zero.begin(), w_zero.end(), [](int32_t z) { return z == 0; });
}

Result<Numerics> numerics_of(const NodeDesc& n, Slots slots, int64_t channels, int channel_axis,
                             const Activation& act) {
  const TensorDesc &x = n.in[slots.x], &w = n.in[slots.w], &y = n.out[0];
  if (w.quant.is_blockwise()) return Status::unsupported(fmt::format("'{}' is quantized in blocks", w.name));
  // Each has entries in tables, and weights without taps can name any number of them.
  constexpr int64_t kMaxChannels = 1 << 24;
  if (channels > kMaxChannels)
    return Status::exhausted(fmt::format("{} output channels; at most {}", channels, kMaxChannels));
  Numerics num;
  num.act = act;
  num.int4_weights = w.dtype == DType::int4;
  OCTET_ASSIGN(num.form, form_of(x, w, y));
  const bool integer = num.form != Form::float32 && num.form != Form::hybrid;

  if (const TensorDesc* bias = n.optional_input(slots.bias)) {
    num.has_bias = true;
    num.bias_type = bias->dtype;
    const bool fits =
        integer ? bias->dtype == DType::int32 || (num.form == Form::int16 && bias->dtype == DType::int64)
                : bias->dtype == DType::float32;
    if (!fits)
      return Status::unsupported(fmt::format("bias '{}' is {} with {} activations", bias->name,
                                             name_of(bias->dtype), name_of(x.dtype)));
    if (bias->elements() != channels)
      return Status::corrupt(fmt::format("bias '{}' has {} elements for {} output channels", bias->name,
                                         bias->elements(), channels));
  }
  const auto count = static_cast<size_t>(channels);
  num.w_zero.assign(count, 0);
  if (num.form == Form::float32) return num;

  OCTET_TRY(needs_quantization(w));
  const auto params = w.quant.params();
  if (params.size() != 1 && (params.size() != count || w.quant.axis() != channel_axis))
    return Status::corrupt(fmt::format("'{}' has {} scales along axis {} for {} output channels", w.name,
                                       params.size(), w.quant.axis().value_or(-1), channels));
  for (size_t c = 0; c < count; ++c)
    num.w_zero[c] = static_cast<int32_t>(w.quant.at(c).zero_point);
  if (num.form == Form::hybrid) {
    for (size_t c = 0; c < count; ++c)
      num.scale.push_back(static_cast<double>(w.quant.at(c).scale));
    return num;
  }

  OCTET_TRY(needs_quantization(x));
  OCTET_TRY(needs_quantization(y));
  if (x.quant.params().size() != 1 || y.quant.params().size() != 1)
    return Status::unsupported("activations that are quantized per channel");
  if (!num.is_clamp()) return Status::unsupported("a fused activation that is not a clamp, on integers");
  num.x_zero = x.quant.zero_point();
  num.y_zero = y.quant.zero_point();
  num.bounds = bounds_of(act, y.dtype, y.quant.at());
  for (size_t c = 0; c < count; ++c) {
    const float sx = x.quant.scale(), sw = w.quant.at(c).scale, sy = y.quant.scale();
    const double s = num.form == Form::int16
                         ? static_cast<double>(sx) * static_cast<double>(sw) / static_cast<double>(sy)
                         : static_cast<double>(sx * sw / sy);
    if (!std::isfinite(s))
      return Status::unsupported(fmt::format("scales {} * {} / {} overflow", sx, sw, sy));
    num.scale.push_back(s);
  }
  return num;
}

RowQuant quantize_row(const float* x, int64_t count, bool asymmetric, int8_t* q) {
  // Sixteen running bounds: the compiler may not reorder one chain of float comparisons into vectors.
  float lows[16] = {}, highs[16] = {};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (int64_t j = 0; j < 16; ++j) {
      lows[j] = x[i + j] < lows[j] ? x[i + j] : lows[j];
      highs[j] = x[i + j] > highs[j] ? x[i + j] : highs[j];
    }
  for (; i < count; ++i) {
    lows[0] = std::min(lows[0], x[i]);
    highs[0] = std::max(highs[0], x[i]);
  }
  const float lo = *std::min_element(lows, lows + 16), hi = *std::max_element(highs, highs + 16);
  RowQuant r;
  if (asymmetric) {
    const double scale = (static_cast<double>(hi) - static_cast<double>(lo)) / 255.0;
    if (scale > 0 && std::isfinite(scale)) {
      r.scale = static_cast<float>(scale);
      r.zero = saturate<int32_t>(round_even(-128.0 - static_cast<double>(lo) / scale), -128, 127);
    }
  } else {
    const float peak = std::max(-lo, hi);
    if (peak > 0 && std::isfinite(peak)) r.scale = peak / 127.0f;
  }
  float inverse = 1.0f / r.scale;
  if (!(r.scale > 0) || !std::isfinite(inverse)) {  // a range near the smallest float: everything is zero
    r = {};
    inverse = 0;
  }
  const auto least = static_cast<float>((asymmetric ? -128 : -127) - r.zero);
  const auto most = static_cast<float>(127 - r.zero);
  for (i = 0; i < count; ++i) {
    const float v = x[i] * inverse;  // NaN becomes the least value
    q[i] = static_cast<int8_t>(round_small(std::min(v > least ? v : least, most)) + r.zero);
  }
  return r;
}

UnpackedWeights::UnpackedWeights(const NodeDesc& n, size_t slot)
    : values_(unpack_int4(n.in[slot].data, n.in[slot].elements())), in_(n.in.begin(), n.in.end()), desc_(n) {
  in_[slot].dtype = DType::int8;
  in_[slot].data = values_.data();
  desc_.in = in_;
}

}  // namespace octet::linear
