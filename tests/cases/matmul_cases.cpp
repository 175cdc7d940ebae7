// Matrix products. The oracle is the sum as written.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

Values fully_connected_oracle(const NodeDesc& n, const Values& in) {
  const auto outputs = static_cast<size_t>(n.in[1].shape[0]), inputs = static_cast<size_t>(n.in[1].shape[1]);
  const Activation act = n.attr<FullyConnectedAttrs>().act;
  std::vector<double> y(in[0].size() / inputs * outputs);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t row = i / outputs, o = i % outputs;
    double sum = in.size() > 2 && !in[2].empty() ? in[2][o] : 0.0;
    for (size_t k = 0; k < inputs; ++k)
      sum += in[0][row * inputs + k] * in[1][o * inputs + k];
    switch (act.kind) {
      case Activation::Kind::relu: sum = std::max(sum, 0.0); break;
      case Activation::Kind::relu6: sum = std::clamp(sum, 0.0, 6.0); break;
      case Activation::Kind::relu_n1_to_1: sum = std::clamp(sum, -1.0, 1.0); break;
      case Activation::Kind::clamp:
        sum = std::clamp(sum, static_cast<double>(act.lo), static_cast<double>(act.hi));
        break;
      case Activation::Kind::tanh: sum = std::tanh(sum); break;
      default: break;
    }
    y[i] = sum;
  }
  return {y};
}

struct MatmulRow {
  std::string what;
  Shape x;
  int outputs;
  int inputs = 0;  // 0: the last axis of x
  Activation act;
  bool keep_dims = false, bias = true, constant = true, bench = false;
  double lo = -1, hi = 1;
};

OpCase make(const MatmulRow& r) {
  OpCase c;
  c.kind = OpKind::FULLY_CONNECTED;
  const int32_t inputs = r.inputs != 0 ? r.inputs : r.x[-1];
  c.name = fmt::format("{}: {} * {}x{}", r.what, r.x.to_string(), r.outputs, inputs);
  FullyConnectedAttrs a;
  a.act = r.act;
  a.keep_num_dims = r.keep_dims;
  c.attrs = a;
  const double range = 2.0 / std::sqrt(inputs);
  auto tensor = r.constant ? random_constant : random_tensor;
  c.inputs = {random_tensor(r.x, r.lo, r.hi), tensor(Shape{r.outputs, inputs}, -range, range),
              r.bias ? tensor(Shape{r.outputs}, -1, 1) : absent_tensor()};
  c.oracle = fully_connected_oracle;
  c.int8 = r.act.kind != Activation::Kind::tanh;
  c.uint8 = c.int8;
  c.int8_lsb = r.act.none() || r.act.kind == Activation::Kind::relu ? 0.02 : 0.6;
  c.bench = r.bench;
  return c;
}

Values batch_matmul_oracle(const NodeDesc& n, const Values& in) {
  const auto& a = n.attr<BatchMatMulAttrs>();
  const Shape &x = n.in[0].shape, &y = n.in[1].shape, &out = n.out[0].shape;
  // The matrix of `s` that serves output batch `b`: walk the leading axes from the back.
  const auto matrix = [&](const Shape& s, int64_t b) {
    int64_t at = 0, step = 1;
    for (int i = 3; i <= out.rank(); ++i) {
      const int64_t here = b % out[-i];
      b /= out[-i];
      if (i > s.rank()) continue;
      if (s[-i] != 1) at += here * step;
      step *= s[-i];
    }
    return at * s[-1] * s[-2];
  };
  const int64_t m = out[-2], cols = out[-1], depth = x[a.adj_x ? -2 : -1];
  std::vector<double> r;
  for (int64_t b = 0; b < out.elements(0, out.rank() - 2); ++b)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < cols; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < depth; ++k)
          sum += in[0][static_cast<size_t>(matrix(x, b) + (a.adj_x ? k * m + i : i * depth + k))] *
                 in[1][static_cast<size_t>(matrix(y, b) + (a.adj_y ? j * depth + k : k * cols + j))];
        r.push_back(sum);
      }
  return {r};
}

