// The handles of the C interface. Internal to api/.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "octet/executor.hpp"
#include "octet/model.hpp"

struct octet_model {
  octet::Model model;
  // Texts that the interface hands out live here.
  std::vector<octet::GraphInfo> graphs;
  std::vector<std::string> metadata_names;
  std::vector<octet::Metadata> metadata;
};

struct octet_pool {
  std::shared_ptr<octet::ThreadPool> pool;
};

struct octet_plan {
  octet::Plan plan;
  std::vector<octet::PlanStep> steps;
  std::vector<octet::OperatorOutcome> outcomes;
};

struct octet_executor {
  octet::Executor executor;
  std::vector<octet::PlanStep> steps;
  // What octet_set_input copies to, one per input: bound until the program binds memory of its own.
  std::vector<std::vector<std::byte>> inputs;
  std::vector<char> is_own;
};
