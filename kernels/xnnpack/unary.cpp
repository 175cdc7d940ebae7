#include "kernels/xnnpack/unary.hpp"

#include "kernels/dispatch.hpp"
#include "kernels/xnnpack/operator.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

xnn_unary_operator operator_of(OpKind kind) {
  switch (kind) {
    case OpKind::ELU: return xnn_unary_elu;
    case OpKind::GELU: return xnn_unary_gelu;
    case OpKind::LOGISTIC: return xnn_unary_sigmoid;
    case OpKind::TANH: return xnn_unary_tanh;
    case OpKind::EXP: return xnn_unary_exp;
    case OpKind::FLOOR: return xnn_unary_floor;
    case OpKind::CEIL: return xnn_unary_ceiling;
    case OpKind::ROUND: return xnn_unary_bankers_rounding;
    default: return xnn_unary_invalid;
  }
}

}  // namespace

KernelResult unary_xnnpack(const NodeDesc& n, ThreadPool& pool) {
  if (n.in[0].dtype != DType::float32 || n.out[0].dtype != DType::float32)
    return declined_type(n.in[0].dtype);
  if (n.kind == OpKind::GELU && n.attr<GeluAttrs>().approximate)
    return Status::declined("XNNPACK has only the exact GELU");
  OCTET_TRY(xnn::initialize());
  xnn_unary_params params{};
  params.elu.alpha = 1.0f;
  xnn_operator_t raw = nullptr;
  OCTET_TRY(
      xnn::declined_of(xnn_create_unary_elementwise_nc(operator_of(n.kind), xnn_datatype_fp32,
                                                       xnn_datatype_fp32, &params, nullptr, nullptr, 0, &raw),
                       "create unary"));
  xnn::Operator op(raw);
  const auto count = static_cast<size_t>(n.out[0].elements());
  OCTET_TRY(
      xnn::declined_of(xnn_reshape_unary_elementwise_nc(raw, count, 1, 1, 1, pool.raw()), "reshape unary"));
  return xnn::make_xnn_kernel(std::move(op), [](xnn_operator_t o, const RunArgs& args) {
    return xnn_setup_unary_elementwise_nc(o, args.in[0], args.out[0]);
  });
}

}  // namespace octet
