#include "schema/ir/sparsity.hpp"

#include <cstring>
#include <fmt/format.h>

#include "octet/try.hpp"
#include "schema/core/checked.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace {

Status damaged(std::string what) {
  return Status::corrupt("its sparsity is damaged: " + std::move(what));
}

// One loop of the walk: how many indices its axis has, and how far apart in the dense tensor they are.
struct Loop {
  const Sparsity::Level* level;
  int64_t extent, stride;
};

// The loops from the axes of the tensor and of its blocks.
Result<std::vector<Loop>> loops_of(const Sparsity& s, const Shape& shape) {
  const auto rank = static_cast<size_t>(shape.rank()), axes = rank + s.block_map.size();
  if (s.block_map.size() > rank || s.levels.size() != axes || s.traversal_order.size() != axes)
    return damaged(fmt::format("{} levels and an order of {} for {} axes and {} block axes", s.levels.size(),
                               s.traversal_order.size(), rank, s.block_map.size()));
  std::vector<const Sparsity::Level*> level_of(axes, nullptr);
  for (size_t i = 0; i < axes; ++i) {
    const int32_t axis = s.traversal_order[i];
    if (axis < 0 || static_cast<size_t>(axis) >= axes || level_of[static_cast<size_t>(axis)] != nullptr)
      return damaged(fmt::format("its order of axes has {} at level {}", axis, i));
    level_of[static_cast<size_t>(axis)] = &s.levels[i];
  }
  const auto strides = strides_of(shape);
  std::vector<Loop> by_axis(axes);
  for (size_t a = 0; a < rank; ++a)
    by_axis[a] = {level_of[a], shape[static_cast<int>(a)], strides[a]};
  std::vector<char> divided(rank, 0);
  for (size_t i = 0; i < s.block_map.size(); ++i) {
    const int32_t axis = s.block_map[i];
    const Sparsity::Level& inside = *level_of[rank + i];
    if (axis < 0 || static_cast<size_t>(axis) >= rank || divided[static_cast<size_t>(axis)] != 0)
      return damaged(fmt::format("block axis {} divides axis {} of {}", i, axis, rank));
    divided[static_cast<size_t>(axis)] = 1;
    if (inside.compressed)
      return Status::unsupported("is sparse inside of its blocks; Octet reads dense blocks only");
    Loop& outer = by_axis[static_cast<size_t>(axis)];
    if (inside.size < 1 || outer.extent % inside.size != 0)
      return damaged(
          fmt::format("blocks of {} along axis {}, which has {}", inside.size, axis, outer.extent));
    by_axis[rank + i] = {&inside, inside.size, outer.stride};
    outer.extent /= inside.size;
    outer.stride *= inside.size;
  }
  std::vector<Loop> loops;
  for (const int32_t axis : s.traversal_order)
    loops.push_back(by_axis[static_cast<size_t>(axis)]);
  return loops;
}

// How many elements the walk meets, each once. Afterwards no index, and no entry of a level, is out of range.
Result<int64_t> count_elements(const std::vector<Loop>& loops) {
  int64_t count = 1;
  for (size_t i = 0; i < loops.size(); ++i) {
    const auto& [level, extent, stride] = loops[i];
    if (!level->compressed) {
      const auto product = checked_mul(count, extent);
      if (level->size != extent || !product)
        return damaged(fmt::format("level {} has {} indices for an extent of {}", i, level->size, extent));
      count = *product;
      continue;
    }
    const auto &segments = level->segments, &indices = level->indices;
    if (static_cast<int64_t>(segments.size()) - 1 != count || segments.front() != 0 ||
        segments.back() != static_cast<int64_t>(indices.size()))
      return damaged(fmt::format("level {} has {} segments over {} indices for {} entries", i,
                                 segments.size(), indices.size(), count));
    for (size_t p = 0; p + 1 < segments.size(); ++p) {
      const int32_t begin = segments[p], end = segments[p + 1];
      if (begin > end || static_cast<size_t>(end) > indices.size())
        return damaged(fmt::format("segment {} of level {} is from {} to {}", p, i, begin, end));
      int64_t last = -1;  // ascending: no element is named twice
      for (auto k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k) {
        if (indices[k] <= last || indices[k] >= extent)
          return damaged(fmt::format("index {} of level {} is {} after {}, of an extent of {}", k, i,
                                     indices[k], last, extent));
        last = indices[k];
      }
    }
    count = static_cast<int64_t>(indices.size());
  }
  return count;
}

class Walk {
 public:
  Walk(const std::vector<Loop>& loops, size_t element_bytes, const std::byte* stored, std::byte* dense)
      : loops_(loops), size_(element_bytes), stored_(stored), dense_(dense) {}

  // Level `l` and those inside it, for entry `entry` of the level above, which is at element `at`.
  void run(size_t l, int64_t entry, int64_t at) const {
    if (l == loops_.size()) {
      std::memcpy(dense_ + static_cast<size_t>(at) * size_, stored_ + static_cast<size_t>(entry) * size_,
                  size_);
      return;
    }
    const auto& [level, extent, stride] = loops_[l];
    if (!level->compressed) {
      for (int64_t i = 0; i < extent; ++i)
        run(l + 1, entry * extent + i, at + i * stride);
      return;
    }
    const auto p = static_cast<size_t>(entry);
    for (int32_t k = level->segments[p]; k < level->segments[p + 1]; ++k)
      run(l + 1, k, at + level->indices[static_cast<size_t>(k)] * stride);
  }

 private:
  const std::vector<Loop>& loops_;
  size_t size_;
  const std::byte* stored_;
  std::byte* dense_;
};

}  // namespace

Result<std::vector<std::byte>> densify(const Sparsity& sparsity, const Shape& shape, int element_bytes,
                                       std::span<const std::byte> stored) {
  if (shape.elements() == 0 && stored.empty()) return std::vector<std::byte>();
  if (shape.elements() == 0) return damaged("a tensor of no elements has data");
  OCTET_ASSIGN(const std::vector<Loop> loops, loops_of(sparsity, shape));
  OCTET_ASSIGN(const int64_t count, count_elements(loops));
  const auto size = static_cast<size_t>(element_bytes);
  if (static_cast<uint64_t>(count) != stored.size() / size || stored.size() % size != 0)
    return damaged(fmt::format("{} elements of {} bytes in {} bytes of data", count, size, stored.size()));
  std::vector<std::byte> dense(static_cast<size_t>(shape.elements()) * size);
  Walk(loops, size, stored.data(), dense.data()).run(0, 0, 0);
  return dense;
}

}  // namespace octet
