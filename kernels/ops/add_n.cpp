// ADD_N: the sum of any number of tensors of one shape.
#include <algorithm>
#include <array>

#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"

namespace octet {
namespace {

constexpr size_t kBlock = 256;

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
      std::array<Acc, kBlock> acc;
      for (size_t first = begin; first < end; first += kBlock) {
        const size_t count = std::min(kBlock, end - first);
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

}  // namespace

const OpSpec& spec_ADD_N() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::ADD_N;
    s.inputs = {1, -1};
    s.infer = infer;
    s.reference = {"reference", reference};
    s.quant = QuantRule::of({activation()}, {activation()});
    s.sharing = Sharing::in_place;
    s.notes = "int8 works in Octet; TensorFlow Lite has no int8 form";
    return s;
  }();
  return spec;
}

}  // namespace octet
