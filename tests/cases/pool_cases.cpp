// Pooling. The oracle visits every input element of a window by its coordinates and skips those outside.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

// First coordinate of output 0's window: minus the padding in front.
int first(const Padding& p, int in, int out, int filter, int stride, int before) {
  if (p.kind == Padding::Kind::valid) return 0;
  if (p.kind == Padding::Kind::explicit_) return -before;
  return -(std::max((out - 1) * stride + filter - in, 0) / 2);
}

Values oracle(const NodeDesc& n, const Values& in) {
  const auto& a = n.attr<Pool2DAttrs>();
  const Shape &x = n.in[0].shape, &y = n.out[0].shape;
  const int top = first(a.padding, x[1], y[1], a.filter_h, a.stride_h, a.padding.top);
  const int left = first(a.padding, x[2], y[2], a.filter_w, a.stride_w, a.padding.left);
  std::vector<double> out(static_cast<size_t>(y.elements()));
  for (int b = 0, i = 0; b < y[0]; ++b)
    for (int r = 0; r < y[1]; ++r)
      for (int q = 0; q < y[2]; ++q)
        for (int c = 0; c < y[3]; ++c, ++i) {
          std::vector<double> seen;
          const int y0 = top + r * a.stride_h, x0 = left + q * a.stride_w;
          for (int iy = std::max(y0, 0); iy < std::min(y0 + a.filter_h, x[1]); ++iy)
            for (int ix = std::max(x0, 0); ix < std::min(x0 + a.filter_w, x[2]); ++ix)
              seen.push_back(in[0][static_cast<size_t>(((b * x[1] + iy) * x[2] + ix) * x[3] + c)]);
          double v = 0;
          for (double s : seen)
            v += n.kind == OpKind::L2_POOL_2D ? s * s : s;
          v /= static_cast<double>(seen.size());
          if (n.kind == OpKind::L2_POOL_2D) v = std::sqrt(v);
          if (n.kind == OpKind::MAX_POOL_2D) v = *std::max_element(seen.begin(), seen.end());
          switch (a.act.kind) {
            case Activation::Kind::relu: v = std::max(v, 0.0); break;
            case Activation::Kind::relu6: v = std::clamp(v, 0.0, 6.0); break;
            case Activation::Kind::relu_n1_to_1: v = std::clamp(v, -1.0, 1.0); break;
            case Activation::Kind::clamp:
              v = std::clamp(v, static_cast<double>(a.act.lo), static_cast<double>(a.act.hi));
              break;
            default: break;
          }
          out[static_cast<size_t>(i)] = v;
        }
  return {out};
}

struct PoolRow {
  std::string what;
  Shape x;
  int filter_h, filter_w, stride_h, stride_w;
  Padding padding = Padding::Kind::valid;
  Activation act;
  bool bench = false;
  double lo = -2, hi = 2;
};

OpCase make(OpKind kind, const PoolRow& r) {
  OpCase c;
  c.kind = kind;
  c.name = fmt::format("{}: {}, {}x{}", r.what, r.x.to_string(), r.filter_h, r.filter_w);
  Pool2DAttrs a;
  a.padding = r.padding;
  a.filter_h = r.filter_h;
  a.filter_w = r.filter_w;
  a.stride_h = r.stride_h;
  a.stride_w = r.stride_w;
  a.act = r.act;
  c.attrs = a;
  c.inputs = {random_tensor(r.x, r.lo, r.hi)};
  c.oracle = oracle;
  c.uint8 = true;
  c.int8_lsb = r.act.none() || r.act.kind == Activation::Kind::relu ? 0.02 : 0.6;
  c.bench = r.bench;
  return c;
}

}  // namespace

std::vector<OpCase> pool_cases() {
  using K = Activation::Kind;
  Padding uneven(Padding::Kind::explicit_);
  uneven.top = 1;
  uneven.right = 2;
  const Padding same = Padding::Kind::same, valid = Padding::Kind::valid;
  const std::vector<PoolRow> rows = {
      {"2x2", {1, 6, 8, 8}, 2, 2, 2, 2},
      {"2x2 odd sizes, valid", {1, 7, 5, 17}, 2, 2, 2, 2},
      {"2x2 odd sizes, same", {1, 7, 5, 17}, 2, 2, 2, 2, same},
      {"3x3 same", {2, 6, 7, 3}, 3, 3, 1, 1, same},
      {"3x3 stride 2 same", {1, 9, 8, 64}, 3, 3, 2, 2, same, K::relu},
      {"3x3 stride 3", {1, 9, 9, 33}, 3, 3, 3, 3, valid, K::relu_n1_to_1},
      {"1x1 stride 2", {1, 6, 5, 8}, 1, 1, 2, 2},
      {"2x1", {1, 6, 5, 8}, 2, 1, 2, 1, valid, Activation::clamp(-0.5f, 0.75f)},
      {"stride longer than the window", {1, 9, 9, 8}, 2, 2, 3, 3},
      {"explicit padding", {1, 6, 6, 8}, 3, 3, 1, 1, uneven},
      {"global", {2, 7, 7, 40}, 7, 7, 1, 1, valid, K::relu6},
      {"window larger than the input, same", {1, 3, 3, 8}, 5, 5, 1, 1, same},
      // XNNPACK would list more rows than 32 bits count.
      {"window far larger than the input, same", {1, 3, 3, 2}, 65537, 65537, 1, 1, same},
      {"one channel", {1, 8, 8, 1}, 2, 2, 2, 2},
      {"positive input", {1, 6, 6, 8}, 2, 2, 2, 2, valid, {}, false, 0, 3},
      {"negative input", {1, 6, 6, 8}, 3, 3, 2, 2, same, {}, false, -3, 0},
      {"MobileNet global", {1, 7, 7, 1024}, 7, 7, 1, 1, valid, {}, true},
      {"Inception 3x3", {1, 35, 35, 192}, 3, 3, 1, 1, same, {}, true},
      {"ResNet 3x3 stride 2", {1, 112, 112, 64}, 3, 3, 2, 2, same, {}, true},
      {"2x2 early", {1, 112, 112, 64}, 2, 2, 2, 2, valid, {}, true},
  };
  std::vector<OpCase> cases;
  for (OpKind kind : {OpKind::AVERAGE_POOL_2D, OpKind::MAX_POOL_2D, OpKind::L2_POOL_2D})
    for (const PoolRow& r : rows)
      cases.push_back(make(kind, r));
  return cases;
}

}  // namespace octet::test
