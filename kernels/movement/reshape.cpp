// RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape.
#include <algorithm>
#include <fmt/format.h>

#include "kernels/infer.hpp"
#include "kernels/movement/rearrange.hpp"
#include "octet/try.hpp"
#include "schema/core/checked.hpp"

namespace octet {
namespace {

KernelResult create_view(const NodeDesc& n, ThreadPool&) {
  if (n.in[0].dtype == DType::string) return Status::unsupported("string tensors are not supported");
  const int64_t bytes = n.in[0].bytes();
  if (n.in[0].dtype != n.out[0].dtype || bytes != n.out[0].bytes())
    return Status::corrupt(fmt::format("input is {} of {} bytes, output {} of {}", name_of(n.in[0].dtype),
                                       bytes, name_of(n.out[0].dtype), n.out[0].bytes()));
  return make_kernel([bytes](const RunArgs& args) -> Status {
    copy_unless_shared(args.out[0], args.in[0], bytes, args.pool);
    return {};
  });
}

// `dims` with at most one -1, which stands for whatever is left of `elements`.
Result<Shape> resolve(const std::vector<int64_t>& dims, int64_t elements) {
  if (dims.size() > Shape::kMaxRank)
    return Status::unsupported(
        fmt::format("new shape has {} axes, at most {} are supported", dims.size(), Shape::kMaxRank));
  int64_t product = 1;
  int open = -1;
  Shape s;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == -1) {
      if (open >= 0) return Status::corrupt("new shape has more than one -1");
      open = static_cast<int>(i);
      s.push_back(1);
      continue;
    }
    const auto d = checked_cast<int32_t>(dims[i]);
    if (!d || *d < 0) return Status::corrupt(fmt::format("new shape has extent {}", dims[i]));
    const auto p = checked_mul(product, *d);
    if (!p) return Status::corrupt("new shape overflows");
    product = *p;
    s.push_back(*d);
  }
  if (open >= 0) {
    if (product == 0 || elements % product != 0)
      return Status::invalid(fmt::format("{} elements do not divide into parts of {}", elements, product));
    const auto d = checked_cast<int32_t>(elements / product);
    if (!d) return Status::corrupt("new shape overflows");
    s[open] = *d;
    product *= *d;
  }
  if (product != elements)
    return Status::invalid(fmt::format("{} elements do not fit the new shape {}", elements, s.to_string()));
  return s;
}

// The second input wins when it is a vector; older files have the shape in the attributes only.
Result<InferredShapes> infer_reshape(const NodeDesc& n) {
  const int64_t elements = n.in[0].shape.elements();
  const auto& attr = n.attr<ReshapeAttrs>();
  std::vector<int64_t> dims;
  if (const TensorDesc* t = n.optional_input(1); t != nullptr && t->shape.rank() == 1) {
    if (!t->is_known()) return InferredShapes::later();
    OCTET_ASSIGN(dims, integers_of(*t));
  } else if (attr.has_shape) {
    dims.assign(attr.new_shape.begin(), attr.new_shape.end());
    if (dims.size() == 1 && dims[0] == 0 && elements == 1) dims.clear();  // old way to write a scalar
  } else if (t != nullptr) {
    return Status::corrupt(fmt::format("new shape '{}' is not a vector", t->name));
  } else {
    return Status::corrupt("has no new shape");
  }
  OCTET_ASSIGN(Shape s, resolve(dims, elements));
  return one(s);
}

Result<InferredShapes> infer_squeeze(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  const auto& axes = n.attr<SqueezeAttrs>().axes;
  std::array<bool, Shape::kMaxRank> drop{};
  for (int32_t a : axes) {
    const auto axis = normalize_axis(a, in.rank());
    if (!axis) return Status::corrupt(fmt::format("axis {} is out of range for {}", a, in.to_string()));
    if (in[*axis] != 1)
      return Status::invalid(fmt::format("axis {} of {} has more than one element", *axis, in.to_string()));
    drop[static_cast<size_t>(*axis)] = true;
  }
  Shape out;
  for (int i = 0; i < in.rank(); ++i)
    if (axes.empty() ? in[i] != 1 : !drop[static_cast<size_t>(i)]) out.push_back(in[i]);
  return one(out);
}

Result<InferredShapes> infer_expand_dims(const NodeDesc& n) {
  const Shape& in = n.in[0].shape;
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto axes, integers_of(n.in[1]));
  if (axes.size() != 1) return Status::corrupt(fmt::format("takes one axis, has {}", axes.size()));
  if (in.rank() == Shape::kMaxRank) return Status::unsupported("the result has too many axes");
  const auto axis = normalize_axis(axes[0], in.rank() + 1);
  if (!axis) return Status::corrupt(fmt::format("axis {} is out of range for {}", axes[0], in.to_string()));
  Shape out;
  for (int i = 0; i <= in.rank(); ++i) {
    if (i == *axis) out.push_back(1);
    if (i < in.rank()) out.push_back(in[i]);
  }
  return one(out);
}

OpSpec view_spec(OpKind kind, Arity inputs, InferFn infer) {
  return {.kind = kind,
          .traits = kMovesAlone,
          .inputs = inputs,
          .infer = infer,
          .reference = {"reference", create_view},
          .quant = QuantRule::of({activation(), keep()}, {same_as_input(0)}),
          .sharing = Sharing::view,
          .notes = "any type except string; moves nothing"};
}

}  // namespace

const OpSpec& spec_RESHAPE() {
  static const OpSpec spec = view_spec(OpKind::RESHAPE, {1, 2}, infer_reshape);
  return spec;
}

const OpSpec& spec_SQUEEZE() {
  static const OpSpec spec = view_spec(OpKind::SQUEEZE, {1, 1}, infer_squeeze);
  return spec;
}

const OpSpec& spec_EXPAND_DIMS() {
  static const OpSpec spec = view_spec(OpKind::EXPAND_DIMS, {2, 2}, infer_expand_dims);
  return spec;
}

}  // namespace octet
