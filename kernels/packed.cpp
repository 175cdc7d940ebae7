#include "kernels/packed.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <unordered_map>

namespace octet {
namespace {

constexpr size_t kPackedAlignment = 64;

uint64_t hash_of(const std::byte* data, size_t bytes) {
  // Four independent lanes: one would wait for each multiplication.
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15u;
  uint64_t lanes[4] = {bytes, kFactor, ~kFactor, 1};
  size_t i = 0;
  for (; i + 32 <= bytes; i += 32)
    for (size_t lane = 0; lane < 4; ++lane) {
      uint64_t word;
      std::memcpy(&word, data + i + 8 * lane, sizeof(word));
      lanes[lane] = (lanes[lane] ^ word) * kFactor;
      lanes[lane] ^= lanes[lane] >> 29;
    }
  for (; i < bytes; ++i)
    lanes[0] = (lanes[0] ^ static_cast<uint64_t>(data[i])) * kFactor;
  uint64_t hash = 0;
  for (uint64_t lane : lanes)
    hash = (hash ^ lane ^ (lane >> 31)) * kFactor;
  return hash;
}

// All packed constants of the process, for as long as somebody uses them.
class PackedStore {
 public:
  PackedBytes keep(PackedBytes packed, size_t bytes) {
    const uint64_t hash = hash_of(packed.get(), bytes);
    const std::lock_guard lock(mutex_);
    auto [at, end] = entries_.equal_range(hash);
    while (at != end) {
      const PackedBytes held = at->second.packed.lock();
      if (held == nullptr) {
        at = entries_.erase(at);
      } else if (at->second.bytes == bytes && std::memcmp(held.get(), packed.get(), bytes) == 0) {
        return held;
      } else {
        ++at;
      }
    }
    if (entries_.size() >= sweep_at_) {
      std::erase_if(entries_, [](const auto& e) { return e.second.packed.expired(); });
      sweep_at_ = 2 * entries_.size() + kFirstSweep;
    }
    entries_.emplace(hash, Entry{packed, bytes});
    return packed;
  }

 private:
  static constexpr size_t kFirstSweep = 256;
  struct Entry {
    std::weak_ptr<const std::byte> packed;
    size_t bytes;
  };
  std::mutex mutex_;
  std::unordered_multimap<uint64_t, Entry> entries_;
  size_t sweep_at_ = kFirstSweep;
};

PackedStore& store() {
  static PackedStore s;
  return s;
}

}  // namespace

std::shared_ptr<std::byte> allocate_packed(size_t bytes) {
  if (bytes > SIZE_MAX - 2 * kPackedAlignment) throw std::bad_alloc();
  const size_t room = (bytes + 2 * kPackedAlignment - 1) / kPackedAlignment * kPackedAlignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kPackedAlignment, room));
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory + bytes, 0, room - bytes);
  return {memory, [](std::byte* p) { std::free(p); }};
}

PackedBytes PackedNode::find(size_t index) const {
  const std::lock_guard lock(mutex_);
  return index < packed_.size() ? packed_[index] : nullptr;
}

PackedBytes PackedNode::keep(size_t index, PackedBytes packed, size_t bytes) {
  packed = store().keep(std::move(packed), bytes);
  const std::lock_guard lock(mutex_);
  if (packed_.size() <= index) packed_.resize(index + 1);
  packed_[index] = packed;
  return packed;
}

void PackedNode::clear() {
  const std::lock_guard lock(mutex_);
  packed_.clear();
}

}  // namespace octet
