#include "kernels/movement/rearrange.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>

namespace octet {
namespace {

constexpr int64_t kTile = 32;                    // edge of a transposed block in units: both sides stay in L1
constexpr int64_t kRearrangeGrainBytes = 32768;  // less than this is not worth another thread

int64_t term(const SourceAxis& a, int64_t i) {
  return a.table.empty() ? i * a.step : a.table[static_cast<size_t>(i)];
}

// Copies of `n` units of B bytes each; the constant size makes memcpy one or two moves.
template <size_t B>
void copy_units(const std::byte* src, int64_t src_step, std::byte* dst, int64_t dst_step, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(dst + i * dst_step, src + i * src_step, B);
}
using CopyUnits = void (*)(const std::byte*, int64_t, std::byte*, int64_t, int64_t);
CopyUnits copier_of(int64_t unit) {
  switch (unit) {
    case 1: return copy_units<1>;
    case 2: return copy_units<2>;
    case 3: return copy_units<3>;
    case 4: return copy_units<4>;
    case 6: return copy_units<6>;
    case 8: return copy_units<8>;
    case 12: return copy_units<12>;
    case 16: return copy_units<16>;
    case 24: return copy_units<24>;
    case 32: return copy_units<32>;
    case 48: return copy_units<48>;
    case 64: return copy_units<64>;
    case 96: return copy_units<96>;
    case 128: return copy_units<128>;
    default: return nullptr;
  }
}

// `n` times the same unit, one after the other: what is there already is copied behind itself.
void repeat(int64_t unit, const std::byte* src, std::byte* dst, int64_t n) {
  const auto all = static_cast<size_t>(unit * n);
  auto done = static_cast<size_t>(unit);
  std::memcpy(dst, src, done);
  while (done < all) {
    const size_t more = std::min(done, all - done);
    std::memcpy(dst + done, dst, more);
    done += more;
  }
}

// A table that is an arithmetic progression becomes a step.
void straighten(SourceAxis& a, int64_t& base) {
  if (a.table.empty() || a.table[0] == kFromFill) return;
  const int64_t step = a.extent > 1 && a.table[1] != kFromFill ? a.table[1] - a.table[0] : 0;
  for (int64_t i = 1; i < a.extent; ++i)
    if (a.table[static_cast<size_t>(i)] == kFromFill ||
        a.table[static_cast<size_t>(i)] != a.table[0] + i * step)
      return;
  base += a.table[0];
  a = SourceAxis::by_step(a.extent, step);
}

}  // namespace

void copy_strided(int64_t unit, const std::byte* src, int64_t src_step, std::byte* dst, int64_t dst_step,
                  int64_t n) {
  if (src_step == 0 && dst_step == unit && n > 0) return repeat(unit, src, dst, n);
  if (const CopyUnits copy = copier_of(unit); copy != nullptr) return copy(src, src_step, dst, dst_step, n);
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(dst + i * dst_step, src + i * src_step, static_cast<size_t>(unit));
}

void Rearrangement::set_fill(const void* value) {
  std::memcpy(fill.data(), value, element);
}

void rearrange_naive(const Rearrangement& r, const void* src, void* dst) {
  std::vector<int64_t> index(r.axes.size(), 0);
  int64_t total = 1;
  for (const SourceAxis& a : r.axes)
    total *= a.extent;
  for (int64_t o = 0; o < total; ++o) {
    int64_t from = r.base;
    bool filled = false;
    for (size_t k = 0; k < r.axes.size(); ++k) {
      const int64_t t = term(r.axes[k], index[k]);
      filled = filled || t == kFromFill;
      if (!filled) from += t;
    }
    const void* s = filled ? static_cast<const void*>(r.fill.data())
                           : static_cast<const std::byte*>(src) + from * static_cast<int64_t>(r.element);
    std::memcpy(static_cast<std::byte*>(dst) + o * static_cast<int64_t>(r.element), s, r.element);
    for (size_t k = r.axes.size(); k-- > 0;) {
      if (++index[k] < r.axes[k].extent) break;
      index[k] = 0;
    }
  }
}

FastRearrangement::FastRearrangement(Rearrangement r) : r_(std::move(r)) {
  const auto e = static_cast<int64_t>(r_.element);
  r_.base *= e;
  int64_t total = e;
  std::vector<SourceAxis> axes;
  for (SourceAxis& a : r_.axes) {
    total *= a.extent;
    a.step *= e;
    for (int64_t& t : a.table)
      if (t != kFromFill) t *= e;
    straighten(a, r_.base);
    if (a.extent == 1 && a.table.empty()) continue;
    if (!axes.empty() && a.table.empty() && axes.back().table.empty() &&
        axes.back().step == a.extent * a.step) {
      axes.back() = SourceAxis::by_step(axes.back().extent * a.extent, a.step);
    } else {
      axes.push_back(std::move(a));
    }
  }
  r_.axes = std::move(axes);
  if (total == 0) {
    r_.axes.clear();
    return;  // unit_ 0: nothing to do
  }
  unit_ = e;
  if (!r_.axes.empty() && r_.axes.back().table.empty() && r_.axes.back().step == unit_) {
    unit_ *= r_.axes.back().extent;
    r_.axes.pop_back();
  }
  row_bytes_ = unit_;
  if (!r_.axes.empty()) {
    last_ = std::move(r_.axes.back());
    r_.axes.pop_back();
    row_bytes_ *= last_.extent;
    if (!last_.table.empty()) find_runs(last_.table);
  }
  int64_t step = row_bytes_;
  dst_steps_.resize(r_.axes.size());
  for (size_t k = r_.axes.size(); k-- > 0;) {
    dst_steps_[k] = step;
    step *= r_.axes[k].extent;
  }
  block_transpose();
}

void FastRearrangement::find_runs(const std::vector<int64_t>& table) {
  for (size_t i = 0; i < table.size(); ++i) {
    const int64_t dst = static_cast<int64_t>(i) * unit_;
    if (!runs_.empty()) {
      Run& r = runs_.back();
      const bool goes_on =
          table[i] == kFromFill ? r.src == kFromFill : r.src != kFromFill && r.src + r.bytes == table[i];
      if (goes_on) {
        r.bytes += unit_;
        continue;
      }
    }
    runs_.push_back({dst, table[i], unit_});
  }
}

// When the innermost axis strides through the source and another one walks it closer, the two are walked
// together in blocks, so that each cache line of either side is used whole.
void FastRearrangement::block_transpose() {
  if (last_.extent == 0 || !last_.table.empty() || unit_ > 16 || last_.step == 0) return;
  size_t best = r_.axes.size();
  for (size_t k = 0; k < r_.axes.size(); ++k) {
    const SourceAxis& a = r_.axes[k];
    if (!a.table.empty() || a.step == 0 || std::abs(a.step) >= std::abs(last_.step)) continue;
    if (best == r_.axes.size() || std::abs(a.step) < std::abs(r_.axes[best].step)) best = k;
  }
  if (best == r_.axes.size()) return;
  column_ = r_.axes[best];
  column_dst_step_ = dst_steps_[best];
  r_.axes.erase(r_.axes.begin() + static_cast<ptrdiff_t>(best));
  dst_steps_.erase(dst_steps_.begin() + static_cast<ptrdiff_t>(best));
}

void FastRearrangement::fill_bytes(std::byte* dst, int64_t bytes) const {
  const size_t e = r_.element;
  if (std::all_of(r_.fill.begin(), r_.fill.begin() + static_cast<ptrdiff_t>(e),
                  [&](std::byte b) { return b == r_.fill[0]; })) {
    std::memset(dst, std::to_integer<int>(r_.fill[0]), static_cast<size_t>(bytes));
    return;
  }
  for (int64_t i = 0; i < bytes; i += static_cast<int64_t>(e))
    std::memcpy(dst + i, r_.fill.data(), e);
}

// Output bytes [from, to) of one row; whole runs, or whole units of a strided row.
void FastRearrangement::run_row(const std::byte* src, std::byte* dst, int64_t from, int64_t to) const {
  if (!runs_.empty()) {
    for (const Run& r : runs_) {
      const int64_t a = std::max(from, r.dst), b = std::min(to, r.dst + r.bytes);
      if (a >= b) continue;
      if (r.src == kFromFill)
        fill_bytes(dst + a, b - a);
      else if (dst + a != src + r.src + (a - r.dst))
        std::memmove(dst + a, src + r.src + (a - r.dst), static_cast<size_t>(b - a));
    }
    return;
  }
  if (last_.extent == 0) {
    if (dst != src) std::memmove(dst + from, src + from, static_cast<size_t>(to - from));
    return;
  }
  const int64_t i = from / unit_;
  copy_strided(unit_, src + i * last_.step, last_.step, dst + i * unit_, unit_, to / unit_ - i);
}

// Columns [begin, end) of a block whose rows are the innermost axis.
void FastRearrangement::run_block(const std::byte* src, std::byte* dst, int64_t begin, int64_t end) const {
  for (int64_t i = 0; i < last_.extent; i += kTile) {
    const int64_t n = std::min(kTile, last_.extent - i);
    if (n >= end - begin) {
      for (int64_t c = begin; c < end; ++c)
        copy_strided(unit_, src + i * last_.step + c * column_.step, last_.step,
                     dst + i * unit_ + c * column_dst_step_, unit_, n);
    } else {
      for (int64_t j = i; j < i + n; ++j)
        copy_strided(unit_, src + j * last_.step + begin * column_.step, column_.step,
                     dst + j * unit_ + begin * column_dst_step_, column_dst_step_, end - begin);
    }
  }
}

void FastRearrangement::run(const void* source, void* destination, ThreadPool& pool) const {
  if (unit_ == 0) return;
  const std::byte* src = static_cast<const std::byte*>(source) + r_.base;
  auto* dst = static_cast<std::byte*>(destination);
  int64_t rows = 1;
  for (const SourceAxis& a : r_.axes)
    rows *= a.extent;
  // One outer step is a row, a strip of a transposed block, or a piece of the only row.
  const int64_t strips = column_.extent > 0 ? (column_.extent + kTile - 1) / kTile : 1;
  const int64_t piece =
      rows == 1 && strips == 1 ? unit_ * std::max<int64_t>(1, kRearrangeGrainBytes / unit_) : row_bytes_;
  // A single unit may be the whole tensor: it is cut at any byte when it is a plain copy.
  const bool plain = last_.extent == 0 && rows == 1;
  const int64_t cut = plain ? kRearrangeGrainBytes : piece;
  const int64_t pieces = rows == 1 && strips == 1 ? (row_bytes_ + cut - 1) / cut : 1;
  const int64_t step_bytes =
      column_.extent > 0 ? row_bytes_ * std::min(kTile, column_.extent) : std::min(cut, row_bytes_);
  auto task = [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      const int64_t part = static_cast<int64_t>(t) % (strips * pieces);
      int64_t row = static_cast<int64_t>(t) / (strips * pieces);
      int64_t from = 0, to = 0;
      bool filled = false;
      for (size_t k = r_.axes.size(); k-- > 0;) {
        const int64_t i = row % r_.axes[k].extent;
        row /= r_.axes[k].extent;
        const int64_t s = term(r_.axes[k], i);
        filled = filled || s == kFromFill;
        if (!filled) from += s;
        to += i * dst_steps_[k];
      }
      if (column_.extent > 0) {
        const int64_t c = part * kTile, c_end = std::min(column_.extent, c + kTile);
        if (!filled) {
          run_block(src + from, dst + to, c, c_end);
        } else {
          for (int64_t j = c; j < c_end; ++j)
            fill_bytes(dst + to + j * column_dst_step_, row_bytes_);
        }
        continue;
      }
      const int64_t a = part * cut, b = std::min(row_bytes_, a + cut);
      if (filled)
        fill_bytes(dst + to + a, b - a);
      else
        run_row(src + from, dst + to, a, b);
    }
  };
  pool.for_range(static_cast<size_t>(rows * strips * pieces),
                 static_cast<size_t>(std::max<int64_t>(1, kRearrangeGrainBytes / step_bytes)), task);
}

