#include "kernels/broadcast.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace octet {
namespace {

constexpr size_t kBlock = 512;     // elements of a spread operand
constexpr size_t kShortRow = 64;   // rows shorter than this are gathered into blocks
constexpr size_t kMaxElement = 8;  // bytes
constexpr size_t kGrain = 16384;

template <class T>
void fill_as(void* out, const void* value, size_t n) {
  T v;
  std::memcpy(&v, value, sizeof v);
  std::fill_n(static_cast<T*>(out), n, v);
}

void fill(void* out, const void* value, size_t n, size_t element_bytes) {
  switch (element_bytes) {
    case 1: return fill_as<uint8_t>(out, value, n);
    case 2: return fill_as<uint16_t>(out, value, n);
    case 4: return fill_as<uint32_t>(out, value, n);
    default: return fill_as<uint64_t>(out, value, n);
  }
}

const std::byte* element(const void* base, size_t index, size_t bytes) {
  return static_cast<const std::byte*>(base) + index * bytes;
}

}  // namespace

Broadcast::Broadcast(const Shape& out, std::span<const Shape> operands)
    : operands_(operands.size()), elements_(static_cast<size_t>(out.elements())) {
  // Strides per operand and axis of the output; axes of extent 1 carry no information.
  struct Axis {
    size_t extent = 0;
    std::array<size_t, kMaxOperands> stride{};
  };
  std::array<Axis, Shape::kMaxRank> axes{};
  int count = 0;
  std::array<size_t, kMaxOperands> step{1, 1, 1};
  for (int a = 1; a <= out.rank(); ++a) {  // from the last axis
    if (out[-a] == 1) continue;
    Axis x{.extent = static_cast<size_t>(out[-a])};
    for (size_t k = 0; k < operands_; ++k) {
      const Shape& s = operands[k];
      const size_t extent = a <= s.rank() ? static_cast<size_t>(s[-a]) : 1;
      x.stride[k] = extent == 1 ? 0 : step[k];
      step[k] *= extent;
    }
    // Merge with the axis behind it when every operand steps evenly across both.
    if (count > 0) {
      Axis& last = axes[static_cast<size_t>(count - 1)];
      bool even = true;
      for (size_t k = 0; k < operands_; ++k)
        even = even && x.stride[k] == last.stride[k] * last.extent;
      if (even) {
        last.extent *= x.extent;
        continue;
      }
    }
    axes[static_cast<size_t>(count++)] = x;
  }
  if (count == 0) axes[static_cast<size_t>(count++)] = {.extent = elements_};
  rank_ = count;
  for (int a = 0; a < count; ++a) {
    const Axis& x = axes[static_cast<size_t>(count - 1 - a)];
    extent_[static_cast<size_t>(a)] = x.extent;
    for (size_t k = 0; k < operands_; ++k)
      stride_[k][static_cast<size_t>(a)] = x.stride[k];
  }
  for (size_t k = 0; k < operands_; ++k) {
    size_t run = 1;
    int a = rank_ - 1;
    for (; a >= 0 && stride_[k][static_cast<size_t>(a)] == run; --a)
      run *= extent_[static_cast<size_t>(a)];
    whole_[k] = a < 0;
    for (; a >= 0 && stride_[k][static_cast<size_t>(a)] == 0; --a) {
    }
    period_[k] = a < 0 ? run : 0;
  }
}

Broadcast::Cursor Broadcast::at(size_t linear) const {
  Cursor c;
  for (int a = rank_ - 1; a >= 0; --a) {
    const auto u = static_cast<size_t>(a);
    c.index[u] = linear % extent_[u];
    linear /= extent_[u];
    for (size_t k = 0; k < operands_; ++k)
      c.offset[k] += c.index[u] * stride_[k][u];
  }
  return c;
}

