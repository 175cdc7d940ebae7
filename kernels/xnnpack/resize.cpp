// RESIZE_BILINEAR by XNNPACK.
#include "kernels/movement/resize.hpp"

#include <fmt/format.h>

#include "kernels/movement/rearrange.hpp"
#include "kernels/xnnpack/operator.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

template <class T>
struct Calls {
  xnn_status (*create)(size_t, size_t, uint32_t, xnn_operator_t*);
  xnn_status (*reshape)(xnn_operator_t, size_t, size_t, size_t, size_t, size_t, size_t, size_t*, size_t*,
                        pthreadpool_t);
  xnn_status (*setup)(xnn_operator_t, void*, const T*, T*);
};

template <class T>
KernelResult lower(const NodeDesc& n, ThreadPool& pool, const Calls<T>& calls) {
  const auto& attr = n.attr<ResizeAttrs>();
  const Shape &in = n.in[0].shape, &out = n.out[0].shape;
  if (out.elements() == 0) return Status::declined("nothing to resize");
  OCTET_TRY(xnn::row_table_fits(4, int64_t{out[1]} * out[2]));
  // Without half_pixel_centers positions are index * scale, which XNNPACK calls the legacy mode.
  uint32_t flags = 0;
  // Its tables of pixel pointers and weights, 40 bytes a pixel, cost a fifth of the run time when they are
  // made again in the shared workspace in each run; small ones are kept.
  constexpr int64_t kKeptPixels = (int64_t{1} << 20) / 40;
  if (int64_t{out[1]} * out[2] > kKeptPixels) flags |= XNN_FLAG_TRANSIENT_INDIRECTION_BUFFER;
  if (attr.align_corners)
    flags |= XNN_FLAG_ALIGN_CORNERS;
  else if (!attr.half_pixel_centers)
    flags |= XNN_FLAG_TENSORFLOW_LEGACY_MODE;
  xnn_operator_t op = nullptr;
  auto size = [](int32_t v) { return static_cast<size_t>(v); };
  OCTET_TRY(
      xnn::declined_of(calls.create(size(out[1]), size(out[2]), flags, &op), "create_resize_bilinear2d"));
  xnn::Operator owned(op);
  size_t workspace = 0, alignment = 1;
  OCTET_TRY(xnn::declined_of(calls.reshape(op, size(in[0]), size(in[1]), size(in[2]), size(in[3]),
                                           size(in[3]), size(in[3]), &workspace, &alignment, pool.raw()),
                             "reshape_resize_bilinear2d"));
  return xnn::make_xnn_kernel(
      std::move(owned),
      [setup = calls.setup](xnn_operator_t o, const RunArgs& args) {
        return setup(o, args.workspace, static_cast<const T*>(args.in[0]), static_cast<T*>(args.out[0]));
      },
      workspace);
}

}  // namespace

KernelResult create_resize_bilinear_xnnpack(const NodeDesc& n, ThreadPool& pool) {
  OCTET_TRY(moved_element(n).status());
  OCTET_TRY(xnn::initialize());
  switch (n.in[0].dtype) {
    case DType::float32:
      return lower<float>(n, pool,
                          {xnn_create_resize_bilinear2d_nhwc_f32, xnn_reshape_resize_bilinear2d_nhwc_f32,
                           xnn_setup_resize_bilinear2d_nhwc_f32});
    case DType::int8:
      return lower<int8_t>(n, pool,
                           {xnn_create_resize_bilinear2d_nhwc_s8, xnn_reshape_resize_bilinear2d_nhwc_s8,
                            xnn_setup_resize_bilinear2d_nhwc_s8});
    case DType::uint8:
      return lower<uint8_t>(n, pool,
                            {xnn_create_resize_bilinear2d_nhwc_u8, xnn_reshape_resize_bilinear2d_nhwc_u8,
                             xnn_setup_resize_bilinear2d_nhwc_u8});
    default:
      return Status::declined(fmt::format("XNNPACK does not resize {} images", name_of(n.in[0].dtype)));
  }
}

}  // namespace octet
