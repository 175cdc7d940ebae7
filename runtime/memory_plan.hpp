// Where buffers with known sizes and lifetimes go in one arena. Pure: integers in, integers out.
//
//   const MemoryPlan p = plan_memory({{.bytes = 100, .first = 0, .last = 1},    // buffer 0
//                                     {.bytes = 50, .first = 1, .last = 2}});   // buffer 1
//   p.offsets[1], p.total_bytes, p.lower_bound
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace octet {

struct BufferRequest {
  int64_t bytes = 0;
  int32_t first = 0, last = 0;  // steps, both included, in which the buffer is in use
};

struct MemoryPlan {
  std::vector<int64_t> offsets;  // multiples of the alignment, one per request
  int64_t total_bytes = 0;
  int64_t lower_bound = 0;  // the most bytes in use in any one step: no plan can be smaller
};

// Greedy placement into the lowest gap that fits, under several orders (size, area, start, pressure); the
// best is kept. Optimal placement is NP-hard (dynamic storage allocation); on networks this lands on the
// lower bound almost always. Deterministic.
MemoryPlan plan_memory(std::span<const BufferRequest> requests, int64_t alignment = 64);

// Two buffers that are in use in a common step and overlap; nothing when the plan is sound.
std::string find_overlap(std::span<const BufferRequest> requests, const MemoryPlan& plan);

// The arena over time as text, one row per step, `width` columns for the whole arena.
std::string draw(std::span<const BufferRequest> requests, const MemoryPlan& plan, int width = 80);

}  // namespace octet
