#include "kernels/xnnpack/linear.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "kernels/xnnpack/operator.hpp"
#include "kernels/xnnpack/weights.hpp"
#include "octet/try.hpp"

namespace octet::xnn {
namespace {

using linear::Convolution;
using linear::Form;
using linear::Geometry;
using linear::Numerics;
using linear::Slots;

// The least factor from sums to outputs. Sums of 32 bits times this round to 0, and so do they with any less.
constexpr double kLeastRequantization = 0x1p-32;

// What XNNPACK's weighted operators take, besides the geometry: weights and bias known, scales in range, sums
// that don't wrap around.
Status check(const NodeDesc& n, const Convolution& c) {
  const Numerics& num = c.num;
  const Slots slots = c.slots;
  OCTET_TRY(initialize());
  if (num.form != Form::float32 && num.form != Form::int8 && num.form != Form::uint8)
    return Status::declined("XNNPACK has no operator for these types");
  if (!n.in[slots.w].is_known()) return Status::declined("the weights are not constant");
  if (num.has_bias && !n.in[slots.bias].is_known()) return Status::declined("the bias is not constant");
  if (!num.is_clamp()) return Status::declined("the fused activation is not a clamp");
  if (num.form == Form::int8 && !num.weights_are_symmetric())
    return Status::declined("weights with a zero point");
  if (num.form == Form::uint8) {
    for (size_t i = 1; i < num.scale.size(); ++i)
      if (num.scale[i] != num.scale[0] || num.w_zero[i] != num.w_zero[0])
        return Status::declined("uint8 weights that are quantized per channel");
  }
  // Requantization shifts by at most 32 bits; XNNPACK checks only the upper end. Weights per channel get a
  // scale that does (weight_scales()).
  for (double s : num.scale)
    if (!(s < 256.0) || (num.form == Form::uint8 && s < kLeastRequantization))
      return Status::declined(fmt::format("requantization scale {}", s));
  if (num.form == Form::float32) return {};
  if (num.bounds.lo > num.bounds.hi) return Status::declined("empty bounds");
  if (!sums_fit_int32(n, c)) return Status::declined("a bias near the limits of int32");
  return {};
}

// int4 weights: the operators take them as int8, and have copied them when they are made.
bool is_packed(const NodeDesc& n, const Numerics& num, Slots slots) {
  return num.int4_weights && n.in[slots.w].is_known();
}
Numerics unpacked(Numerics num) {
  num.int4_weights = false;
  return num;
}

struct FloatBounds {
  float lo, hi;
};
FloatBounds float_bounds(const Numerics& num) {
  const RealRange r = range_of(num.act);
  return {r.lo, r.hi};
}

// One scale per channel. A channel whose requantization XNNPACK has no shift for always gives 0; it does so
// with the least factor that XNNPACK has, too.
std::vector<float> weight_scales(const TensorDesc& x, const TensorDesc& w, const TensorDesc& y,
                                 int64_t channels) {
  const double least = kLeastRequantization * static_cast<double>(y.quant.scale()) /
                       static_cast<double>(x.quant.scale()) * (1 + 1e-6);
  std::vector<float> s;
  for (int64_t c = 0; c < channels; ++c)
    s.push_back(std::max(w.quant.at(static_cast<size_t>(c)).scale, static_cast<float>(least)));
  return s;
}

template <class T>
const T* bias_of(const NodeDesc& n, const Numerics& num, Slots slots) {
  return num.has_bias ? static_cast<const T*>(n.in[slots.bias].data) : nullptr;
}

template <class T>
T to(int64_t v) {
  return static_cast<T>(v);
}

SetupFn bind_convolution(Form form, size_t x) {
  switch (form) {
    case Form::int8:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_convolution2d_nhwc_qs8_qc8w(op, a.workspace, static_cast<const int8_t*>(a.in[x]),
                                                     static_cast<int8_t*>(a.out[0]));
      };
    case Form::uint8:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_convolution2d_nhwc_qu8(op, a.workspace, static_cast<const uint8_t*>(a.in[x]),
                                                static_cast<uint8_t*>(a.out[0]));
      };
    default:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_convolution2d_nhwc_f32(op, a.workspace, static_cast<const float*>(a.in[x]),
                                                static_cast<float*>(a.out[0]));
      };
  }
}

