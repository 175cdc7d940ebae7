// Pools by XNNPACK.
#include "kernels/linear/pool_2d.hpp"

#include <fmt/format.h>

#include "kernels/xnnpack/operator.hpp"
#include "octet/try.hpp"

namespace octet::pool {
namespace {

using xnn::declined_of;
using xnn::make_xnn_kernel;
using xnn::Operator;

KernelResult finish(const Pooling& p, Operator op, size_t out_h, size_t out_w, xnn::SetupFn setup,
                    size_t workspace) {
  if (static_cast<int64_t>(out_h) != p.out_h || static_cast<int64_t>(out_w) != p.out_w)
    return Status::declined(fmt::format("XNNPACK computes {}x{} outputs", out_h, out_w));
  return make_xnn_kernel(std::move(op), std::move(setup), workspace);
}

}  // namespace

KernelResult create_xnnpack(const NodeDesc& n, ThreadPool& threads) {
  OCTET_ASSIGN(const Pooling p, pooling_of(n));
  OCTET_TRY(xnn::initialize());
  if (p.batch * p.in_h * p.in_w * p.channels == 0) return Status::declined("nothing to compute");
  if (p.act.kind == Activation::Kind::tanh || p.act.kind == Activation::Kind::sign_bit)
    return Status::declined("the fused activation is not a clamp");
  OCTET_TRY(xnn::row_table_fits(p.filter_h * p.filter_w, p.out_h * p.out_w));
  if (p.filter_h * p.filter_w == 1) return Status::declined("a window of one element");
  if (p.stride_h > p.filter_h || p.stride_w > p.filter_w)
    return Status::declined("a stride longer than the window");
  const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
  const auto z = [](int64_t v) { return static_cast<size_t>(v); };
  const RealRange r = range_of(p.act);
  xnn_operator_t raw = nullptr;
  size_t out_h = 0, out_w = 0, workspace = 0, alignment = 0;

  if (p.mode == Mode::average) {
    if (p.dtype != DType::float32) return Status::declined("XNNPACK has no int8 average");
    if (p.has_padding()) return Status::declined("XNNPACK counts padding into the average");
    OCTET_TRY(
        declined_of(xnn_create_average_pooling2d_nhwc_f32(0, 0, 0, 0, u(p.filter_h), u(p.filter_w),
                                                          u(p.stride_h), u(p.stride_w), r.lo, r.hi, 0, &raw),
                    "create average pooling"));
    Operator op(raw);
    OCTET_TRY(declined_of(xnn_reshape_average_pooling2d_nhwc_f32(
                              raw, z(p.batch), z(p.in_h), z(p.in_w), z(p.channels), z(p.channels),
                              z(p.channels), &workspace, &alignment, &out_h, &out_w, threads.raw()),
                          "reshape average pooling"));
    auto setup = [](xnn_operator_t o, const RunArgs& a) {
      return xnn_setup_average_pooling2d_nhwc_f32(o, a.workspace, static_cast<const float*>(a.in[0]),
                                                  static_cast<float*>(a.out[0]));
    };
    return finish(p, std::move(op), out_h, out_w, setup, workspace);
  }

  if (p.dtype == DType::int16) return Status::declined("XNNPACK has no int16 maximum");
  if (p.dtype != DType::float32 && !p.keeps_scale())
    return Status::declined("input and output have different scales");
  const auto create = [&](auto function, auto lo, auto hi) {
    return function(u(p.top), u(p.right), u(p.bottom), u(p.left), u(p.filter_h), u(p.filter_w), u(p.stride_h),
                    u(p.stride_w), 1, 1, lo, hi, 0, &raw);
  };
  xnn_status s;
  switch (p.dtype) {
    case DType::int8:
      s = create(xnn_create_max_pooling2d_nhwc_s8, static_cast<int8_t>(p.bounds.lo),
                 static_cast<int8_t>(p.bounds.hi));
      break;
    case DType::uint8:
      s = create(xnn_create_max_pooling2d_nhwc_u8, static_cast<uint8_t>(p.bounds.lo),
                 static_cast<uint8_t>(p.bounds.hi));
      break;
    default: s = create(xnn_create_max_pooling2d_nhwc_f32, r.lo, r.hi);
  }
  OCTET_TRY(declined_of(s, "create max pooling"));
  Operator op(raw);
  auto reshape = p.dtype == DType::int8    ? xnn_reshape_max_pooling2d_nhwc_s8
                 : p.dtype == DType::uint8 ? xnn_reshape_max_pooling2d_nhwc_u8
                                           : xnn_reshape_max_pooling2d_nhwc_f32;
  OCTET_TRY(declined_of(reshape(raw, z(p.batch), z(p.in_h), z(p.in_w), z(p.channels), z(p.channels),
                                z(p.channels), &out_h, &out_w, threads.raw()),
                        "reshape max pooling"));
  xnn::SetupFn setup;
  switch (p.dtype) {
    case DType::int8:
      setup = [](xnn_operator_t o, const RunArgs& a) {
        return xnn_setup_max_pooling2d_nhwc_s8(o, static_cast<const int8_t*>(a.in[0]),
                                               static_cast<int8_t*>(a.out[0]));
      };
      break;
    case DType::uint8:
      setup = [](xnn_operator_t o, const RunArgs& a) {
        return xnn_setup_max_pooling2d_nhwc_u8(o, static_cast<const uint8_t*>(a.in[0]),
                                               static_cast<uint8_t*>(a.out[0]));
      };
      break;
    default:
      setup = [](xnn_operator_t o, const RunArgs& a) {
        return xnn_setup_max_pooling2d_nhwc_f32(o, static_cast<const float*>(a.in[0]),
                                                static_cast<float*>(a.out[0]));
      };
  }
  return finish(p, std::move(op), out_h, out_w, std::move(setup), 0);
}

}  // namespace octet::pool