Status fits_tables(const Shape& out) {
  constexpr int32_t kMaxExtent = 1 << 24;
  for (const int32_t d : out.dims())
    if (d > kMaxExtent)
      return Status::exhausted(
          fmt::format("an axis of {} in {}; at most {}", d, out.to_string(), kMaxExtent));
  return {};
}

Result<size_t> moved_element(const NodeDesc& n, size_t in, size_t out) {
  const DType t = n.in[in].dtype;
  if (bytes_of(t) == 0) return Status::unsupported(fmt::format("{} tensors are not supported", name_of(t)));
  if (n.out[out].dtype != t)
    return Status::corrupt(fmt::format("input '{}' is {} but output '{}' is {}", n.in[in].name, name_of(t),
                                       n.out[out].name, name_of(n.out[out].dtype)));
  return static_cast<size_t>(bytes_of(t));
}

void copy_unless_shared(void* dst, const void* src, int64_t bytes, ThreadPool& pool) {
  if (dst == src || bytes == 0) return;
  pool.for_range(static_cast<size_t>(bytes), kRearrangeGrainBytes, [&](size_t begin, size_t end) {
    std::memcpy(static_cast<std::byte*>(dst) + begin, static_cast<const std::byte*>(src) + begin,
                end - begin);
  });
}

}  // namespace octet
