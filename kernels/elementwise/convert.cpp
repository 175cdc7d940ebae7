// QUANTIZE (also from one quantization to another) and DEQUANTIZE. Both take per-channel parameters.
// Rounding is (Q2), half to even; TensorFlow Lite's reference rounds half away from zero.
#include <cmath>

#include "kernels/cost.hpp"
#include "kernels/elementwise/lookup.hpp"
#include "kernels/infer.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"
#include "schema/core/half.hpp"

namespace octet {
namespace {

constexpr size_t kConvertGrain = 16384;

// A tensor cut into runs of equal parameters: element i belongs to channel (i / inner) % channels.
struct Channels {
  size_t inner = 1, channels = 1;
  std::vector<Affine> params;
  const Affine& of(size_t i) const { return params[channels == 1 ? 0 : (i / inner) % channels]; }
};

Result<Channels> channels_of(const TensorDesc& t) {
  Channels c;
  if (t.quant.empty())
    return Status::unsupported(
        fmt::format("'{}' is {} without quantization parameters", t.name, name_of(t.dtype)));
  c.params.assign(t.quant.params().begin(), t.quant.params().end());
  if (c.params.size() == 1) return c;
  if (t.quant.is_blockwise()) {
    c.channels = c.params.size();
    c.inner = static_cast<size_t>(t.quant.block());
    return c;
  }
  const int axis = t.quant.axis().value_or(-1);
  if (axis < 0 || axis >= t.shape.rank() || static_cast<size_t>(t.shape[axis]) != c.params.size())
    return Status::corrupt(fmt::format("'{}' of shape {} has {} scales along axis {}", t.name,
                                       t.shape.to_string(), c.params.size(), axis));
  c.channels = c.params.size();
  c.inner = static_cast<size_t>(t.shape.elements(axis + 1, t.shape.rank()));
  return c;
}

template <class Tin, class Tout, class F>
std::unique_ptr<Kernel> indexed_kernel(size_t n, F f) {  // out[i] = f(in[i], i)
  return make_kernel([n, f](const RunArgs& args) -> Status {
    const auto* in = static_cast<const Tin*>(args.in[0]);
    auto* out = static_cast<Tout*>(args.out[0]);
    args.pool.for_range(n, kConvertGrain, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i)
        out[i] = f(in[i], i);
    });
    return {};
  });
}

KernelResult quantize_reference(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  OCTET_ASSIGN(const Channels to, channels_of(out));
  const auto count = static_cast<size_t>(out.elements());
  return dispatch<int8_t, uint8_t, int16_t, int32_t>(
      out.dtype, unsupported_type(out), [&](auto out_type) -> KernelResult {
        using Tout = typename decltype(out_type)::type;
        if (in.dtype == DType::float32)
          return indexed_kernel<float, Tout>(
              count, [to](float x, size_t i) { return quantize<Tout>(static_cast<double>(x), to.of(i)); });
        if (in.dtype == DType::float16)
          return indexed_kernel<uint16_t, Tout>(count, [to](uint16_t x, size_t i) {
            return quantize<Tout>(static_cast<double>(half_to_float(x)), to.of(i));
          });
        OCTET_ASSIGN(const Channels from, channels_of(in));
        return dispatch<int8_t, uint8_t, int16_t, int32_t>(
            in.dtype, unsupported_type(in), [&](auto in_type) -> KernelResult {
              using Tin = typename decltype(in_type)::type;
              return indexed_kernel<Tin, Tout>(count, [from, to](Tin x, size_t i) {
                return quantize<Tout>(dequantize(x, from.of(i)), to.of(i));
              });
            });
      });
}

// float32 to integers, or between integers, as one vectorized loop of float arithmetic.
template <class Tin, class Tout>
std::unique_ptr<Kernel> loop_kernel(size_t n, Affine from, Affine to) {
  const auto z = static_cast<int>(from.zero_point), z_out = static_cast<int>(to.zero_point);
  const float lo = static_cast<float>(std::numeric_limits<Tout>::min() - z_out);
  const float hi = static_cast<float>(std::numeric_limits<Tout>::max() - z_out);
  const float ratio = from.scale / to.scale, scale = to.scale;
  return make_kernel([=](const RunArgs& args) -> Status {
    const auto* in = static_cast<const Tin*>(args.in[0]);
    auto* out = static_cast<Tout*>(args.out[0]);
    args.pool.for_range(n, kConvertGrain, [&](size_t begin, size_t end) {
      element_loop(begin, end, [=](size_t i) OCTET_INLINE {
        float x;
        if constexpr (std::is_same_v<Tin, float>) {
          x = in[i] / scale;
          x = x != x ? 0.0f : x;
        } else {
          x = static_cast<float>(in[i] - z) * ratio;
        }
        x = x < lo ? lo : x;
        x = x > hi ? hi : x;
        out[i] = static_cast<Tout>(round_small(x) + z_out);
      });
    });
    return {};
  });
}

