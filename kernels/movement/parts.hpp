// Tensors that are parts of another one along an axis: CONCATENATION, PACK, SPLIT, SPLIT_V, UNPACK.
#pragma once

#include <vector>

#include "kernels/op_spec.hpp"

namespace octet {

// The whole is `outer` rows; each row holds one run of `bytes[i]` of every part i, in order.
struct Parts {
  int64_t outer = 0, row_bytes = 0;
  std::vector<int64_t> bytes, offset;  // per part, inside a row

  void add(int64_t n) {
    offset.push_back(row_bytes);
    bytes.push_back(n);
    row_bytes += n;
  }
};

// Byte offsets for SliceLayout: with one row every part is one run.
inline std::vector<std::optional<int64_t>> contiguous_parts(const Parts& p) {
  std::vector<std::optional<int64_t>> out;
  for (int64_t o : p.offset)
    out.push_back(p.outer == 1 ? std::optional<int64_t>(o) : std::nullopt);
  return out;
}

// Copy part `i` into or out of the whole; nothing when it is there already.
void copy_part_in(const Parts& p, size_t i, void* whole, const void* part, ThreadPool& pool);
void copy_part_out(const Parts& p, size_t i, const void* whole, void* part, ThreadPool& pool);

}  // namespace octet
