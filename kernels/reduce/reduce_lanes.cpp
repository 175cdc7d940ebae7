// Fast reductions of the forms that networks use: {keep, reduce, keep} with any of the parts missing.
//
// Rows of the reduced extent are added lane by lane. When few channels are kept, several rows are taken as
// one wide row, so that the loop over lanes is always long enough to vectorize; its lanes are folded at the
// end.
#include <algorithm>
#include <array>

#include "kernels/dispatch.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/reduce/reduce.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr size_t kLanes = 256;

// How values are folded: into Lane for at most kRun rows, then into Total.
template <class T, class LaneType, class TotalType, size_t run>
struct Plus {
  using Lane = LaneType;
  using Total = TotalType;
  static constexpr size_t kRun = run;
  static constexpr Lane lane_init = 0;
  static constexpr Total total_init = 0;
  OCTET_INLINE static Lane step(Lane a, T x) { return a + static_cast<Lane>(x); }
  static Total merge(Total a, Lane x) { return a + static_cast<Total>(x); }
  static Total merge_totals(Total a, Total x) { return a + x; }
};
template <class T>
struct Extreme {
  using Lane = T;
  using Total = T;
  static constexpr size_t kRun = SIZE_MAX;
};
template <class T>
constexpr T lowest() {
  if constexpr (std::is_floating_point_v<T>) return -std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::lowest();
}
template <class T>
constexpr T highest() {
  if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::max();
}
template <class T>
struct Greatest : Extreme<T> {
  static constexpr T lane_init = lowest<T>(), total_init = lowest<T>();
  OCTET_INLINE static T step(T a, T x) { return a < x ? x : a; }
  static T merge(T a, T x) { return step(a, x); }
  static T merge_totals(T a, T x) { return step(a, x); }
};
template <class T>
struct Least : Extreme<T> {
  static constexpr T lane_init = highest<T>(), total_init = highest<T>();
  OCTET_INLINE static T step(T a, T x) { return x < a ? x : a; }
  static T merge(T a, T x) { return step(a, x); }
  static T merge_totals(T a, T x) { return step(a, x); }
};

// Fold `rows` rows of `lanes` <= kLanes elements, `stride` apart, into total[lanes].
template <class Op, class T>
void fold_rows(const T* in, size_t rows, size_t stride, size_t lanes, typename Op::Total* total) {
  using Lane = typename Op::Lane;
  alignas(64) std::array<Lane, kLanes> lane;
  std::fill_n(total, lanes, Op::total_init);
  for (size_t first = 0; first < rows;) {
    const size_t count = std::min(rows - first, Op::kRun);
    lane.fill(Op::lane_init);
    Lane* acc = lane.data();
    const T* p = in + first * stride;
    row_loop(count, lanes, [acc, p, stride](size_t r, size_t i) OCTET_INLINE {
      acc[i] = Op::step(acc[i], p[r * stride + i]);
    });
    for (size_t i = 0; i < lanes; ++i)
      total[i] = Op::merge(total[i], lane[i]);
    first += count;
  }
}

template <class Op, class T, class Finish>
std::unique_ptr<Kernel> fold_kernel(size_t outer, size_t reduced, size_t inner, Finish finish) {
  return make_kernel([=](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    T* out = static_cast<T*>(args.out[0]);
    const size_t blocks = (inner + kLanes - 1) / kLanes;
    args.pool.for_range(
        outer * blocks, 1 + 8192 / (reduced * std::min(inner, kLanes) + 1), [&](size_t begin, size_t end) {
          alignas(64) std::array<typename Op::Total, kLanes> total;
          for (size_t task = begin; task < end; ++task) {
            const size_t o = task / blocks, first = task % blocks * kLanes;
            const size_t channels = std::min(kLanes, inner - first);
            const T* base = in + o * reduced * inner + first;
            // Wide rows only when all channels are in one block: then `group` rows are contiguous.
            const size_t group = blocks > 1 ? 1 : std::max<size_t>(1, std::min(kLanes / inner, reduced));
            const size_t rows = reduced / group, lanes = channels * group;
            fold_rows<Op>(base, rows, inner * group, lanes, total.data());
            for (size_t i = channels; i < lanes; ++i)  // lane i belongs to channel i % channels
              total[i % channels] = Op::merge_totals(total[i % channels], total[i]);
            for (size_t r = rows * group; r < reduced; ++r)
              for (size_t c = 0; c < channels; ++c)
                total[c] = Op::merge(total[c], Op::step(Op::lane_init, base[r * inner + c]));
            T* to = out + o * inner + first;
            for (size_t c = 0; c < channels; ++c)
              to[c] = finish(total[c]);
          }
        });
    return {};
  });
}

}  // namespace

KernelResult reduce_lanes(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return declined_type(out.dtype);
  OCTET_ASSIGN(const uint32_t axes, reduction_axes(n));
  const ReducePlan plan = plan_reduction(in.shape, axes);
  const auto form = plan.simple();
  if (!form) return Status::declined("reduced axes are not neighbours");
  if (plan.reduced == 0 || plan.kept == 0) return Status::declined("empty");
  const size_t outer = form->outer, inner = form->inner, reduced = plan.reduced;
  const auto same = [](auto v) { return v; };
  if (n.kind == OpKind::REDUCE_MAX || n.kind == OpKind::REDUCE_MIN) {
    if (in.quant != out.quant) return Status::declined("input and output are quantized differently");
    return dispatch<float, int8_t, uint8_t, int16_t, int32_t>(
        in.dtype, declined_type(in.dtype), [&](auto type) -> KernelResult {
          using T = typename decltype(type)::type;
          if (n.kind == OpKind::REDUCE_MAX) return fold_kernel<Greatest<T>, T>(outer, reduced, inner, same);
          return fold_kernel<Least<T>, T>(outer, reduced, inner, same);
        });
  }
  const double divisor = n.kind == OpKind::MEAN ? static_cast<double>(reduced) : 1.0;
  if (in.dtype == DType::float32)
    return fold_kernel<Plus<float, float, double, 32>, float>(
        outer, reduced, inner, [divisor](double v) { return static_cast<float>(v / divisor); });
  if (!is_small_quantized(in.dtype)) return declined_type(in.dtype);
  if (in.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  return dispatch<int8_t, uint8_t, int16_t>(
      in.dtype, declined_type(in.dtype), [&](auto type) -> KernelResult {
        using T = typename decltype(type)::type;
        // 32768 rows of at most 2^16 each stay inside int32.
        return fold_kernel<Plus<T, int32_t, int64_t, 32767>, T>(
            outer, reduced, inner, [=, zeros = static_cast<int64_t>(reduced) * a.zero_point](int64_t sum) {
              const double real = static_cast<double>(a.scale) * static_cast<double>(sum - zeros) / divisor;
              return quantize<T>(real, b);
            });
      });
}

}  // namespace octet
