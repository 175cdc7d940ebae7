// TRANSPOSE
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/ops/rearrange.hpp"
#include "kernels/xnnpack/operator.hpp"

namespace octet {
namespace {

Result<std::vector<int>> permutation_of(const NodeDesc& n) {
  const int rank = n.in[0].shape.rank();
  OCTET_ASSIGN(const auto given, integers_of(n.in[1]));
  if (static_cast<int>(given.size()) != rank)
    return Status::corrupt(fmt::format("permutation has {} axes, the input {}", given.size(), rank));
  std::vector<int> perm;
  std::vector<bool> seen(given.size(), false);
  for (int64_t g : given) {
    const auto axis = normalize_axis(g, rank);
    if (!axis) return Status::corrupt(fmt::format("permutation names axis {} of {}", g, rank));
    if (seen[static_cast<size_t>(*axis)])
      return Status::corrupt(fmt::format("permutation names axis {} twice", g));
    seen[static_cast<size_t>(*axis)] = true;
    perm.push_back(*axis);
  }
  return perm;
}

Result<InferredShapes> infer(const NodeDesc& n) {
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto perm, permutation_of(n));
  Shape out;
  for (int p : perm)
    out.push_back(n.in[0].shape[p]);
  return one(out);
}

Result<Rearrangement> describe(const NodeDesc& n) {
  Rearrangement r;
  OCTET_ASSIGN(r.element, moved_element(n));
  OCTET_ASSIGN(const auto perm, permutation_of(n));
  const auto strides = strides_of(n.in[0].shape);
  for (int p : perm)
    r.axes.push_back(SourceAxis::by_step(n.in[0].shape[p], strides[static_cast<size_t>(p)]));
  return r;
}

KernelResult create_xnnpack(const NodeDesc& n, ThreadPool& pool) {
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

}  // namespace

const OpSpec& spec_TRANSPOSE() {
  static const OpSpec spec{
      .kind = OpKind::TRANSPOSE,
      .inputs = {2, 2},
      .infer = infer,
      .reference = {"reference", create_moved_reference<describe>},
      .fast = {{"xnnpack", create_xnnpack}, {"octet", create_moved<describe>}},
      .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
      .version_int8 = 2,
      .version_int16 = 5,
  };
  return spec;
}

}  // namespace octet
