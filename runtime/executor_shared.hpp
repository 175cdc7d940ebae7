// What the executors of all subgraphs of one model share. Internal to runtime/.
#pragma once

#include "runtime/executor.hpp"

namespace octet {

struct GraphExecutor::Shared {
  std::vector<Graph> graphs;
  std::shared_ptr<ThreadPool> pool;
  std::map<std::string, Resource> resources;  // by container and shared name
  int depth = 0;                              // of nested subgraph calls
};

}  // namespace octet
