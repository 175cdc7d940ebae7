// One engine for the operators that only move data. Every element of the output is an element of the source
// whose place is a sum of one term per output axis, or a fill value: that covers TRANSPOSE, PAD, SLICE, TILE,
// DEPTH_TO_SPACE, nearest-neighbour RESIZE and their kin. An operator only describes the terms.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/op_spec.hpp"
#include "octet/try.hpp"

namespace octet {

inline constexpr int64_t kFromFill = INT64_MIN;  // in a table: the fill value, whatever the other axes say

// One axis of the output, outermost first. Its term is index * step, or table[index]; in source elements.
struct SourceAxis {
  int64_t extent = 0;
  int64_t step = 0;
  std::vector<int64_t> table;

  static SourceAxis by_step(int64_t extent, int64_t step) { return {extent, step, {}}; }
  static SourceAxis by_table(std::vector<int64_t> t) {
    return {static_cast<int64_t>(t.size()), 0, std::move(t)};
  }
};

// Tables have eight bytes per step of an axis, whatever an element has; a longer axis is refused before one
// is built.
Status fits_tables(const Shape& out);

struct Rearrangement {
  size_t element = 1;  // bytes of an element, at most 16
  int64_t base = 0;    // source element of output index 0, 0, ...
  std::vector<SourceAxis> axes;
  std::array<std::byte, 16> fill{};

  void set_fill(const void* value);  // one element
  // Say that the output has no elements; a table for a huge axis beside an empty one is never built.
  void make_empty() { axes = {SourceAxis::by_step(0, 0)}; }
};

// Element by element, straight from the description.
void rearrange_naive(const Rearrangement& r, const void* src, void* dst);

// The description made ready to run fast: axes merged, runs found, transposes blocked.
class FastRearrangement {
 public:
  explicit FastRearrangement(Rearrangement r);
  void set_fill(const void* value) { r_.set_fill(value); }
  void run(const void* src, void* dst, ThreadPool& pool) const;

 private:
  struct Run {
    int64_t dst, src, bytes;  // src is kFromFill for fill
  };
  void find_runs(const std::vector<int64_t>& table);
  void block_transpose();
  void fill_bytes(std::byte* dst, int64_t bytes) const;
  void run_row(const std::byte* src, std::byte* dst, int64_t from, int64_t to) const;
  void run_block(const std::byte* src, std::byte* dst, int64_t begin, int64_t end) const;

  Rearrangement r_;                 // steps and tables in bytes from here on
  int64_t unit_ = 0;                // bytes that always move together
  int64_t row_bytes_ = 0;           // output bytes that one step of the outer walk makes
  std::vector<int64_t> dst_steps_;  // of the outer axes, r_.axes
  SourceAxis last_;                 // innermost: extent 0 when the units alone make the row
  std::vector<Run> runs_;           // the innermost axis when it is a table
  SourceAxis column_;               // extent > 0: walked together with last_, in blocks
  int64_t column_dst_step_ = 0;
};

// ---------------------------------------------------------------------------------------------------------
// Kernels from descriptions.

// Bytes of an element that input `in` and output 0 share. Refuses strings, packed int4 and differing types.
Result<size_t> moved_element(const NodeDesc& n, size_t in = 0, size_t out = 0);

using RearrangementFn = Result<Rearrangement> (*)(const NodeDesc&);

template <RearrangementFn describe, size_t source = 0>
KernelResult create_moved_reference(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Rearrangement r, describe(n));
  return make_kernel([r = std::move(r)](const RunArgs& args) -> Status {
    rearrange_naive(r, args.in[source], args.out[0]);
    return {};
  });
}

template <RearrangementFn describe, size_t source = 0>
KernelResult create_moved(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Rearrangement r, describe(n));
  return make_kernel([fast = FastRearrangement(std::move(r))](const RunArgs& args) -> Status {
    fast.run(args.in[source], args.out[0], args.pool);
    return {};
  });
}

// `n` pieces of `unit` bytes each, at steps in bytes.
void copy_strided(int64_t unit, const std::byte* src, int64_t src_step, std::byte* dst, int64_t dst_step,
                  int64_t n);

// Nothing happens when the planner has put both in one place.
void copy_unless_shared(void* dst, const void* src, int64_t bytes, ThreadPool& pool);

}  // namespace octet
