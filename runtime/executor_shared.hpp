// What an executor shares with those of the subgraphs that its control flow calls. Internal to runtime/.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/executor.hpp"

namespace octet {

struct GraphExecutor::Shared {
  std::shared_ptr<ThreadPool> pool;
  std::map<std::string, Resource> resources;  // by container and shared name
  int depth = 0;                              // of nested subgraph calls
  std::atomic<bool> cancelled = false;
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

}  // namespace octet
