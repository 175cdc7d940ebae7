// TOPK_V2: the k greatest of the last axis, greatest first, and their positions; of equals the first comes
// first.
#include <algorithm>
#include <numeric>

#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Result<int32_t> k_of(const NodeDesc& n) {
  OCTET_ASSIGN(const auto k, integers_of(n.in[1]));
  const Shape& s = n.in[0].shape;
  if (s.rank() == 0) return Status::corrupt("the input is a scalar; needs at least one axis");
  if (k.size() != 1 || k[0] < 0 || k[0] > s[-1])
    return Status::invalid(fmt::format("k must be one number from 0 to {}", s[-1]));
  return static_cast<int32_t>(k[0]);
}

Result<InferredShapes> infer_topk(const NodeDesc& n) {
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const int32_t k, k_of(n));
  Shape s = n.in[0].shape;
  s[-1] = k;
  return InferredShapes{.deferred = false, .shapes = {s, s}};
}

// NaN counts as greater than every number, so that the order is total.
template <class T>
bool before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a) return b == b;
    if (b != b) return false;
  }
  return a > b;
}

template <class T, class Index>
std::unique_ptr<Kernel> topk_kernel(size_t rows, size_t length, size_t k) {
  return make_kernel([=](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    T* values = static_cast<T*>(args.out[0]);
    Index* positions = static_cast<Index*>(args.out[1]);
    args.pool.for_range(rows, 1 + 2048 / (length + 1), [&](size_t begin, size_t end) {
      std::vector<Index> order(length);
      for (size_t r = begin; r < end; ++r) {
        const T* x = in + r * length;
        std::iota(order.begin(), order.end(), Index{0});
        std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(k), order.end(),
                          [x](Index a, Index b) {
                            const T u = x[static_cast<size_t>(a)], v = x[static_cast<size_t>(b)];
                            return before(u, v) || (!before(v, u) && a < b);
                          });
        for (size_t i = 0; i < k; ++i) {
          values[r * k + i] = x[static_cast<size_t>(order[i])];
          positions[r * k + i] = order[i];
        }
      }
    });
    return {};
  });
}

KernelResult create_topk(const NodeDesc& n, ThreadPool&) {
  const TensorDesc& in = n.in[0];
  OCTET_ASSIGN(const int32_t k, k_of(n));
  if (n.out[0].dtype != in.dtype) return unsupported_type(n.out[0]);
  if (n.out[1].dtype != DType::int32 && n.out[1].dtype != DType::int64) return unsupported_type(n.out[1]);
  const auto length = static_cast<size_t>(in.shape[-1]);
  const auto rows = static_cast<size_t>(in.shape.elements(0, in.shape.rank() - 1));
  return dispatch<float, int8_t, uint8_t, int16_t, int32_t, int64_t>(
      in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
        using T = typename decltype(type)::type;
        if (n.out[1].dtype == DType::int32)
          return topk_kernel<T, int32_t>(rows, length, static_cast<size_t>(k));
        return topk_kernel<T, int64_t>(rows, length, static_cast<size_t>(k));
      });
}

}  // namespace

const OpSpec& spec_TOPK_V2() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::TOPK_V2;
    s.inputs = {2, 2};
    s.outputs = {2, 2};
    s.infer = infer_topk;
    s.reference = {"reference", create_topk};
    s.quant = QuantRule::of({activation(), keep()}, {same_as_input(0), keep()});
    s.version_int8 = 2;
    s.version_int16 = 3;
    s.readers = {kEveryForm, kNoForm};
    s.notes = "along the last axis";
    return s;
  }();
  return spec;
}

}  // namespace octet
