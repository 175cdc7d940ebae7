#include "runtime/memory_plan.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace octet {
namespace {

int64_t align_up(int64_t n, int64_t a) {
  return (n + a - 1) / a * a;
}

bool together(const BufferRequest& a, const BufferRequest& b) {
  return a.first <= b.last && b.first <= a.last;
}

// Place in the given order, each at the lowest offset where it fits among those placed already.
MemoryPlan place(std::span<const BufferRequest> requests, const std::vector<size_t>& order,
                 int64_t alignment) {
  MemoryPlan p;
  p.offsets.assign(requests.size(), 0);
  std::vector<size_t> placed;  // sorted by offset
  for (size_t i : order) {
    const int64_t bytes = align_up(requests[i].bytes, alignment);
    int64_t at = 0;
    for (size_t j : placed) {
      if (!together(requests[i], requests[j])) continue;
      if (at + bytes <= p.offsets[j]) break;
      at = std::max(at, p.offsets[j] + align_up(requests[j].bytes, alignment));
    }
    p.offsets[i] = at;
    p.total_bytes = std::max(p.total_bytes, at + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](size_t a, size_t b) { return p.offsets[a] < p.offsets[b]; }),
                  i);
  }
  return p;
}

}  // namespace

MemoryPlan plan_memory(std::span<const BufferRequest> requests, int64_t alignment) {
  int32_t steps = 0;
  for (const BufferRequest& r : requests)
    steps = std::max(steps, r.last + 1);
  std::vector<int64_t> in_use(static_cast<size_t>(steps) + 1, 0);
  for (const BufferRequest& r : requests) {
    in_use[static_cast<size_t>(r.first)] += align_up(r.bytes, alignment);
    in_use[static_cast<size_t>(r.last) + 1] -= align_up(r.bytes, alignment);
  }
  std::partial_sum(in_use.begin(), in_use.end(), in_use.begin());
  const int64_t lower_bound = in_use.empty() ? 0 : *std::max_element(in_use.begin(), in_use.end());
  std::vector<int64_t> pressure(requests.size(), 0);  // the fullest step a buffer lives through
  for (size_t i = 0; i < requests.size(); ++i)
    for (int32_t s = requests[i].first; s <= requests[i].last; ++s)
      pressure[i] = std::max(pressure[i], in_use[static_cast<size_t>(s)]);

  auto area = [&](size_t i) {
    return static_cast<double>(requests[i].bytes) * (requests[i].last - requests[i].first + 1);
  };
  auto by = [&](auto key) {
    std::vector<size_t> order(requests.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a, b); });
    return order;
  };
  const std::vector<std::vector<size_t>> orders = {
      by([&](size_t a, size_t b) { return requests[a].bytes > requests[b].bytes; }),
      by([&](size_t a, size_t b) {
        return pressure[a] != pressure[b] ? pressure[a] > pressure[b] : requests[a].bytes > requests[b].bytes;
      }),
      by([&](size_t a, size_t b) { return area(a) > area(b); }),
      by([&](size_t a, size_t b) {
        return pressure[a] != pressure[b] ? pressure[a] > pressure[b] : area(a) > area(b);
      }),
      by([&](size_t a, size_t b) {
        return requests[a].first != requests[b].first ? requests[a].first < requests[b].first
                                                      : requests[a].last > requests[b].last;
      }),
      by([&](size_t a, size_t b) {
        return requests[a].last != requests[b].last ? requests[a].last > requests[b].last
                                                    : requests[a].bytes > requests[b].bytes;
      }),
  };
  MemoryPlan best;
  bool first = true;
  for (const auto& order : orders) {
    MemoryPlan p = place(requests, order, alignment);
    if (first || p.total_bytes < best.total_bytes) best = std::move(p);
    first = false;
    if (best.total_bytes == lower_bound) break;
  }
  best.lower_bound = lower_bound;
  return best;
}

std::string find_overlap(std::span<const BufferRequest> requests, const MemoryPlan& plan) {
  for (size_t i = 0; i < requests.size(); ++i)
    for (size_t j = i + 1; j < requests.size(); ++j) {
      if (!together(requests[i], requests[j])) continue;
      if (plan.offsets[i] < plan.offsets[j] + requests[j].bytes &&
          plan.offsets[j] < plan.offsets[i] + requests[i].bytes)
        return fmt::format("buffers {} and {} overlap", i, j);
    }
  return {};
}

std::string draw(std::span<const BufferRequest> requests, const MemoryPlan& plan, int width) {
  int32_t steps = 0;
  for (const BufferRequest& r : requests)
    steps = std::max(steps, r.last + 1);
  std::string text;
  for (int32_t s = 0; s < steps; ++s) {
    std::string row(static_cast<size_t>(width), '.');
    for (size_t i = 0; i < requests.size(); ++i) {
      if (s < requests[i].first || s > requests[i].last || requests[i].bytes == 0) continue;
      const int64_t a = plan.offsets[i] * width / std::max<int64_t>(plan.total_bytes, 1);
      const int64_t b =
          (plan.offsets[i] + requests[i].bytes - 1) * width / std::max<int64_t>(plan.total_bytes, 1);
      for (int64_t c = a; c <= b; ++c)
        row[static_cast<size_t>(c)] = static_cast<char>('a' + i % 26);
    }
    text += fmt::format("{:4} {}\n", s, row);
  }
  return text;
}

}  // namespace octet
