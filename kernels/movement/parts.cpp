#include "kernels/movement/parts.hpp"

#include <algorithm>

#include "kernels/movement/rearrange.hpp"

namespace octet {
namespace {

constexpr int64_t kPartsGrainBytes = 32768;

void copy_rows(std::byte* dst, int64_t dst_step, const std::byte* src, int64_t src_step, int64_t rows,
               int64_t bytes, ThreadPool& pool) {
  if (dst == src || bytes == 0) return;
  if (rows == 1) return copy_unless_shared(dst, src, bytes, pool);
  pool.for_range(static_cast<size_t>(rows),
                 static_cast<size_t>(std::max<int64_t>(1, kPartsGrainBytes / bytes)),
                 [&](size_t begin, size_t end) {
                   const auto r = static_cast<int64_t>(begin);
                   copy_strided(bytes, src + r * src_step, src_step, dst + r * dst_step, dst_step,
                                static_cast<int64_t>(end) - r);
                 });
}

}  // namespace

void copy_part_in(const Parts& p, size_t i, void* whole, const void* part, ThreadPool& pool) {
  copy_rows(static_cast<std::byte*>(whole) + p.offset[i], p.row_bytes, static_cast<const std::byte*>(part),
            p.bytes[i], p.outer, p.bytes[i], pool);
}

void copy_part_out(const Parts& p, size_t i, const void* whole, void* part, ThreadPool& pool) {
  copy_rows(static_cast<std::byte*>(part), p.bytes[i], static_cast<const std::byte*>(whole) + p.offset[i],
            p.row_bytes, p.outer, p.bytes[i], pool);
}

}  // namespace octet
