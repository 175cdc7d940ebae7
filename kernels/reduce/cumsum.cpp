// CUMSUM along one axis, optionally exclusive of the element itself and from the back.
#include <algorithm>
#include <array>
#include <limits>

#include "kernels/cost.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Status check_axis(const TensorDesc& t) {
  if ((t.dtype != DType::int32 && t.dtype != DType::int64) || t.elements() != 1)
    return Status::corrupt(fmt::format("'{}' must be one int32 or int64", t.name));
  return {};
}

Result<int> resolve(const Shape& s, int64_t axis) {
  const auto a = normalize_axis(axis, s.rank());
  if (!a) return Status::invalid(fmt::format("axis {} is outside of rank {}", axis, s.rank()));
  return *a;
}

Result<InferredShapes> infer_cumsum(const NodeDesc& n) {
  OCTET_TRY(check_axis(n.in[1]));
  if (n.in[1].is_known()) {
    OCTET_ASSIGN(const auto axes, integers_of(n.in[1]));
    OCTET_TRY(resolve(n.in[0].shape, axes[0]).status());
  }
  return infer_same(n);
}

// out = finish(running sum of load(in)). Reads an element before it writes there: works in place.
template <class T, class Acc, class Load, class Finish>
std::unique_ptr<Kernel> cumsum_kernel(const NodeDesc& n, Load load, Finish finish) {
  const auto& attrs = n.attr<CumsumAttrs>();
  const bool wide = n.in[1].dtype == DType::int64;
  return make_kernel([=, exclusive = attrs.exclusive, reverse = attrs.reverse,
                      shape = n.in[0].shape](const RunArgs& args) -> Status {
    const int64_t given =
        wide ? *static_cast<const int64_t*>(args.in[1]) : *static_cast<const int32_t*>(args.in[1]);
    OCTET_ASSIGN(const int axis, resolve(shape, given));
    const auto count = static_cast<size_t>(shape[axis]);
    const auto inner = static_cast<size_t>(shape.elements(axis + 1, shape.rank()));
    const auto outer = static_cast<size_t>(shape.elements(0, axis));
    const T* in = static_cast<const T*>(args.in[0]);
    T* out = static_cast<T*>(args.out[0]);
    args.pool.for_range(outer * inner, 1 + 4096 / (count + 1), [&](size_t begin, size_t end) {
      for (size_t line = begin; line < end; ++line) {
        const size_t base = line / inner * count * inner + line % inner;
        Acc acc = 0;
        for (size_t k = 0; k < count; ++k) {
          const size_t at = base + (reverse ? count - 1 - k : k) * inner;
          const Acc before = acc;
          acc += load(in[at]);
          out[at] = finish(exclusive ? before : acc);
        }
      }
    });
    return {};
  });
}

KernelResult create_cumsum(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return unsupported_type(out);
  if (in.dtype == DType::float32)
    return cumsum_kernel<float, double>(
        n, [](float x) { return static_cast<double>(x); }, [](double v) { return static_cast<float>(v); });
  if (in.dtype == DType::int32 || in.dtype == DType::int64)
    return dispatch<int32_t, int64_t>(in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
      using T = typename decltype(type)::type;
      return cumsum_kernel<T, uint64_t>(
          n, [](T x) { return static_cast<uint64_t>(x); }, [](uint64_t v) { return static_cast<T>(v); });
    });
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  return dispatch<int8_t, uint8_t, int16_t>(in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    return cumsum_kernel<T, int64_t>(
        n, [z = a.zero_point](T q) { return static_cast<int64_t>(q) - z; },
        [a, b](int64_t v) { return quantize<T>(static_cast<double>(a.scale) * static_cast<double>(v), b); });
  });
}

// Longer rows than this may leave int32; not every CPU can turn several int64 into floats at once.
constexpr size_t kMaxRow = size_t{1} << 22;

