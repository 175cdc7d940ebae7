// LOCAL_RESPONSE_NORMALIZATION along the last axis:
// x / (bias + alpha * sum of x^2 over the `radius` neighbours on either side)^beta.
#include <algorithm>
#include <cmath>

#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Result<InferredShapes> infer_local_response_normalization(const NodeDesc& n) {
  if (n.in[0].shape.rank() == 0) return Status::corrupt("the input is a scalar; needs at least one axis");
  if (n.attr<LrnAttrs>().radius < 0) return Status::corrupt("negative radius");
  return infer_same(n);
}

template <class T, class Load, class Store>
std::unique_ptr<Kernel> lrn_kernel(const NodeDesc& n, Load load, Store store) {
  const Shape& s = n.in[0].shape;
  const LrnAttrs& attrs = n.attr<LrnAttrs>();
  const auto length = static_cast<size_t>(s[-1]);
  const auto rows = static_cast<size_t>(s.elements(0, s.rank() - 1));
  const size_t radius = std::min(static_cast<size_t>(attrs.radius), length);
  return make_kernel([=](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    T* out = static_cast<T*>(args.out[0]);
    args.pool.for_range(rows, 1 + 512 / (length + 1), [&](size_t begin, size_t end) {
      std::vector<double> x(length);
      for (size_t r = begin; r < end; ++r) {
        for (size_t i = 0; i < length; ++i)
          x[i] = load(in[r * length + i]);
        for (size_t i = 0; i < length; ++i) {
          double sum = 0;
          const size_t first = i < radius ? 0 : i - radius, last = std::min(length, i + radius + 1);
          for (size_t k = first; k < last; ++k)
            sum += x[k] * x[k];
          const double base = static_cast<double>(attrs.bias) + static_cast<double>(attrs.alpha) * sum;
          out[r * length + i] = store(x[i] * std::pow(base, -static_cast<double>(attrs.beta)));
        }
      }
    });
    return {};
  });
}

KernelResult create_local_response_normalization(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != out.dtype) return unsupported_type(out);
  if (in.dtype == DType::float32)
    return lrn_kernel<float>(
        n, [](float x) { return static_cast<double>(x); }, [](double y) { return static_cast<float>(y); });
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  return dispatch<int8_t, uint8_t, int16_t>(in.dtype, unsupported_type(in), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    return lrn_kernel<T>(
        n, [a](T q) { return dequantize(q, a); }, [b](double y) { return quantize<T>(y, b); });
  });
}

}  // namespace

const OpSpec& spec_LOCAL_RESPONSE_NORMALIZATION() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::LOCAL_RESPONSE_NORMALIZATION;
    s.infer = infer_local_response_normalization;
    s.reference = {"reference", create_local_response_normalization};
    s.quant = QuantRule::of({activation()}, {activation()});
    s.readers = {kFloatForm, kNoForm};
    return s;
  }();
  return spec;
}

}  // namespace octet