KernelResult quantize_loop(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (out.quant.empty() || out.quant.params().size() != 1 || in.quant.params().size() > 1)
    return Status::declined("not per tensor");
  const Affine to = out.quant.at();
  const auto count = static_cast<size_t>(out.elements());
  if (in.dtype == DType::float32)
    return dispatch<int8_t, uint8_t, int16_t>(
        out.dtype, declined_type(out.dtype), [&](auto type) -> KernelResult {
          return loop_kernel<float, typename decltype(type)::type>(count, {}, to);
        });
  if (in.quant.empty()) return Status::declined("not quantized");
  const Affine from = in.quant.at();
  if (is_byte(in.dtype) && is_byte(out.dtype))
    return make_lookup_kernel(make_table(in.dtype, from, out.dtype, to, [](double x) { return x; }), count);
  const float ratio = from.scale / to.scale;
  if (!(ratio > 0) || !std::isfinite(ratio)) return Status::declined("ratio of scales is beyond float");
  return dispatch<int8_t, uint8_t, int16_t>(in.dtype, declined_type(in.dtype), [&](auto a) -> KernelResult {
    return dispatch<int8_t, uint8_t, int16_t>(
        out.dtype, declined_type(out.dtype), [&](auto b) -> KernelResult {
          return loop_kernel<typename decltype(a)::type, typename decltype(b)::type>(count, from, to);
        });
  });
}

KernelResult dequantize_reference(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (out.dtype != DType::float32) return unsupported_type(out);
  const auto count = static_cast<size_t>(out.elements());
  if (in.dtype == DType::float16)
    return indexed_kernel<uint16_t, float>(count, [](uint16_t x, size_t) { return half_to_float(x); });
  OCTET_ASSIGN(const Channels from, channels_of(in));
  if (in.dtype == DType::int4)  // two elements a byte, the first in the low half
    return make_kernel([from, count](const RunArgs& args) -> Status {
      const auto* bytes = static_cast<const uint8_t*>(args.in[0]);
      auto* x = static_cast<float*>(args.out[0]);
      args.pool.for_range(count, kConvertGrain, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          const int nibble = (bytes[i / 2] >> (i % 2 * 4)) & 15;
          x[i] = static_cast<float>(dequantize(nibble < 8 ? nibble : nibble - 16, from.of(i)));
        }
      });
      return {};
    });
  return dispatch<int8_t, uint8_t, int16_t, int32_t>(
      in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
        using T = typename decltype(type)::type;
        return indexed_kernel<T, float>(
            count, [from](T q, size_t i) { return static_cast<float>(dequantize(q, from.of(i))); });
      });
}

KernelResult dequantize_loop(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (out.dtype != DType::float32) return declined_type(out.dtype);
  if (in.quant.params().size() != 1) return Status::declined("not per tensor");
  const auto count = static_cast<size_t>(out.elements());
  const Affine from = in.quant.at();
  return dispatch<int8_t, uint8_t, int16_t>(
      in.dtype, declined_type(in.dtype), [&](auto type) -> KernelResult {
        using T = typename decltype(type)::type;
        const auto z = static_cast<int>(from.zero_point);
        const float scale = from.scale;
        return make_kernel([=](const RunArgs& args) -> Status {
          const auto* q = static_cast<const T*>(args.in[0]);
          auto* x = static_cast<float*>(args.out[0]);
          args.pool.for_range(count, kConvertGrain, [&](size_t begin, size_t end) {
            element_loop(begin, end,
                         [=](size_t i) OCTET_INLINE { x[i] = static_cast<float>(q[i] - z) * scale; });
          });
          return {};
        });
      });
}

}  // namespace

const OpSpec& spec_QUANTIZE() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::QUANTIZE;
    s.traits = Trait::elementwise;
    s.infer = infer_same;
    s.reference = {"reference", quantize_reference};
    s.fast = {{"float-loop", quantize_loop, cost::per_element<100>}};
    s.quant = QuantRule::none("converts between number formats itself");
    s.sharing = Sharing::in_place;  // between int8 and uint8
    s.version_int16 = 2;
    s.notes = "rounds half to even; NaN becomes the zero point";
    return s;
  }();
  return spec;
}

const OpSpec& spec_DEQUANTIZE() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::DEQUANTIZE;
    s.traits = Trait::elementwise;
    s.infer = infer_same;
    s.reference = {"reference", dequantize_reference};
    s.fast = {{"float-loop", dequantize_loop, cost::per_element<100>}};
    s.quant = QuantRule::none("converts between number formats itself");
    s.version_int8 = 2;
    s.version_int16 = 3;
    s.blocks_at = 0;
    s.notes = "from int4, int8, uint8, int16, int32 (also per channel, or in blocks) and float16";
    return s;
  }();
  return spec;
}

}  // namespace octet
