// From an element type known at run time to a C++ type, and the checks every kernel begins with.
#pragma once

#include <fmt/format.h>

#include "kernels/op_spec.hpp"

namespace octet {

template <class T>
struct Type {
  using type = T;
};

// f(Type<T>{}) for the T among Ts that `t` names; `otherwise` when it names none of them.
template <class... Ts, class F>
KernelResult dispatch(DType t, Status otherwise, F&& f) {
  KernelResult r = std::move(otherwise);
  (void)((t == dtype_of<Ts>() ? (r = f(Type<Ts>{}), true) : false) || ...);
  return r;
}

// What a kernel answers about a type it does not take: a fast one declines, the reference is the last to ask.
inline Status declined_type(DType t) {
  return Status::declined(fmt::format("not for {}", name_of(t)));
}
inline Status unsupported_type(const TensorDesc& t) {
  return Status::unsupported(
      fmt::format("'{}' is {}, which this operator does not take", t.name, name_of(t.dtype)));
}

// The per-tensor parameters of a quantized tensor.
inline Result<Affine> affine_of(const TensorDesc& t) {
  if (t.quant.empty())
    return Status::unsupported(
        fmt::format("'{}' is {} without quantization parameters", t.name, name_of(t.dtype)));
  if (t.quant.params().size() > 1)
    return Status::unsupported(
        fmt::format("'{}' is quantized per channel; this operator takes per tensor", t.name));
  return t.quant.at();
}

inline bool is_small_quantized(DType t) {
  return t == DType::int8 || t == DType::uint8 || t == DType::int16;
}

}  // namespace octet
