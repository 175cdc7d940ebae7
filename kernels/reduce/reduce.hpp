// What the reductions share: their axes and the collapsed shape.
#pragma once

#include "kernels/op_spec.hpp"

namespace octet {

// The input as alternating groups of kept and reduced axes; neighbours of one sort are merged and axes of
// extent 1 dropped, so that MEAN over H and W of NHWC is {keep N, reduce H*W, keep C}.
struct ReducePlan {
  struct Group {
    size_t extent = 1, stride = 1;  // in elements of the input
    bool reduced = false;
  };
  std::vector<Group> groups;
  size_t reduced = 1;  // elements behind one output element
  size_t kept = 1;     // output elements

  // The plan as {keep `outer`, reduce `reduced`, keep `inner`}; nothing when it has more groups than that.
  struct Simple {
    size_t outer, inner;
  };
  std::optional<Simple> simple() const;
};
ReducePlan plan_reduction(const Shape& input, uint32_t axes);

// Bits of the axes that the known input 1 names.
Result<uint32_t> reduction_axes(const NodeDesc& n);

KernelResult reduce_lanes(const NodeDesc& n, ThreadPool& pool);  // reduce_lanes.cpp

}  // namespace octet
