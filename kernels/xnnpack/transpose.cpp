// TRANSPOSE by XNNPACK, for elements of one to eight bytes.
#include "kernels/movement/transpose.hpp"

#include <fmt/format.h>

#include "kernels/movement/rearrange.hpp"
#include "kernels/xnnpack/operator.hpp"
#include "octet/try.hpp"

namespace octet {

KernelResult create_transpose_xnnpack(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const size_t element, moved_element(n));
  OCTET_ASSIGN(const auto perm, permutation_of(n));
  if (perm.size() > XNN_MAX_TENSOR_DIMS) return Status::declined("XNNPACK transposes up to six axes");
  if (perm.empty() || n.in[0].elements() == 0) return Status::declined("nothing to transpose");
  OCTET_TRY(xnn::initialize());
  struct Row {
    size_t element;
    xnn_status (*create)(uint32_t, xnn_operator_t*);
    xnn_status (*reshape)(xnn_operator_t, size_t, const size_t*, const size_t*, pthreadpool_t);
    xnn_status (*setup)(xnn_operator_t, const void*, void*);
  };
  static constexpr Row rows[] = {
      {1, xnn_create_transpose_nd_x8, xnn_reshape_transpose_nd_x8, xnn_setup_transpose_nd_x8},
      {2, xnn_create_transpose_nd_x16, xnn_reshape_transpose_nd_x16, xnn_setup_transpose_nd_x16},
      {4, xnn_create_transpose_nd_x32, xnn_reshape_transpose_nd_x32, xnn_setup_transpose_nd_x32},
      {8, xnn_create_transpose_nd_x64, xnn_reshape_transpose_nd_x64, xnn_setup_transpose_nd_x64},
  };
  for (const Row& row : rows) {
    if (row.element != element) continue;
    xnn_operator_t op = nullptr;
    OCTET_TRY(xnn::declined_of(row.create(0, &op), "create_transpose_nd"));
    xnn::Operator owned(op);
    std::vector<size_t> shape, order;
    for (int p : perm) {
      order.push_back(static_cast<size_t>(p));
      shape.push_back(static_cast<size_t>(n.in[0].shape[static_cast<int>(shape.size())]));
    }
    OCTET_TRY(xnn::declined_of(row.reshape(op, shape.size(), shape.data(), order.data(), pool.raw()),
                               "reshape_transpose_nd"));
    return xnn::make_xnn_kernel(std::move(owned), [setup = row.setup](xnn_operator_t o, const RunArgs& args) {
      return setup(o, args.in[0], args.out[0]);
    });
  }
  return Status::declined(fmt::format("XNNPACK does not transpose elements of {} bytes", element));
}

}  // namespace octet
