#include "runtime/memory_plan.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>

namespace octet {

TEST_CASE("buffers of different steps share their place") {
  const std::vector<BufferRequest> r = {{100, 0, 1}, {100, 2, 3}, {50, 1, 2}};
  const MemoryPlan p = plan_memory(r);
  CHECK(p.offsets[0] == p.offsets[1]);
  CHECK(p.lower_bound == 128 + 64);
  CHECK(p.total_bytes == p.lower_bound);
  CHECK(find_overlap(r, p).empty());
}

TEST_CASE("no requests, empty buffers") {
  CHECK(plan_memory({}).total_bytes == 0);
  const std::vector<BufferRequest> r = {{0, 0, 0}, {0, 0, 5}};
  CHECK(plan_memory(r).total_bytes == 0);
}

TEST_CASE("find_overlap sees an unsound plan") {
  const std::vector<BufferRequest> r = {{100, 0, 1}, {100, 1, 3}};
  MemoryPlan p = plan_memory(r);
  p.offsets = {0, 64};
  CHECK(find_overlap(r, p) == "buffers 0 and 1 overlap");
}

TEST_CASE("random requests: sound, aligned, deterministic, near the lower bound") {
  std::mt19937 rng(7);
  double worst = 1;
  for (int round = 0; round < 200; ++round) {
    std::vector<BufferRequest> r;
    const int steps = 5 + static_cast<int>(rng() % 60);
    for (int i = 0; i < steps; ++i) {
      // As in a network: each step makes a buffer, most are read soon, some much later.
      const int life = rng() % 4 == 0 ? static_cast<int>(rng() % 12) : 1;
      r.push_back({static_cast<int64_t>(rng() % 5000), i, std::min(steps, i + life)});
    }
    const MemoryPlan p = plan_memory(r);
    CHECK(find_overlap(r, p).empty());
    CHECK(p.total_bytes >= p.lower_bound);
    for (int64_t o : p.offsets)
      CHECK(o % 64 == 0);
    CHECK(plan_memory(r).offsets == p.offsets);
    worst = std::max(
        worst, static_cast<double>(p.total_bytes) / static_cast<double>(std::max<int64_t>(p.lower_bound, 1)));
  }
  CHECK(worst < 1.35);
}

TEST_CASE("the drawing has a row per step") {
  const std::vector<BufferRequest> r = {{64, 0, 1}, {64, 1, 1}};
  CHECK(draw(r, plan_memory(r), 4) == "   0 aa..\n   1 aabb\n");
}

}  // namespace octet
