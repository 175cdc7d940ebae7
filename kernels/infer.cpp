#include "kernels/infer.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "octet/try.hpp"

namespace octet {

Result<InferredShapes> infer_same(const NodeDesc& n) {
  return one(n.in[0].shape);
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape out = Shape::of_rank(rank);
  for (int i = 1; i <= rank; ++i) {
    const int32_t da = i <= a.rank() ? a[-i] : 1;
    const int32_t db = i <= b.rank() ? b[-i] : 1;
    if (da != db && da != 1 && db != 1) return std::nullopt;
    out[-i] = da == 1 ? db : da;
  }
  return out;
}

Result<InferredShapes> infer_broadcast(const NodeDesc& n) {
  const auto s = broadcast(n.in[0].shape, n.in[1].shape);
  if (!s)
    return Status::invalid(fmt::format("shapes {} of '{}' and {} of '{}' do not broadcast",
                                       n.in[0].shape.to_string(), n.in[0].name, n.in[1].shape.to_string(),
                                       n.in[1].name));
  return one(*s);
}

std::optional<int> normalize_axis(int64_t a, int rank) {
  if (a < -rank || a >= rank) return std::nullopt;
  return static_cast<int>(a < 0 ? a + rank : a);
}

Result<std::vector<int64_t>> integers_of(const TensorDesc& t) {
  if (!t.is_known()) return Status::internal(fmt::format("the contents of '{}' are not known yet", t.name));
  std::vector<int64_t> out;
  if (t.dtype == DType::int32) {
    for (int32_t v : t.as<int32_t>())
      out.push_back(v);
  } else if (t.dtype == DType::int64) {
    for (int64_t v : t.as<int64_t>())
      out.push_back(v);
  } else {
    return Status::unsupported(fmt::format("'{}' is {}, not int32 or int64", t.name, name_of(t.dtype)));
  }
  return out;
}

Result<WindowAxis> window_axis(int32_t in, int32_t filter, int32_t stride, int32_t dilation,
                               Padding::Kind kind, int32_t explicit_before, int32_t explicit_after) {
  if (filter < 1 || stride < 1 || dilation < 1)
    return Status::corrupt(
        fmt::format("window of {}, stride {}, dilation {}: each must be positive", filter, stride, dilation));
  if (in < 0) return Status::corrupt("negative extent");
  const int64_t span = static_cast<int64_t>(filter - 1) * dilation + 1;
  WindowAxis a;
  if (kind == Padding::Kind::same) {
    const int64_t out = (static_cast<int64_t>(in) + stride - 1) / stride;
    const int64_t total = std::max<int64_t>(0, (out - 1) * stride + span - in);
    if (total > INT32_MAX) return Status::corrupt("padding overflows");
    a.out = static_cast<int32_t>(out);
    a.pad_before = static_cast<int32_t>(total / 2);
    a.pad_after = static_cast<int32_t>(total - total / 2);
    return a;
  }
  int64_t padded = in;
  if (kind == Padding::Kind::explicit_) {
    if (explicit_before < 0 || explicit_after < 0) return Status::corrupt("negative padding");
    padded += static_cast<int64_t>(explicit_before) + explicit_after;
    a.pad_before = explicit_before;
    a.pad_after = explicit_after;
  }
  if (padded < span)
    return Status::invalid(fmt::format("a window that spans {} does not fit into {}", span, padded));
  const int64_t out = (padded - span) / stride + 1;
  if (out > INT32_MAX) return Status::corrupt("output extent overflows");
  a.out = static_cast<int32_t>(out);
  return a;
}

Result<Window2D> window_2d(const Shape& input, int32_t filter_h, int32_t filter_w, int32_t stride_h,
                           int32_t stride_w, int32_t dilation_h, int32_t dilation_w, const Padding& padding) {
  Window2D w;
  OCTET_ASSIGN(
      w.h, window_axis(input[1], filter_h, stride_h, dilation_h, padding.kind, padding.top, padding.bottom));
  OCTET_ASSIGN(
      w.w, window_axis(input[2], filter_w, stride_w, dilation_w, padding.kind, padding.left, padding.right));
  return w;
}

}  // namespace octet