SetupFn bind_deconvolution(Form form, size_t x) {
  switch (form) {
    case Form::int8:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_deconvolution2d_nhwc_qs8_qc8w(op, static_cast<const int8_t*>(a.in[x]),
                                                       static_cast<int8_t*>(a.out[0]));
      };
    case Form::uint8:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_deconvolution2d_nhwc_qu8(op, static_cast<const uint8_t*>(a.in[x]),
                                                  static_cast<uint8_t*>(a.out[0]));
      };
    default:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_deconvolution2d_nhwc_f32(op, static_cast<const float*>(a.in[x]),
                                                  static_cast<float*>(a.out[0]));
      };
  }
}

SetupFn bind_fully_connected(Form form, size_t x) {
  switch (form) {
    case Form::int8:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_fully_connected_nc_qs8_qc8w(op, static_cast<const int8_t*>(a.in[x]),
                                                     static_cast<int8_t*>(a.out[0]));
      };
    case Form::uint8:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_fully_connected_nc_qu8(op, static_cast<const uint8_t*>(a.in[x]),
                                                static_cast<uint8_t*>(a.out[0]));
      };
    default:
      return [x](xnn_operator_t op, const RunArgs& a) {
        return xnn_setup_fully_connected_nc_f32(op, static_cast<const float*>(a.in[x]),
                                                static_cast<float*>(a.out[0]));
      };
  }
}

// One window over the whole unpadded input is a matrix product with the same weights, in the same order:
// faster, and on Cortex-A5 and A7 the only way, because there XNNPACK's int8 convolution kernel for a single
// output pixel is broken (a GEMM kernel sits in its slot).
bool is_matrix_product(const Geometry& g) {
  return g.groups == 1 && !g.has_padding() && g.kernel == g.in && g.pixels_out() == 1 &&
         g.dilation == linear::Extents{1, 1, 1};
}

bool hits_broken_arm_kernel([[maybe_unused]] const Geometry& g, [[maybe_unused]] Form form) {
#if defined(__arm__)
  return form == Form::int8 && g.pixels_out() == 1;
#else
  return false;
#endif
}

}  // namespace

KernelResult fully_connected(const NodeDesc& n, const Numerics& num, Slots slots, int64_t rows,
                             int64_t inputs, int64_t outputs, ThreadPool& pool) {
  if (is_packed(n, num, slots))
    return fully_connected(linear::UnpackedWeights(n, slots.w).desc(), unpacked(num), slots, rows, inputs,
                           outputs, pool);
  Geometry g;
  g.batch = rows;
  g.in_channels = inputs;
  g.out_channels = outputs;
  g.w_out = inputs;
  g.w_in = 1;
  OCTET_TRY(check(n, {g, num, slots}));
  if (rows == 0 || inputs == 0 || outputs == 0) return Status::declined("nothing to compute");
  const TensorDesc &x = n.in[slots.x], &w = n.in[slots.w], &y = n.out[0];
  const auto ic = static_cast<size_t>(inputs), oc = static_cast<size_t>(outputs);
  const auto batch = static_cast<size_t>(rows);
  const auto weights = std::make_shared<Weights>(n);
  xnn_operator_t raw = nullptr;
  xnn_status s;
  switch (num.form) {
    case Form::int8: {
      const std::vector<float> scales = weight_scales(x, w, y, outputs);
      s = xnn_create_fully_connected_nc_qs8_qc8w(
          ic, oc, ic, oc, to<int8_t>(num.x_zero), x.quant.scale(), scales.data(),
          static_cast<const int8_t*>(w.data), bias_of<int32_t>(n, num, slots), to<int8_t>(num.y_zero),
          y.quant.scale(), to<int8_t>(num.bounds.lo), to<int8_t>(num.bounds.hi), 0, nullptr, weights->cache(),
          &raw);
      break;
    }
    case Form::uint8:
      s = xnn_create_fully_connected_nc_qu8(
          ic, oc, ic, oc, to<uint8_t>(num.x_zero), x.quant.scale(), to<uint8_t>(num.w_zero[0]),
          w.quant.scale(), static_cast<const uint8_t*>(w.data), bias_of<int32_t>(n, num, slots),
          to<uint8_t>(num.y_zero), y.quant.scale(), to<uint8_t>(num.bounds.lo), to<uint8_t>(num.bounds.hi), 0,
          nullptr, weights->cache(), &raw);
      break;
    default: {
      const FloatBounds r = float_bounds(num);
      s = xnn_create_fully_connected_nc_f32(ic, oc, ic, oc, static_cast<const float*>(w.data),
                                            bias_of<float>(n, num, slots), r.lo, r.hi, 0, nullptr,
                                            weights->cache(), &raw);
    }
  }
  OCTET_TRY(declined_of(s, "create fully connected"));
  Operator op(raw, Deleter{weights});
  switch (num.form) {
    case Form::int8: s = xnn_reshape_fully_connected_nc_qs8_qc8w(raw, batch, pool.raw()); break;
    case Form::uint8: s = xnn_reshape_fully_connected_nc_qu8(raw, batch, pool.raw()); break;
    default: s = xnn_reshape_fully_connected_nc_f32(raw, batch, pool.raw());
  }
  OCTET_TRY(declined_of(s, "reshape fully connected"));
  return make_xnn_kernel(std::move(op), bind_fully_connected(num.form, slots.x));
}

