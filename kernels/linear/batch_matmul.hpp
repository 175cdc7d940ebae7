// What the implementations of BATCH_MATMUL share.
#pragma once

#include <vector>

#include "kernels/linear/linear.hpp"

namespace octet::matmul {

// One of the two factors as a stack of matrices, element (r, c) of matrix m at m * stride + r * row + c *
// col.
struct Side {
  int64_t row = 0, col = 0;
  std::vector<int64_t> start;  // where the matrix of output batch b begins: broadcasting made explicit
};

struct Problem {
  linear::Form form = linear::Form::float32;
  int64_t batch = 1, m = 0, k = 0, n = 0;
  Side x, y;
  Shape x_batch, y_batch;  // leading axes, equal rank, 1 where broadcast
  bool adj_x = false, adj_y = false, asymmetric = false;
  int32_t x_zero = 0, y_zero = 0, out_zero = 0;
  double scale = 1;                  // s_x * s_y / s_out; hybrid: s_y
  std::vector<double> column_scale;  // int16 times int8 with a scale per column of y: one for each
  QuantBounds bounds{0, 0};

  bool empty() const { return batch == 0 || m == 0 || n == 0 || k == 0; }
};
Result<Problem> problem_of(const NodeDesc& n);

KernelResult create_panel_gemm(const NodeDesc& n, ThreadPool& pool);  // int8 and uint8
KernelResult create_xnnpack(const NodeDesc& n, ThreadPool& pool);     // float

}  // namespace octet::matmul
