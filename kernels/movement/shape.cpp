// SHAPE, RANK: facts about a tensor as data. The contents of the input are never read.
#include <algorithm>
#include <cstring>

#include "kernels/infer.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_shape(const NodeDesc& n) {
  return one(Shape{n.in[0].shape.rank()});
}

Result<InferredShapes> infer_rank(const NodeDesc&) {
  return one(Shape{});
}

// `values` as the output's int32 or int64.
KernelResult create_constant(const NodeDesc& n, const std::vector<int32_t>& values) {
  std::vector<std::byte> bytes;
  auto append = [&](auto v) {
    bytes.resize(bytes.size() + sizeof v);
    std::memcpy(bytes.data() + bytes.size() - sizeof v, &v, sizeof v);
  };
  for (int32_t v : values) {
    if (n.out[0].dtype == DType::int32)
      append(v);
    else if (n.out[0].dtype == DType::int64)
      append(static_cast<int64_t>(v));
    else
      return Status::unsupported("output is neither int32 nor int64");
  }
  return make_kernel([bytes = std::move(bytes)](const RunArgs& args) -> Status {
    std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(args.out[0]));
    return {};
  });
}

KernelResult create_shape(const NodeDesc& n, ThreadPool&) {
  const auto dims = n.in[0].shape.dims();
  return create_constant(n, {dims.begin(), dims.end()});
}

KernelResult create_rank(const NodeDesc& n, ThreadPool&) {
  return create_constant(n, {n.in[0].shape.rank()});
}

// Shapes are integers whatever their input is.
QuantRule any_input() {
  return QuantRule::of({activation()}, {keep()});
}

}  // namespace

const OpSpec& spec_SHAPE() {
  static const OpSpec spec{.kind = OpKind::SHAPE,
                           .infer = infer_shape,
                           .reference = {"reference", create_shape},
                           .quant = any_input(),
                           .shape_only = true};
  return spec;
}

const OpSpec& spec_RANK() {
  static const OpSpec spec{.kind = OpKind::RANK,
                           .infer = infer_rank,
                           .reference = {"reference", create_rank},
                           .quant = any_input(),
                           .shape_only = true,
                           .readers = {kEveryForm, kNoForm}};
  return spec;
}

}  // namespace octet
