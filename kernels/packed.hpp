// Constants in the form that a kernel wants them in. They are packed by the first kernel of a node and shared
// by all later ones, whichever executor they belong to; equal ones of different models are held once, too.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/op_spec.hpp"

namespace octet {

// Immutable and shared; aligned to 64 bytes, with 64 more that may be read behind the end.
using PackedBytes = std::shared_ptr<const std::byte>;

// Memory of that kind, not yet filled. Throws std::bad_alloc.
std::shared_ptr<std::byte> allocate_packed(size_t bytes);

// What the kernels of one node have packed, in the order in which they ask for it. Every kernel of the node
// must be of the same implementation and made of the same constants. Thread-safe.
class PackedNode {
 public:
  // nullptr when nothing is there yet.
  PackedBytes find(size_t index) const;
  // Keep `packed` as the index-th. Returns what to use: bytes that somebody else has kept already, when they
  // are the same.
  PackedBytes keep(size_t index, PackedBytes packed, size_t bytes);
  // For another implementation.
  void clear();

 private:
  mutable std::mutex mutex_;
  std::vector<PackedBytes> packed_;
};

// The index-th constant that a kernel of node `n` packs: `fill(std::byte*)` writes all of its `bytes` when
// nothing has before.
template <class F>
PackedBytes pack(const NodeDesc& n, size_t index, size_t bytes, const F& fill) {
  if (n.packed != nullptr)
    if (PackedBytes held = n.packed->find(index)) return held;
  std::shared_ptr<std::byte> made = allocate_packed(bytes);
  fill(made.get());
  return n.packed != nullptr ? n.packed->keep(index, std::move(made), bytes) : PackedBytes(std::move(made));
}

}  // namespace octet