// The sums of consecutive elements, block by block: adding up depends on the element before, the rest is
// done for many at once.
template <class T, class Finish>
void cumsum_row(const T* in, T* out, size_t n, int zero_point, bool exclusive, bool reverse, Finish finish) {
  constexpr size_t kBlock = 256;
  std::array<int32_t, kBlock> sums;
  int32_t acc = 0;
  for (size_t done = 0; done < n; done += kBlock) {
    const size_t count = std::min(kBlock, n - done), first = reverse ? n - done - count : done;
    for (size_t k = 0; k < count; ++k) {
      const size_t i = reverse ? count - 1 - k : k;
      const int32_t before = acc;
      acc += in[first + i] - zero_point;
      sums[i] = exclusive ? before : acc;
    }
    T* y = out + first;
    const int32_t* x = sums.data();
    element_loop(0, count, [=](size_t i) OCTET_INLINE { y[i] = finish(x[i]); });
  }
}

template <class T>
std::unique_ptr<Kernel> byte_kernel(const NodeDesc& n, const Affine& from, const Affine& to) {
  const float ratio = static_cast<float>(static_cast<double>(from.scale) / static_cast<double>(to.scale));
  const int zero_in = static_cast<int>(from.zero_point), zero_out = static_cast<int>(to.zero_point);
  const auto lo = static_cast<float>(std::numeric_limits<T>::min() - zero_out);
  const auto hi = static_cast<float>(std::numeric_limits<T>::max() - zero_out);
  const auto finish = [=](auto sum) OCTET_INLINE {
    const float v = static_cast<float>(sum) * ratio;
    return static_cast<T>(round_small(std::min(std::max(v, lo), hi)) + zero_out);
  };
  const Shape& s = n.in[0].shape;
  const bool is_last = n.in[1].is_known() && s.rank() > 0 && [&] {
    const auto axes = integers_of(n.in[1]);
    return axes.ok() && normalize_axis((*axes)[0], s.rank()) == s.rank() - 1;
  }();
  const size_t length = is_last ? static_cast<size_t>(s[-1]) : 0;
  if (!is_last || length > kMaxRow)
    return cumsum_kernel<T, int64_t>(
        n, [=](T q) OCTET_INLINE { return static_cast<int64_t>(q - zero_in); }, finish);
  const auto rows = static_cast<size_t>(s.elements(0, s.rank() - 1));
  const auto& attrs = n.attr<CumsumAttrs>();
  return make_kernel(
      [=, exclusive = attrs.exclusive, reverse = attrs.reverse](const RunArgs& args) -> Status {
        const T* in = static_cast<const T*>(args.in[0]);
        T* out = static_cast<T*>(args.out[0]);
        args.pool.for_range(rows, 1 + 8192 / (length + 1), [&](size_t begin, size_t end) {
          for (size_t r = begin; r < end; ++r)
            cumsum_row(in + r * length, out + r * length, length, zero_in, exclusive, reverse, finish);
        });
        return {};
      });
}

// The rounding of the quotient of the scales to float is less than half a step of 8 bits.
KernelResult byte_cumsum(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if ((in.dtype != DType::int8 && in.dtype != DType::uint8) || in.dtype != out.dtype)
    return declined_type(in.dtype);
  OCTET_ASSIGN(const Affine from, affine_of(in));
  OCTET_ASSIGN(const Affine to, affine_of(out));
  return in.dtype == DType::int8 ? byte_kernel<int8_t>(n, from, to) : byte_kernel<uint8_t>(n, from, to);
}

}  // namespace

const OpSpec& spec_CUMSUM() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::CUMSUM;
    s.traits = Trait::homogeneous | Trait::monotone;
    s.inputs = {2, 2};
    s.infer = infer_cumsum;
    s.reference = {"reference", create_cumsum};
    s.fast = {{"byte-sums", byte_cumsum, cost::per_element<500>}};
    s.quant = QuantRule::of({activation(), keep()}, {activation()});
    s.sharing = Sharing::in_place;
    s.readers = {kFloatForm, kFloatForm};
    s.notes = "int8: exact sums";
    return s;
  }();
  return spec;
}

}  // namespace octet