struct Product {
  std::string what;
  Shape x, y;
  bool adj_x = false, adj_y = false, constant_y = false, bench = false;
  double lo = -1, hi = 1;
};

OpCase make(const Product& r) {
  OpCase c;
  c.kind = OpKind::BATCH_MATMUL;
  c.name = fmt::format("{}: {} * {}", r.what, r.x.to_string(), r.y.to_string());
  BatchMatMulAttrs a;
  a.adj_x = r.adj_x;
  a.adj_y = r.adj_y;
  c.attrs = a;
  c.inputs = {random_tensor(r.x, r.lo, r.hi),
              r.constant_y ? random_constant(r.y) : random_tensor(r.y, r.lo / 2, r.hi)};
  c.oracle = r.bench ? Oracle() : batch_matmul_oracle;
  c.uint8 = true;
  c.int8_lsb = 0.02;
  c.bench = r.bench;
  return c;
}

}  // namespace

std::vector<OpCase> matmul_cases() {
  using K = Activation::Kind;
  const std::vector<MatmulRow> rows = {
      {"one row", {1, 17}, 8},
      {"one input", {3, 1}, 5},
      {"one output", {1, 64}, 1, 0, K::relu},
      {"batch 2", {2, 64}, 17, 0, K::relu6},
      {"no bias", {5, 8}, 3, 0, {}, false, false},
      {"flattened image", {2, 3, 3, 8}, 10, 72, K::relu_n1_to_1},
      {"rows from a tensor", {2, 3, 8}, 17},
      {"keeps dimensions", {2, 3, 8}, 17, 0, {}, true},
      {"vector", {17}, 4, 0, Activation::clamp(-0.3f, 0.4f)},
      {"keeps dimensions of a vector", {17}, 4, 0, {}, true},
      {"tanh", {2, 8}, 8, 0, K::tanh},
      {"weights computed at run time", {3, 17}, 8, 0, K::relu, false, true, false},
      {"positive input", {2, 33}, 9, 0, {}, false, true, true, false, 0, 4},
      {"negative input", {2, 33}, 9, 0, {}, false, true, true, false, -4, 0},
      {"classifier", {1, 1280}, 1000, 0, {}, false, true, true, true},
      {"transformer block", {64, 256}, 1024, 0, K::relu, false, true, true, true},
  };
  std::vector<OpCase> cases;
  for (const MatmulRow& r : rows)
    cases.push_back(make(r));
  for (const Product& r : std::vector<Product>{
           {"matrices", {5, 7}, {7, 17}},
           {"batch", {3, 4, 8}, {3, 8, 5}},
           {"right transposed", {2, 4, 8}, {2, 17, 8}, false, true},
           {"left transposed", {2, 8, 4}, {2, 8, 3}, true, false},
           {"both transposed", {2, 9, 6}, {2, 33, 9}, true, true},
           {"right broadcast", {2, 3, 4, 8}, {8, 16}},
           {"left broadcast", {4, 8}, {2, 3, 8, 16}},
           {"crossed broadcast", {2, 1, 4, 8}, {1, 3, 8, 5}},
           {"one row", {4, 1, 64}, {4, 64, 17}},
           {"one column", {2, 17, 9}, {2, 9, 1}},
           {"depth of one", {2, 5, 1}, {2, 1, 6}},
           {"constant right factor", {2, 5, 17}, {17, 8}, false, false, true},
           {"constant right factor, transposed", {2, 5, 17}, {2, 9, 17}, false, true, true},
           {"positive", {2, 5, 9}, {2, 9, 5}, false, false, false, false, 0, 3},
           {"negative", {2, 5, 9}, {2, 9, 5}, false, false, false, false, -3, 0},
           {"attention scores", {1, 8, 128, 64}, {1, 8, 128, 64}, false, true, false, true},
           {"attention values", {1, 8, 128, 128}, {1, 8, 128, 64}, false, false, false, true},
           {"projection", {1, 128, 512}, {512, 512}, false, false, true, true}})
    cases.push_back(make(r));
  return cases;
}

}  // namespace octet::test
