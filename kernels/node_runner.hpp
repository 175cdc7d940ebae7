// One node made ready and run: its tensors described, the shapes of its outputs inferred, an implementation
// chosen, its kernel run in an aligned workspace. Whoever runs nodes does it through here: planner, executor,
// constant folding, quantizer and tests.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/op_spec.hpp"
#include "octet/status.hpp"
#include "schema/ir/graph.hpp"

namespace octet {

enum class Backend : uint8_t {
  xnnpack,    // the fast implementations, the reference where there is none
  reference,  // only the portable, normative kernels
};

// Descriptions of a node's tensors for kernels and shape inference. `shapes` is per value of the graph.
struct NodeTensors {
  std::vector<TensorDesc> in, out, intermediates;
  NodeDesc desc(const Node& n, const CustomOps* custom_ops = nullptr, PackedNode* packed = nullptr) const {
    return {n.kind, &n.attrs, in, out, intermediates, custom_ops, packed};
  }
};
NodeTensors describe(const Graph& g, const Node& n, std::span<const Shape> shapes);

// Infer the shapes of the node's outputs and write them into `t.out`, unless they are deferred.
Result<InferredShapes> infer_outputs(const OpSpec& spec, const Node& n, NodeTensors& t,
                                     const CustomOps* custom_ops = nullptr);

// The implementation that was taken, ready to run.
struct ChosenKernel {
  const Implementation* impl = nullptr;
  std::unique_ptr<Kernel> kernel;
  std::string why;  // why faster implementations were not taken: "xnnpack: ...; ...", or empty
};

// The first of the operator's implementations that takes this node as it is now, its data included: what one
// took before a weight or a bias changed, it may decline afterwards. One that returns Code::declined is
// passed over and its reason kept; any other error says that the node itself is wrong, and ends the search.
// When all decline the error is Code::unsupported. Afterwards `n.packed`, if there is one, holds what the
// chosen one has packed.
Result<ChosenKernel> choose_kernel(const OpSpec& spec, const NodeDesc& n, Backend backend, ThreadPool& pool);

// Memory for the workspaces of kernels that run one after the other.
class Workspace {
 public:
  // At least `bytes`, aligned to 64; what it held is lost when it grows.
  void* reserve(size_t bytes);

 private:
  std::vector<std::byte> memory_;
};

Status run_kernel(Kernel& kernel, std::span<const void* const> in, std::span<void* const> out,
                  Workspace& workspace, ThreadPool& pool, InnerTap* inner = nullptr);

// Run a node all of whose inputs that its kernel reads are known, and whose output shapes are inferred, on
// the reference kernel: constant folding.
Result<std::vector<Constant>> run_on_constants(const OpSpec& spec, const NodeDesc& n, ThreadPool& pool);

// Folding makes constants, which cost memory that the file did not ask for: whether results of this size are
// worth it, computed from known inputs of that size. int4 inputs count as int8 ones.
bool is_worth_folding(int64_t input_bytes, int64_t result_bytes);

}  // namespace octet