KernelResult dynamic_fully_connected(const NodeDesc&, const Numerics& num, Slots slots, int64_t rows,
                                     int64_t inputs, int64_t outputs, ThreadPool& pool) {
  OCTET_TRY(initialize());
  if (num.form != Form::float32 || !num.is_clamp()) return Status::declined("only float, only clamps");
  if (rows == 0 || inputs == 0 || outputs == 0) return Status::declined("nothing to compute");
  const FloatBounds r = float_bounds(num);
  xnn_operator_t raw = nullptr;
  OCTET_TRY(declined_of(xnn_create_dynamic_fully_connected_nc_f32(r.lo, r.hi, 0, &raw),
                        "create dynamic fully connected"));
  Operator op(raw);
  const auto ic = to<size_t>(inputs), oc = to<size_t>(outputs);
  size_t workspace = 0, alignment = 0;
  OCTET_TRY(declined_of(xnn_reshape_dynamic_fully_connected_nc_f32(raw, to<size_t>(rows), ic, oc, ic, oc,
                                                                   &workspace, &alignment, pool.raw()),
                        "reshape dynamic fully connected"));
  const bool has_bias = num.has_bias;
  auto setup = [slots, has_bias](xnn_operator_t o, const RunArgs& a) {
    const void* bias = has_bias ? a.in[slots.bias] : nullptr;
    return xnn_setup_dynamic_fully_connected_nc_f32(
        o, a.workspace, static_cast<const float*>(a.in[slots.x]), static_cast<const float*>(a.in[slots.w]),
        static_cast<const float*>(bias), static_cast<float*>(a.out[0]));
  };
  return make_xnn_kernel(std::move(op), setup, workspace);
}

