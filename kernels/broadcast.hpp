// NumPy broadcasting of up to three operands: axes are collapsed once, then blocks of elements are handed to
// a plain loop in which every operand is contiguous.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "kernels/thread_pool.hpp"
#include "octet/tensor.hpp"

namespace octet {

class Broadcast {
 public:
  static constexpr int kMaxOperands = 3;
  // The shapes must broadcast to `out` (shape inference has checked it).
  Broadcast(const Shape& out, std::span<const Shape> operands);

  size_t elements() const { return elements_; }

  // f(i, offsets) for each output element in [begin, end); offsets[k] is the element of operand k.
  template <class F>
  void for_each(size_t begin, size_t end, F f) const {
    if (begin >= end) return;
    Cursor c = at(begin);
    for (size_t i = begin; i < end; ++i) {
      f(i, static_cast<const std::array<size_t, kMaxOperands>&>(c.offset));
      advance(c, rank_ - 1);
    }
  }

  // fn(in, out, n, params): n contiguous elements of every operand and of the output. An operand that is
  // repeated is spread into a small buffer first. Threaded.
  using BlockFn = void (*)(const void* const* in, void* out, size_t n, const void* params);
  void run(ThreadPool& pool, std::span<const void* const> in, std::span<const size_t> in_bytes, void* out,
           size_t out_bytes, BlockFn fn, const void* params) const;

 private:
  struct Cursor {
    std::array<size_t, Shape::kMaxRank> index{};
    std::array<size_t, kMaxOperands> offset{};
  };
  Cursor at(size_t linear) const;
  void advance(Cursor& c, int axis) const {  // to the next position along `axis`, with carry
    for (int a = axis; a >= 0; --a) {
      const auto u = static_cast<size_t>(a);
      for (size_t k = 0; k < operands_; ++k)
        c.offset[k] += stride_[k][u];
      if (++c.index[u] < extent_[u] || a == 0) return;
      for (size_t k = 0; k < operands_; ++k)
        c.offset[k] -= stride_[k][u] * extent_[u];
      c.index[u] = 0;
    }
  }
  void run_rows(size_t begin, size_t end, const void* const* in, const size_t* in_bytes, void* out,
                size_t out_bytes, BlockFn fn, const void* params) const;
  void run_blocks(size_t begin, size_t end, const void* const* in, const size_t* in_bytes, void* out,
                  size_t out_bytes, BlockFn fn, const void* params) const;

  size_t operands_ = 0, elements_ = 0;
  int rank_ = 1;  // after collapsing, at least 1
  std::array<size_t, Shape::kMaxRank> extent_{};
  std::array<std::array<size_t, Shape::kMaxRank>, kMaxOperands> stride_{};  // 0 where repeated
  std::array<bool, kMaxOperands> whole_{};     // the operand has every element of the output, in order
  std::array<size_t, kMaxOperands> period_{};  // > 0: a contiguous run of this length, repeated
};

}  // namespace octet
