// ADD and SUB of int8 and uint8 on XNNPACK: integer arithmetic, the same result on every CPU (its MUL is
// not).
#include "kernels/elementwise/binary.hpp"

#include <cmath>

#include "kernels/dispatch.hpp"
#include "kernels/xnnpack/operator.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// Outside of these ratios of scales XNNPACK only asserts and rounds differently.
bool in_range(float scale, float out_scale) {
  const float ratio = scale / out_scale;
  return ratio >= 0x1p-10f && ratio < 0x1p8f;
}

struct Dims {
  size_t rank = 0, extent[XNN_MAX_TENSOR_DIMS] = {};
};
Dims dims_of(const Shape& s) {
  Dims d;
  for (int32_t e : s.dims())
    d.extent[d.rank++] = static_cast<size_t>(e);
  return d;
}

}  // namespace

KernelResult binary_xnnpack(const NodeDesc& n, ThreadPool& pool) {
  const TensorDesc &a = n.in[0], &b = n.in[1], &out = n.out[0];
  if ((a.dtype != DType::int8 && a.dtype != DType::uint8) || b.dtype != a.dtype || out.dtype != a.dtype)
    return declined_type(a.dtype);
  if (!fused_of(n).none()) return Status::declined("XNNPACK fuses no activation here");
  if (a.shape.rank() > XNN_MAX_TENSOR_DIMS || b.shape.rank() > XNN_MAX_TENSOR_DIMS)
    return Status::declined("too many axes");
  if (a.quant.empty() || b.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine qa, affine_of(a));
  OCTET_ASSIGN(const Affine qb, affine_of(b));
  OCTET_ASSIGN(const Affine qo, affine_of(out));
  if (!in_range(qa.scale, qo.scale) || !in_range(qb.scale, qo.scale))
    return Status::declined("ratio of scales is outside of XNNPACK's range");
  OCTET_TRY(xnn::initialize());
  auto params = [](const Affine& q) {
    return xnn_quantization_params{static_cast<int32_t>(q.zero_point), q.scale};
  };
  const xnn_quantization_params pa = params(qa), pb = params(qb), po = params(qo);
  xnn_operator_t raw = nullptr;
  OCTET_TRY(xnn::declined_of(
      xnn_create_binary_elementwise_nd(n.kind == OpKind::ADD ? xnn_binary_add : xnn_binary_subtract,
                                       a.dtype == DType::int8 ? xnn_datatype_qint8 : xnn_datatype_quint8, &pa,
                                       &pb, &po, 0, &raw),
      "create binary"));
  xnn::Operator op(raw);
  const Dims da = dims_of(a.shape), db = dims_of(b.shape);
  OCTET_TRY(xnn::declined_of(
      xnn_reshape_binary_elementwise_nd(raw, da.rank, da.extent, db.rank, db.extent, pool.raw()),
      "reshape binary"));
  return xnn::make_xnn_kernel(std::move(op), [](xnn_operator_t o, const RunArgs& args) {
    return xnn_setup_binary_elementwise_nd(o, args.in[0], args.in[1], args.out[0]);
  });
}

}  // namespace octet