KernelResult convolution(const NodeDesc& n, const Convolution& c, bool depthwise, ThreadPool& pool) {
  const Geometry& g = c.g;
  const Numerics& num = c.num;
  if (is_packed(n, num, c.slots))
    return convolution(linear::UnpackedWeights(n, c.slots.w).desc(), {g, unpacked(num), c.slots}, depthwise,
                       pool);
  OCTET_TRY(check(n, c));
  if (g.empty() || g.in_channels == 0 || g.pixels_in() == 0) return Status::declined("nothing to compute");
  if (is_matrix_product(g) && !(depthwise && g.out_channels != 1))
    return fully_connected(n, num, c.slots, g.batch, g.terms(), g.out_channels, pool);
  if (hits_broken_arm_kernel(g, num.form)) return Status::declined("a single output pixel on 32-bit ARM");
  OCTET_TRY(row_table_fits(g.taps(), g.pixels_out()));

  const TensorDesc &x = n.in[c.slots.x], &w = n.in[c.slots.w], &y = n.out[0];
  const auto top = to<uint32_t>(g.pad_before[1]), left = to<uint32_t>(g.pad_before[2]);
  const auto bottom = to<uint32_t>(g.pad_after[1]), right = to<uint32_t>(g.pad_after[2]);
  const auto kh = to<uint32_t>(g.kernel[1]), kw = to<uint32_t>(g.kernel[2]);
  const auto sh = to<uint32_t>(g.stride[1]), sw = to<uint32_t>(g.stride[2]);
  const auto dh = to<uint32_t>(g.dilation[1]), dw = to<uint32_t>(g.dilation[2]);
  const auto groups = to<uint32_t>(g.groups);
  const auto gic = to<size_t>(g.group_in()), goc = to<size_t>(g.group_out());
  const auto ic = to<size_t>(g.in_channels), oc = to<size_t>(g.out_channels);
  const uint32_t flags = depthwise ? XNN_FLAG_DEPTHWISE_CONVOLUTION : 0;
  const auto weights = std::make_shared<Weights>(n);
  xnn_operator_t raw = nullptr;
  xnn_status s;
  switch (num.form) {
    case Form::int8: {
      const std::vector<float> scales = weight_scales(x, w, y, g.out_channels);
      s = xnn_create_convolution2d_nhwc_qs8_qc8w(
          top, right, bottom, left, kh, kw, sh, sw, dh, dw, groups, gic, goc, ic, oc, to<int8_t>(num.x_zero),
          x.quant.scale(), scales.data(), static_cast<const int8_t*>(w.data),
          bias_of<int32_t>(n, num, c.slots), to<int8_t>(num.y_zero), y.quant.scale(),
          to<int8_t>(num.bounds.lo), to<int8_t>(num.bounds.hi), flags, nullptr, weights->cache(), &raw);
      break;
    }
    case Form::uint8:
      s = xnn_create_convolution2d_nhwc_qu8(
          top, right, bottom, left, kh, kw, sh, sw, dh, dw, groups, gic, goc, ic, oc, to<uint8_t>(num.x_zero),
          x.quant.scale(), to<uint8_t>(num.w_zero[0]), w.quant.scale(), static_cast<const uint8_t*>(w.data),
          bias_of<int32_t>(n, num, c.slots), to<uint8_t>(num.y_zero), y.quant.scale(),
          to<uint8_t>(num.bounds.lo), to<uint8_t>(num.bounds.hi), flags, nullptr, weights->cache(), &raw);
      break;
    default: {
      const FloatBounds r = float_bounds(num);
      s = xnn_create_convolution2d_nhwc_f32(top, right, bottom, left, kh, kw, sh, sw, dh, dw, groups, gic,
                                            goc, ic, oc, static_cast<const float*>(w.data),
                                            bias_of<float>(n, num, c.slots), r.lo, r.hi, flags, nullptr,
                                            weights->cache(), &raw);
    }
  }
  OCTET_TRY(declined_of(s, "create convolution"));
  Operator op(raw, Deleter{weights});
  size_t workspace = 0, alignment = 0, out_h = 0, out_w = 0;
  const auto batch = to<size_t>(g.batch), in_h = to<size_t>(g.in[1]), in_w = to<size_t>(g.in[2]);
  auto reshape = num.form == Form::int8    ? xnn_reshape_convolution2d_nhwc_qs8_qc8w
                 : num.form == Form::uint8 ? xnn_reshape_convolution2d_nhwc_qu8
                                           : xnn_reshape_convolution2d_nhwc_f32;
  s = reshape(raw, batch, in_h, in_w, &workspace, &alignment, &out_h, &out_w, pool.raw());
  OCTET_TRY(declined_of(s, "reshape convolution"));
  if (to<int64_t>(out_h) != g.out[1] || to<int64_t>(out_w) != g.out[2])
    return Status::declined(fmt::format("XNNPACK computes {}x{} outputs", out_h, out_w));
  return make_xnn_kernel(std::move(op), bind_convolution(num.form, c.slots.x), workspace);
}

