#include "kernels/xnnpack/softmax.hpp"

#include "kernels/dispatch.hpp"
#include "kernels/xnnpack/operator.hpp"
#include "octet/try.hpp"

namespace octet {

KernelResult softmax_xnnpack(const NodeDesc& n, ThreadPool& pool) {
  if (n.in[0].dtype != DType::float32 || n.out[0].dtype != DType::float32)
    return declined_type(n.in[0].dtype);
  if (n.attr<SoftmaxAttrs>().beta != 1.0f) return Status::declined("XNNPACK has no beta");
  const Shape& s = n.in[0].shape;
  const auto length = static_cast<size_t>(s[-1]);
  if (length == 0) return Status::declined("empty rows");
  OCTET_TRY(xnn::initialize());
  xnn_operator_t raw = nullptr;
  OCTET_TRY(xnn::declined_of(xnn_create_softmax_nc_f32(0, &raw), "create softmax"));
  xnn::Operator op(raw);
  OCTET_TRY(xnn::declined_of(
      xnn_reshape_softmax_nc_f32(raw, length, length, length,
                                 static_cast<size_t>(s.elements(0, s.rank() - 1)), pool.raw()),
      "reshape softmax"));
  return xnn::make_xnn_kernel(std::move(op), [](xnn_operator_t o, const RunArgs& args) {
    return xnn_setup_softmax_nc_f32(o, static_cast<const float*>(args.in[0]),
                                    static_cast<float*>(args.out[0]));
  });
}

}  // namespace octet
