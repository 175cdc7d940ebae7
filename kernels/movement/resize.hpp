// RESIZE_BILINEAR: what its kernels share.
#pragma once

#include <vector>

#include "kernels/op_spec.hpp"

namespace octet {

// Inferred output, checks included.
Result<InferredShapes> infer_resize(const NodeDesc& n);
KernelResult create_resize_bilinear_xnnpack(const NodeDesc& n, ThreadPool& pool);
KernelResult create_resize_bilinear_lines(const NodeDesc& n, ThreadPool& pool);

// Where a row or column of the output lies between two of the input.
struct ResizeTap {
  int32_t lower, upper;
  double weight;  // of `upper`
};
std::vector<ResizeTap> resize_taps(int32_t in, int32_t out, const ResizeAttrs& attr);
// Rows and columns have a table entry each, which must not become large next to the image itself.
Status resize_tables_fit(const Shape& out);

}  // namespace octet
