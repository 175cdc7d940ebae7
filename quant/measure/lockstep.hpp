// Runs many samples through a graph side by side: every step is done for all samples before the next one, and
// may be changed in between by what the samples hold at that point.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/plan.hpp"

namespace octet {

class Lockstep {
 public:
  // `graph` has to outlive this. Code::unsupported where the graph has state, control flow or shapes that
  // depend on data.
  static Result<std::unique_ptr<Lockstep>> create(const Graph& graph, int threads,
                                                  std::shared_ptr<const CustomOps> custom_ops = nullptr);

  // How many samples fit into `bytes` of memory.
  int64_t capacity(int64_t bytes) const { return bytes / std::max<int64_t>(arena_bytes(), 1); }
  Status add_sample(std::span<const ConstTensorView> inputs);
  size_t samples() const { return arenas_.size(); }

  // Called before a node's step runs. It may read values of samples, and returns true when it has changed
  // constants of the node (with set_constant), whose kernel is then made again.
  using Before = std::function<bool(NodeId)>;
  Status run(const Before& before);

  const Graph& graph() const { return graph_; }
  ConstTensorView value(ValueId v, size_t sample) const;
  void set_constant(ValueId v, Constant constant);

 private:
  using Arena = std::unique_ptr<std::byte, void (*)(std::byte*)>;
  explicit Lockstep(int threads) : pool_(threads) {}
  int64_t arena_bytes() const { return plan_->arena_bytes + 64; }
  void* pointer(ValueId v, size_t sample) const;

  ThreadPool pool_;
  std::shared_ptr<const ExecutionPlan> plan_;
  Graph graph_;  // the plan's, with the constants as they are now
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::vector<Arena> arenas_;
};

}  // namespace octet