// Long rows: operands that step along the row are used in place, the others hold one value for all of it.
void Broadcast::run_rows(size_t begin, size_t end, const void* const* in, const size_t* in_bytes, void* out,
                         size_t out_bytes, BlockFn fn, const void* params) const {
  alignas(64) std::byte buffer[kMaxOperands][kBlock * kMaxElement];
  const auto inner = static_cast<size_t>(rank_ - 1);
  const size_t row = extent_[inner];
  bool spread = false;
  for (size_t k = 0; k < operands_; ++k)
    spread = spread || stride_[k][inner] == 0;
  Cursor c = at(begin);
  bool fresh = true;
  for (size_t i = begin; i < end;) {
    const size_t column = c.index[inner];
    size_t n = std::min(row - column, end - i);
    if (spread) n = std::min(n, kBlock);
    const void* block[kMaxOperands] = {};
    for (size_t k = 0; k < operands_; ++k) {
      const std::byte* p = element(in[k], c.offset[k], in_bytes[k]);
      if (stride_[k][inner] != 0) {
        block[k] = p;
      } else {
        if (fresh) fill(buffer[k], p, std::min(row, kBlock), in_bytes[k]);
        block[k] = buffer[k];
      }
    }
    fn(block, static_cast<std::byte*>(out) + i * out_bytes, n, params);
    i += n;
    fresh = column + n == row;
    c.index[inner] += n - 1;
    for (size_t k = 0; k < operands_; ++k)
      c.offset[k] += (n - 1) * stride_[k][inner];
    advance(c, rank_ - 1);
  }
}

// Short rows: operands that are not laid out like the output are gathered, many rows at a time.
void Broadcast::run_blocks(size_t begin, size_t end, const void* const* in, const size_t* in_bytes, void* out,
                           size_t out_bytes, BlockFn fn, const void* params) const {
  alignas(64) std::byte buffer[kMaxOperands][2 * kBlock * kMaxElement];
  const auto inner = static_cast<size_t>(rank_ - 1);
  const size_t row = extent_[inner];
  bool gather = false;
  for (size_t k = 0; k < operands_; ++k) {
    if (whole_[k]) continue;
    if (period_[k] == 0 || period_[k] > kBlock) {
      gather = true;
      continue;
    }
    for (size_t at = 0; at < kBlock + period_[k]; at += period_[k])
      std::memcpy(buffer[k] + at * in_bytes[k], in[k], std::min(period_[k], 2 * kBlock - at) * in_bytes[k]);
  }
  Cursor c = at(begin);
  for (size_t i = begin; i < end;) {
    const size_t n = std::min(kBlock, end - i);
    const void* block[kMaxOperands] = {};
    for (size_t k = 0; k < operands_; ++k) {
      if (whole_[k])
        block[k] = element(in[k], i, in_bytes[k]);
      else if (period_[k] != 0 && period_[k] <= kBlock)
        block[k] = buffer[k] + (i % period_[k]) * in_bytes[k];
      else
        block[k] = buffer[k];
    }
    if (gather) {
      for (size_t filled = 0; filled < n;) {
        const size_t m = std::min(row - c.index[inner], n - filled);
        for (size_t k = 0; k < operands_; ++k) {
          if (block[k] != buffer[k] || (period_[k] != 0 && period_[k] <= kBlock)) continue;
          std::byte* to = buffer[k] + filled * in_bytes[k];
          const std::byte* from = element(in[k], c.offset[k], in_bytes[k]);
          if (stride_[k][inner] == 0)
            fill(to, from, m, in_bytes[k]);
          else
            std::memcpy(to, from, m * in_bytes[k]);
        }
        filled += m;
        c.index[inner] += m - 1;
        for (size_t k = 0; k < operands_; ++k)
          c.offset[k] += (m - 1) * stride_[k][inner];
        advance(c, rank_ - 1);
      }
    }
    fn(block, static_cast<std::byte*>(out) + i * out_bytes, n, params);
    i += n;
  }
}

void Broadcast::run(ThreadPool& pool, std::span<const void* const> in, std::span<const size_t> in_bytes,
                    void* out, size_t out_bytes, BlockFn fn, const void* params) const {
  const bool rows = rank_ == 1 || extent_[static_cast<size_t>(rank_ - 1)] >= kShortRow;
  pool.for_range(elements_, kGrain, [&](size_t begin, size_t end) {
    if (rows)
      run_rows(begin, end, in.data(), in_bytes.data(), out, out_bytes, fn, params);
    else
      run_blocks(begin, end, in.data(), in_bytes.data(), out, out_bytes, fn, params);
  });
}

}  // namespace octet