KernelResult transposed_convolution(const NodeDesc& n, const Convolution& c, ThreadPool& pool) {
  const Geometry& g = c.g;
  const Numerics& num = c.num;
  if (is_packed(n, num, c.slots))
    return transposed_convolution(linear::UnpackedWeights(n, c.slots.w).desc(), {g, unpacked(num), c.slots},
                                  pool);
  OCTET_TRY(check(n, c));
  if (g.empty() || g.in_channels == 0 || g.pixels_in() == 0) return Status::declined("nothing to compute");
  if (hits_broken_arm_kernel(g, num.form)) return Status::declined("a single output pixel on 32-bit ARM");
  OCTET_TRY(row_table_fits(g.taps(), g.pixels_out()));

  // Output extent = stride * (in - 1) + kernel - padding + adjustment, with 0 <= adjustment < stride.
  uint32_t after[3] = {0, 0, 0}, adjust[3] = {0, 0, 0};
  for (size_t a : {1u, 2u}) {
    const int64_t full = g.stride[a] * (g.in[a] - 1) + (g.kernel[a] - 1) * g.dilation[a] + 1;
    const int64_t rest = full - g.pad_before[a] - g.out[a];
    after[a] = to<uint32_t>(std::max<int64_t>(rest, 0));
    adjust[a] = to<uint32_t>(std::max<int64_t>(-rest, 0));
    if (adjust[a] >= g.stride[a]) return Status::declined("rows or columns that no window reaches");
  }
  const TensorDesc &x = n.in[c.slots.x], &w = n.in[c.slots.w], &y = n.out[0];
  const auto top = to<uint32_t>(g.pad_before[1]), left = to<uint32_t>(g.pad_before[2]);
  const auto kh = to<uint32_t>(g.kernel[1]), kw = to<uint32_t>(g.kernel[2]);
  const auto sh = to<uint32_t>(g.stride[1]), sw = to<uint32_t>(g.stride[2]);
  const auto dh = to<uint32_t>(g.dilation[1]), dw = to<uint32_t>(g.dilation[2]);
  const auto ic = to<size_t>(g.in_channels), oc = to<size_t>(g.out_channels);
  const auto weights = std::make_shared<Weights>(n);
  xnn_operator_t raw = nullptr;
  xnn_status s;
  switch (num.form) {
    case Form::int8: {
      const std::vector<float> scales = weight_scales(x, w, y, g.out_channels);
      s = xnn_create_deconvolution2d_nhwc_qs8_qc8w(
          top, after[2], after[1], left, kh, kw, sh, sw, dh, dw, 1, ic, oc, ic, oc, to<int8_t>(num.x_zero),
          x.quant.scale(), scales.data(), static_cast<const int8_t*>(w.data),
          bias_of<int32_t>(n, num, c.slots), to<int8_t>(num.y_zero), y.quant.scale(),
          to<int8_t>(num.bounds.lo), to<int8_t>(num.bounds.hi), 0, nullptr, weights->cache(), &raw);
      break;
    }
    case Form::uint8:
      s = xnn_create_deconvolution2d_nhwc_qu8(
          top, after[2], after[1], left, kh, kw, sh, sw, dh, dw, 1, ic, oc, ic, oc, to<uint8_t>(num.x_zero),
          x.quant.scale(), to<uint8_t>(num.w_zero[0]), w.quant.scale(), static_cast<const uint8_t*>(w.data),
          bias_of<int32_t>(n, num, c.slots), to<uint8_t>(num.y_zero), y.quant.scale(),
          to<uint8_t>(num.bounds.lo), to<uint8_t>(num.bounds.hi), 0, nullptr, weights->cache(), &raw);
      break;
    default: {
      const FloatBounds r = float_bounds(num);
      s = xnn_create_deconvolution2d_nhwc_f32(top, after[2], after[1], left, kh, kw, sh, sw, dh, dw, 1, ic,
                                              oc, ic, oc, static_cast<const float*>(w.data),
                                              bias_of<float>(n, num, c.slots), r.lo, r.hi, 0, nullptr,
                                              weights->cache(), &raw);
    }
  }
  OCTET_TRY(declined_of(s, "create deconvolution"));
  Operator op(raw, Deleter{weights});
  size_t out_h = 0, out_w = 0;
  const auto batch = to<size_t>(g.batch), in_h = to<size_t>(g.in[1]), in_w = to<size_t>(g.in[2]);
  auto reshape = num.form == Form::int8    ? xnn_reshape_deconvolution2d_nhwc_qs8_qc8w
                 : num.form == Form::uint8 ? xnn_reshape_deconvolution2d_nhwc_qu8
                                           : xnn_reshape_deconvolution2d_nhwc_f32;
  s = reshape(raw, batch, in_h, in_w, adjust[1], adjust[2], &out_h, &out_w, pool.raw());
  OCTET_TRY(declined_of(s, "reshape deconvolution"));
  if (to<int64_t>(out_h) != g.out[1] || to<int64_t>(out_w) != g.out[2])
    return Status::declined(fmt::format("XNNPACK computes {}x{} outputs", out_h, out_w));
  return make_xnn_kernel(std::move(op), bind_deconvolution(num.form, c.slots.x));
}

}  // namespace octet::xnn
