// Tensors that are stored sparse, and the way back to their dense form.
//
// A sparse tensor is walked in nested loops, one level per axis, outermost first. The axes are the tensor's
// own and, when it is stored in blocks, those inside a block: axis `rank + i` runs inside of axis
// `block_map[i]`, which then counts blocks. A dense level visits every index of its axis, a compressed one
// (CSR) those that it lists. The stored elements are those the walk meets, in that order; all others are 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "octet/status.hpp"
#include "octet/tensor.hpp"

namespace octet {

struct Sparsity {
  struct Level {
    bool compressed = false;
    int32_t size = 0;  // of a dense level: how many indices its axis has
    // Of a compressed one: for entry p of the level above, its indices are entries segments[p] to
    // segments[p + 1] of `indices`.
    std::vector<int32_t> segments, indices;
  };
  std::vector<int32_t> traversal_order;  // the axis of each level
  std::vector<int32_t> block_map;
  std::vector<Level> levels;
};

// The elements of a tensor of `shape` in row-major order, from those that are stored. Trusts nothing: the
// error says what does not fit. The result is as large as `shape` says, which the caller has to bound.
Result<std::vector<std::byte>> densify(const Sparsity& sparsity, const Shape& shape, int element_bytes,
                                       std::span<const std::byte> stored);

}  // namespace octet
