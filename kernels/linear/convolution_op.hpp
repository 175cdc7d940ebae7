// What the operators that are convolutions share: their specs differ in OpSpec::convolution, and
// implementations start from there.
#pragma once

#include <fmt/format.h>
#include <type_traits>

#include "kernels/infer.hpp"
#include "kernels/linear/convolution.hpp"
#include "octet/try.hpp"

namespace octet::linear {

// Implementation::create from a function of the node and its convolution, with or without a thread pool.
template <auto make>
KernelResult from_convolution(const NodeDesc& n, ThreadPool& pool) {
  OCTET_ASSIGN(const Convolution c, find_spec(n.kind)->convolution(n));
  if constexpr (std::is_invocable_v<decltype(make), const NodeDesc&, const Convolution&, ThreadPool&>)
    return make(n, c, pool);
  else
    return make(n, c);
}

// OpSpec::macs from a node's geometry.
template <Result<Geometry> (*geometry)(const NodeDesc&)>
int64_t macs_of(const NodeDesc& n) {
  const auto g = geometry(n);
  return g.ok() ? g->macs() : 0;
}

// An optional bias has one element for each output channel.
inline Status check_bias(const NodeDesc& n, size_t slot, int64_t channels) {
  const TensorDesc* b = n.optional_input(slot);
  if (b == nullptr || b->elements() == channels) return {};
  return Status::corrupt(fmt::format("{} biases for {} output channels", b->elements(), channels));
}

// The output shape that a transposed convolution is given as an input, which is known.
inline Result<Shape> given_shape(const TensorDesc& t, size_t rank) {
  OCTET_ASSIGN(const auto extents, integers_of(t));
  if (extents.size() != rank) return Status::corrupt(fmt::format("an output of {} axes", extents.size()));
  Shape y;
  for (const int64_t e : extents) {
    if (e < 0 || e > INT32_MAX) return Status::corrupt(fmt::format("an output extent of {}", e));
    y.push_back(static_cast<int32_t>(e));
  }
  return y;
}

}  // namespace octet::linear
