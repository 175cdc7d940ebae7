// ARG_MAX and ARG_MIN along one axis; the first of equals wins.
#include <algorithm>
#include <cstring>

#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Result<int> axis_of(const NodeDesc& n) {
  OCTET_ASSIGN(const auto axes, integers_of(n.in[1]));
  const int rank = n.in[0].shape.rank();
  const auto axis = axes.size() == 1 ? normalize_axis(axes[0], rank) : std::nullopt;
  if (!axis) return Status::corrupt(fmt::format("'{}' is not one axis of rank {}", n.in[1].name, rank));
  return *axis;
}

Result<InferredShapes> infer_arg_minmax(const NodeDesc& n) {
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const int axis, axis_of(n));
  const Shape& s = n.in[0].shape;
  if (s[axis] == 0) return Status::invalid(fmt::format("axis {} of '{}' is empty", axis, n.in[0].name));
  Shape out;
  for (int a = 0; a < s.rank(); ++a)
    if (a != axis) out.push_back(s[a]);
  return one(out);
}

struct Extents {
  size_t outer, count, inner;
};

template <bool is_max, class T>
bool better(T a, T b) {
  return is_max ? a > b : a < b;
}

// The last axis of bytes: find the extreme (vectorizes), then where it is first.
template <bool is_max, class T>
size_t arg_of_row(const T* x, size_t n) {
  if constexpr (sizeof(T) == 1) {
    T best = x[0];
    for (size_t i = 1; i < n; ++i)
      best = is_max ? std::max(best, x[i]) : std::min(best, x[i]);
    const void* at = std::memchr(x, static_cast<uint8_t>(best), n);
    return static_cast<size_t>(static_cast<const T*>(at) - x);
  } else {
    size_t best = 0;
    for (size_t i = 1; i < n; ++i)
      if (better<is_max>(x[i], x[best])) best = i;
    return best;
  }
}

template <bool is_max, class T, class Index>
std::unique_ptr<Kernel> arg_kernel(const Extents& e) {
  return make_kernel([e](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    Index* out = static_cast<Index*>(args.out[0]);
    if (e.inner == 1) {
      args.pool.for_range(e.outer, 1 + 4096 / e.count, [&](size_t begin, size_t end) {
        for (size_t o = begin; o < end; ++o)
          out[o] = static_cast<Index>(arg_of_row<is_max>(in + o * e.count, e.count));
      });
      return {};
    }
    args.pool.for_range(e.outer, 1 + 4096 / (e.count * e.inner + 1), [&](size_t begin, size_t end) {
      std::vector<T> best(e.inner);
      for (size_t o = begin; o < end; ++o) {
        const T* x = in + o * e.count * e.inner;
        Index* y = out + o * e.inner;
        for (size_t i = 0; i < e.inner; ++i) {
          best[i] = x[i];
          y[i] = 0;
        }
        for (size_t k = 1; k < e.count; ++k)
          for (size_t i = 0; i < e.inner; ++i) {
            const T v = x[k * e.inner + i];
            const bool wins = better<is_max>(v, best[i]);
            best[i] = wins ? v : best[i];
            y[i] = wins ? static_cast<Index>(k) : y[i];
          }
      }
    });
    return {};
  });
}

template <bool is_max>
KernelResult create_arg_minmax(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(const int axis, axis_of(n));
  const TensorDesc &in = n.in[0], &out = n.out[0];
  const Extents e{static_cast<size_t>(in.shape.elements(0, axis)), static_cast<size_t>(in.shape[axis]),
                  static_cast<size_t>(in.shape.elements(axis + 1, in.shape.rank()))};
  if (out.dtype != DType::int32 && out.dtype != DType::int64) return unsupported_type(out);
  if (e.count == 0) return Status::invalid("an empty axis has no extreme");
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t, int64_t, bool>(
      in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
        using T = std::conditional_t<std::is_same_v<typename decltype(type)::type, bool>, uint8_t,
                                     typename decltype(type)::type>;
        if (out.dtype == DType::int32) return arg_kernel<is_max, T, int32_t>(e);
        return arg_kernel<is_max, T, int64_t>(e);
      });
}

OpSpec make(OpKind kind, Implementation reference) {
  OpSpec s;
  s.kind = kind;
  s.inputs = {2, 2};
  s.infer = infer_arg_minmax;
  s.reference = reference;
  s.quant = QuantRule::of({activation(), keep()}, {keep()});
  s.version_int8 = 2;
  s.notes = "the first of equals wins";
  return s;
}

}  // namespace

const OpSpec& spec_ARG_MAX() {
  static const OpSpec spec =
      read_by(make(OpKind::ARG_MAX, {"reference", create_arg_minmax<true>}), kFloatAndInt8, kFloatAndInt8);
  return spec;
}
const OpSpec& spec_ARG_MIN() {
  static const OpSpec spec =
      read_by(make(OpKind::ARG_MIN, {"reference", create_arg_minmax<false>}), kFloatAndInt8, kFloatAndInt8);
  return spec;
}

}  // namespace octet
