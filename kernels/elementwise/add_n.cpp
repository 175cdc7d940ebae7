// ADD_N: the sum of any number of tensors of one shape.
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

constexpr size_t kAddNBlock = 256;

Result<InferredShapes> infer(const NodeDesc& n) {
  for (const TensorDesc& t : n.in)
    if (t.absent || !(t.shape == n.in[0].shape))
      return Status::corrupt("all inputs must have the same shape");
  return infer_same(n);
}

// out[i] = finish(sum of load(input, in[input][i])). Block by block, so that the output may share storage
// with any of the inputs.
template <class T, class Acc, class Load, class Finish>
std::unique_ptr<Kernel> sum_kernel(size_t n, size_t inputs, Load load, Finish finish) {
  return make_kernel([=](const RunArgs& args) -> Status {
    args.pool.for_range(n, 8192, [&](size_t begin, size_t end) {
      std::array<Acc, kAddNBlock> acc;
      for (size_t first = begin; first < end; first += kAddNBlock) {
        const size_t count = std::min(kAddNBlock, end - first);
        acc.fill(Acc{0});
        for (size_t k = 0; k < inputs; ++k) {
          const T* x = static_cast<const T*>(args.in[k]) + first;
          for (size_t i = 0; i < count; ++i)
            acc[i] += load(k, x[i]);
        }
        T* out = static_cast<T*>(args.out[0]) + first;
        for (size_t i = 0; i < count; ++i)
          out[i] = finish(acc[i]);
      }
    });
    return {};
  });
}

KernelResult reference(const NodeDesc& n, ThreadPool&) {
  const TensorDesc& out = n.out[0];
  for (const TensorDesc& t : n.in)
    if (t.dtype != out.dtype) return unsupported_type(t);
  const auto count = static_cast<size_t>(out.elements());
  const size_t inputs = n.in.size();
  if (out.dtype == DType::float32)
    return sum_kernel<float, float>(
        count, inputs, [](size_t, float x) { return x; }, [](float x) { return x; });
  if (out.dtype == DType::int32 || out.dtype == DType::int64)
    return dispatch<int32_t, int64_t>(out.dtype, unsupported_type(out), [&](auto type) -> KernelResult {
      using T = typename decltype(type)::type;
      return sum_kernel<T, uint64_t>(
          count, inputs, [](size_t, T x) { return static_cast<uint64_t>(x); },
          [](uint64_t x) { return static_cast<T>(x); });
    });
  std::vector<Affine> params;
  for (const TensorDesc& t : n.in) {
    OCTET_ASSIGN(const Affine a, affine_of(t));
    params.push_back(a);
  }
  OCTET_ASSIGN(const Affine to, affine_of(out));
  return dispatch<int8_t, uint8_t, int16_t>(out.dtype, unsupported_type(out), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    return sum_kernel<T, double>(
        count, inputs, [params](size_t k, T q) { return dequantize(q, params[k]); },
        [to](double x) { return quantize<T>(x, to); });
  });
}

// Sums in steps of the output, in float: q - zero_point and the rounding of the sum are exact enough for one
// step of 8 bits.
template <class T>
std::unique_ptr<Kernel> byte_kernel(size_t n, const std::vector<Affine>& from, const Affine& to) {
  struct Term {
    float factor;
    int zero_point;
  };
  std::vector<Term> terms;
  for (const Affine& a : from)
    terms.push_back({static_cast<float>(static_cast<double>(a.scale) / static_cast<double>(to.scale)),
                     static_cast<int>(a.zero_point)});
  const int zero_point = static_cast<int>(to.zero_point);
  const auto lo = static_cast<float>(std::numeric_limits<T>::min() - zero_point);
  const auto hi = static_cast<float>(std::numeric_limits<T>::max() - zero_point);
  return make_kernel([=](const RunArgs& args) -> Status {
    args.pool.for_range(n, 32768, [&](size_t begin, size_t end) {
      std::array<float, kAddNBlock> sums;
      float* acc = sums.data();
      for (size_t first = begin; first < end; first += kAddNBlock) {
        const size_t count = std::min(kAddNBlock, end - first);
        sums.fill(0);
        for (size_t k = 0; k < terms.size(); ++k) {
          const T* x = static_cast<const T*>(args.in[k]) + first;
          const Term t = terms[k];
          element_loop(0, count, [=](size_t i) OCTET_INLINE {
            acc[i] += static_cast<float>(x[i] - t.zero_point) * t.factor;
          });
        }
        T* out = static_cast<T*>(args.out[0]) + first;
        element_loop(0, count, [=](size_t i) OCTET_INLINE {
          out[i] = static_cast<T>(round_small(std::min(std::max(acc[i], lo), hi)) + zero_point);
        });
      }
    });
    return {};
  });
}

KernelResult float_sums(const NodeDesc& n, ThreadPool&) {
  const TensorDesc& out = n.out[0];
  if (out.dtype != DType::int8 && out.dtype != DType::uint8) return declined_type(out.dtype);
  for (const TensorDesc& t : n.in)
    if (t.dtype != out.dtype) return declined_type(t.dtype);
  std::vector<Affine> from;
  for (const TensorDesc& t : n.in) {
    OCTET_ASSIGN(const Affine a, affine_of(t));
    from.push_back(a);
  }
  OCTET_ASSIGN(const Affine to, affine_of(out));
  const auto count = static_cast<size_t>(out.elements());
  return out.dtype == DType::int8 ? byte_kernel<int8_t>(count, from, to)
                                  : byte_kernel<uint8_t>(count, from, to);
}

}  // namespace

const OpSpec& spec_ADD_N() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::ADD_N;
    s.traits = Trait::elementwise | Trait::commutative | Trait::monotone;
    s.inputs = {1, -1};
    s.infer = infer;
    s.reference = {"reference", reference};
    s.fast = {{"float-sums", float_sums, cost::per_element<300>}};
    s.quant = QuantRule::of({activation()}, {activation()});
    s.sharing = Sharing::in_place;
    s.readers = {kFloatForm, kFloatForm};
    return s;
  }();
  return spec;
}

}  // namespace octet
