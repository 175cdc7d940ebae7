// Inner products of recurrent operators: a row of weights with a vector.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/op_spec.hpp"
#include "kernels/vector_loop.hpp"

namespace octet {

// Sixteen partial sums: the compiler keeps them in vector registers, and their order is the same on every
// CPU.
template <class W>
float dot_lanes(const W* w, const float* x, int64_t n) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l)
      lanes[l] += static_cast<float>(w[i + l]) * x[i + l];
  float sum = 0;
  for (; i < n; ++i)
    sum += static_cast<float>(w[i]) * x[i];
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l)
      lanes[l] += lanes[l + half];
  return sum + lanes[0];
}

template <class W>
double dot_in_double(const W* w, const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += static_cast<double>(w[i]) * static_cast<double>(x[i]);
  return sum;
}

// Rows of float weights, or of symmetric int8 weights with one scale for all or one per row.
struct Rows {
  int input = -1;  // among the node's inputs
  DType type = DType::float32;
  Quantization quant;
  int64_t columns = 0;

  explicit operator bool() const { return input >= 0; }
  double dot(const RunArgs& args, int64_t row, const float* x, bool in_double) const {
    const size_t i = static_cast<size_t>(input);
    if (type == DType::int8) {
      const int8_t* w = static_cast<const int8_t*>(args.in[i]) + row * columns;
      const double sum =
          in_double ? dot_in_double(w, x, columns) : static_cast<double>(dot_lanes(w, x, columns));
      return sum * static_cast<double>(quant.at(static_cast<size_t>(row)).scale);
    }
    const float* w = static_cast<const float*>(args.in[i]) + row * columns;
    return in_double ? dot_in_double(w, x, columns) : static_cast<double>(dot_lanes(w, x, columns));
  }
};

// Weights of a float operator: float32, or int8 with parameters and zero point 0.
inline Result<Rows> rows_of(const NodeDesc& n, int input, int64_t columns) {
  Rows r{.input = input, .quant = {}, .columns = columns};
  if (input < 0) return r;
  const TensorDesc& t = n.in[static_cast<size_t>(input)];
  r.type = t.dtype;
  r.quant = t.quant;
  if (t.dtype == DType::float32) return r;
  if (t.dtype != DType::int8 || t.quant.empty())
    return Status::unsupported(std::string("weights '") + std::string(t.name) + "' are " +
                               std::string(name_of(t.dtype)) + " in a float operator");
  for (const Affine& a : t.quant.params())
    if (a.zero_point != 0) return Status::unsupported("weights with a zero point");
  return r;
}

// Sums of int8 products. Of int8 data in int32, which holds 2^17 of them, so block by block.
OCTET_INLINE inline int64_t dot_integer(const int8_t* w, const int8_t* x, int64_t n) {
  constexpr int64_t kBlock = int64_t{1} << 16;
  int64_t total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    int32_t sum = 0;
    for (int64_t i = begin; i < end; ++i)
      sum += int32_t{w[i]} * int32_t{x[i]};
    total += sum;
  }
  return total;
}
OCTET_INLINE inline int64_t dot_integer(const int8_t* w, const int16_t* x, int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += int32_t{w[i]} * int32_t{x[i]};
  return sum;
}

// sums[r] for the rows r in [begin, end) of weights with so many columns.
template <class T>
void dot_rows(const int8_t* w, const T* x, int64_t columns, size_t begin, size_t end, int64_t* sums) {
  element_loop(begin, end, [=](size_t r) OCTET_INLINE {
    sums[r] = dot_integer(w + static_cast<int64_t>(r) * columns, x, columns);
  });
}

// Rows worth a thread of their own: a step of a small cell stays on one.
inline size_t grain_of_rows(int64_t products_per_row) {
  return static_cast<size_t>(std::max<int64_t>(1, 65536 / std::max<int64_t>(1, products_per_row)));
}

// A variable tensor: the executor hands it over among the inputs and lets the kernel write it.
template <class T>
T* state_of(const RunArgs& args, int input) {
  return static_cast<T*>(const_cast<void*>(args.in[static_cast<size_t>(input)]));
}

// State must be a variable: anything else may be a constant in a read-only file.
Status check_state(const TensorDesc& t, int64_t elements);

}  // namespace octet
