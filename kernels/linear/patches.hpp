// Convolution by gathering: the inputs of every window become one row, and rows times weights is a matrix
// product. For geometries that XNNPACK has no convolution for (three dimensions).
#pragma once

#include "kernels/linear/convolution.hpp"

namespace octet::linear {

// Constant weights in any order that the geometry's strides describe; one group.
KernelResult patch_convolution(const NodeDesc& n, const Convolution& c, ThreadPool& pool);

}  // namespace octet::linear
