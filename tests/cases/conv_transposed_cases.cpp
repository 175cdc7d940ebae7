// Transposed and three-dimensional convolutions. The oracle of a transposed one scatters every input into the
// output, where the kernels gather; that of a 3-D one tests each coordinate for being inside.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {
namespace {

double activate_conv_transposed(const Activation& a, double x) {
  if (a.kind == Activation::Kind::relu) return std::max(x, 0.0);
  if (a.kind == Activation::Kind::relu6) return std::clamp(x, 0.0, 6.0);
  return x;
}

int front(Padding::Kind kind, int wide, int narrow, int window, int stride) {
  return kind == Padding::Kind::same ? std::max((narrow - 1) * stride + window - wide, 0) / 2 : 0;
}

// Everything as five axes; a 2-D operator has a depth of 1.
struct Volume {
  int n, d, h, w, c;
  static Volume of(const Shape& s) {
    return s.rank() == 5 ? Volume{s[0], s[1], s[2], s[3], s[4]} : Volume{s[0], 1, s[1], s[2], s[3]};
  }
  size_t at(int b, int z, int y, int x, int k) const {
    return static_cast<size_t>((((b * d + z) * h + y) * w + x) * c + k);
  }
};
struct Window {
  int kd = 1, kh = 1, kw = 1, sd = 1, sh = 1, sw = 1, dd = 1, dh = 1, dw = 1;
};

// f(b, wide z, y, x, narrow z, y, x, tap z, y, x) for every pair that a window connects.
template <class F>
void connect(const Window& k, Padding::Kind p, const Volume& wide, const Volume& narrow, const F& f) {
  const int pd = front(p, wide.d, narrow.d, (k.kd - 1) * k.dd + 1, k.sd);
  const int ph = front(p, wide.h, narrow.h, (k.kh - 1) * k.dh + 1, k.sh);
  const int pw = front(p, wide.w, narrow.w, (k.kw - 1) * k.dw + 1, k.sw);
  for (int b = 0; b < narrow.n; ++b)
    for (int z = 0; z < narrow.d; ++z)
      for (int y = 0; y < narrow.h; ++y)
        for (int x = 0; x < narrow.w; ++x)
          for (int tz = 0; tz < k.kd; ++tz)
            for (int ty = 0; ty < k.kh; ++ty)
              for (int tx = 0; tx < k.kw; ++tx) {
                const int wz = z * k.sd - pd + tz * k.dd, wy = y * k.sh - ph + ty * k.dh;
                const int wx = x * k.sw - pw + tx * k.dw;
                if (wz < 0 || wz >= wide.d || wy < 0 || wy >= wide.h || wx < 0 || wx >= wide.w) continue;
                f(b, wz, wy, wx, z, y, x, (tz * k.kh + ty) * k.kw + tx);
              }
}

Values start(const NodeDesc& n, const Values& in, size_t bias) {
  const size_t size = static_cast<size_t>(n.out[0].shape.elements());
  const auto channels = static_cast<size_t>(n.out[0].shape[-1]);
  std::vector<double> y(size, 0.0);
  if (in.size() > bias && !in[bias].empty())
    for (size_t i = 0; i < size; ++i)
      y[i] = in[bias][i % channels];
  return {y};
}

Values finish(Values y, const Activation& act) {
  for (double& v : y[0])
    v = activate_conv_transposed(act, v);
  return y;
}

Values transposed_oracle(const NodeDesc& n, const Values& in) {
  const auto& a = n.attr<TransposeConvAttrs>();
  const Shape& w = n.in[1].shape;
  const Window k{.kh = w[1], .kw = w[2], .sh = a.stride_h, .sw = a.stride_w};
  const Volume x = Volume::of(n.in[2].shape), y = Volume::of(n.out[0].shape);
  Values out = start(n, in, 3);
  connect(k, a.padding.kind, y, x, [&](int b, int yz, int yy, int yx, int z, int r, int q, int tap) {
    for (int o = 0; o < y.c; ++o)
      for (int i = 0; i < x.c; ++i)
        out[0][y.at(b, yz, yy, yx, o)] +=
            in[2][x.at(b, z, r, q, i)] * in[1][static_cast<size_t>((o * w[1] * w[2] + tap) * w[3] + i)];
  });
  return finish(out, a.act);
}

Window window_3d(const Conv3DAttrs& a, const Shape& w) {
  return {w[0], w[1], w[2], a.stride_d, a.stride_h, a.stride_w, a.dilation_d, a.dilation_h, a.dilation_w};
}

Values conv_3d_oracle(const NodeDesc& n, const Values& in) {
  const auto& a = n.attr<Conv3DAttrs>();
  const Volume x = Volume::of(n.in[0].shape), y = Volume::of(n.out[0].shape);
  Values out = start(n, in, 2);
  connect(window_3d(a, n.in[1].shape), a.padding.kind, x, y,
          [&](int b, int xz, int xy, int xx, int z, int r, int q, int tap) {
            for (int o = 0; o < y.c; ++o)
              for (int i = 0; i < x.c; ++i)
                out[0][y.at(b, z, r, q, o)] +=
                    in[0][x.at(b, xz, xy, xx, i)] * in[1][static_cast<size_t>((tap * x.c + i) * y.c + o)];
          });
  return finish(out, a.act);
}

Values conv_3d_transpose_oracle(const NodeDesc& n, const Values& in) {
  const auto& a = n.attr<Conv3DAttrs>();
  const Volume x = Volume::of(n.in[2].shape), y = Volume::of(n.out[0].shape);
  Values out = start(n, in, 3);
  connect(window_3d(a, n.in[1].shape), a.padding.kind, y, x,
          [&](int b, int yz, int yy, int yx, int z, int r, int q, int tap) {
            for (int o = 0; o < y.c; ++o)
              for (int i = 0; i < x.c; ++i)
                out[0][y.at(b, yz, yy, yx, o)] +=
                    in[2][x.at(b, z, r, q, i)] * in[1][static_cast<size_t>((tap * y.c + o) * x.c + i)];
          });
  return finish(out, a.act);
}

CaseTensor extents(const Shape& s) {
  std::vector<double> v;
  for (int32_t d : s.dims())
    v.push_back(d);
  return ints(v);
}

OpCase base(OpKind kind, const std::string& what, Activation act, bool bench, Oracle oracle) {
  OpCase c;
  c.kind = kind;
  c.name = what;
  c.oracle = bench ? Oracle() : std::move(oracle);
  c.uint8 = !bench;
  c.int8_lsb = act.none() || act.kind == Activation::Kind::relu ? 0.02 : 0.6;
  c.bench = bench;
  return c;
}

double spread(int64_t terms) {
  return 2.0 / std::sqrt(static_cast<double>(terms));
}

struct Transposed {
  std::string what;
  Shape x, w, y;
  Padding::Kind padding = Padding::Kind::same;
  int stride_h = 2, stride_w = 2;
  Activation act;
  bool bias = true, bench = false;
};
OpCase make(const Transposed& r) {
  OpCase c = base(OpKind::TRANSPOSE_CONV, r.what + ": " + r.x.to_string() + " * " + r.w.to_string(), r.act,
                  r.bench, transposed_oracle);
  TransposeConvAttrs a;
  a.padding = r.padding;
  a.stride_h = r.stride_h;
  a.stride_w = r.stride_w;
  a.act = r.act;
  c.attrs = a;
  const double range = spread(r.w.elements() / r.w[0] / (r.stride_h * r.stride_w) + 1);
  c.inputs = {extents(r.y), random_constant(r.w, -range, range), random_tensor(r.x),
              r.bias ? random_constant(Shape{r.w[0]}) : absent_tensor()};
  return c;
}

struct Cubic {
  std::string what;
  Shape x, w, y;  // y only for the transposed one
  Padding::Kind padding = Padding::Kind::same;
  int stride_d = 1, stride_h = 1, stride_w = 1, dilation_d = 1, dilation_h = 1, dilation_w = 1;
  Activation act;
  bool bias = true, bench = false;
};
OpCase make(const Cubic& r) {
  const bool transposed = r.y.rank() == 5;
  OpCase c = base(transposed ? OpKind::CONV_3D_TRANSPOSE : OpKind::CONV_3D,
                  r.what + ": " + r.x.to_string() + " * " + r.w.to_string(), r.act, r.bench,
                  transposed ? conv_3d_transpose_oracle : conv_3d_oracle);
  Conv3DAttrs a;
  a.padding = r.padding;
  a.stride_d = r.stride_d;
  a.stride_h = r.stride_h;
  a.stride_w = r.stride_w;
  a.dilation_d = r.dilation_d;
  a.dilation_h = r.dilation_h;
  a.dilation_w = r.dilation_w;
  a.act = r.act;
  c.attrs = a;
  const int outputs = r.w[transposed ? 3 : 4];
  const double range = spread(r.w.elements() / outputs);
  const CaseTensor w = random_constant(r.w, -range, range), x = random_tensor(r.x);
  const CaseTensor b = r.bias ? random_constant(Shape{outputs}) : absent_tensor();
  if (transposed)
    c.inputs = {extents(r.y), w, x, b};
  else
    c.inputs = {x, w, b};
  return c;
}

}  // namespace

std::vector<OpCase> conv_transposed_cases() {
  const auto same = Padding::Kind::same, valid = Padding::Kind::valid;
  using K = Activation::Kind;
  std::vector<OpCase> cases;
  for (const Transposed& r : std::vector<Transposed>{
           {"2x2 stride 2", {1, 4, 5, 8}, {17, 2, 2, 8}, {1, 8, 10, 17}},
           {"3x3 stride 2 same", {1, 4, 4, 8}, {3, 3, 3, 8}, {1, 8, 8, 3}},
           {"3x3 stride 2 same, odd output", {1, 4, 4, 8}, {8, 3, 3, 8}, {1, 7, 7, 8}, same, 2, 2, K::relu},
           {"3x3 stride 2 valid, batch 2", {2, 3, 4, 17}, {8, 3, 3, 17}, {2, 7, 9, 8}, valid},
           {"3x3 stride 2 valid, extra row", {1, 3, 4, 8}, {8, 3, 3, 8}, {1, 8, 10, 8}, valid},
           {"4x4 stride 2 same", {1, 5, 5, 3}, {1, 4, 4, 3}, {1, 10, 10, 1}, same, 2, 2, K::relu6},
           {"3x3 stride 1 no bias", {1, 5, 5, 8}, {8, 3, 3, 8}, {1, 5, 5, 8}, same, 1, 1, {}, false},
           {"5x3 stride 3x1", {1, 3, 5, 8}, {8, 5, 3, 8}, {1, 9, 5, 8}, same, 3, 1},
           {"2x2 stride 3: gaps", {1, 3, 3, 8}, {8, 2, 2, 8}, {1, 9, 9, 8}, same, 3, 3},
           {"one pixel to a patch", {1, 1, 1, 64}, {8, 4, 4, 64}, {1, 4, 4, 8}, valid, 1, 1},
           {"decoder, 2x2", {1, 32, 32, 64}, {32, 2, 2, 64}, {1, 64, 64, 32}, same, 2, 2, {}, true, true},
           {"decoder, 4x4", {1, 32, 32, 64}, {32, 4, 4, 64}, {1, 64, 64, 32}, same, 2, 2, {}, true, true}})
    cases.push_back(make(r));
  for (const Cubic& r : std::vector<Cubic>{
           {"3x3x3", {1, 4, 5, 6, 3}, {3, 3, 3, 3, 8}, {}},
           {"3x3x3 valid, batch 2", {2, 4, 5, 4, 8}, {3, 3, 3, 8, 5}, {}, valid, 1, 1, 1, 1, 1, 1, K::relu},
           {"stride 2", {1, 5, 6, 7, 4}, {3, 3, 3, 4, 8}, {}, same, 2, 2, 2},
           {"stride 1x2x3, 2x1x3", {1, 4, 5, 7, 17}, {2, 1, 3, 17, 8}, {}, same, 1, 2, 3, 1, 1, 1, K::relu6},
           {"dilation 1x2x2", {1, 4, 7, 7, 3}, {2, 3, 3, 3, 4}, {}, same, 1, 1, 1, 1, 2, 2, {}, false},
           {"1x1x1", {1, 3, 3, 3, 8}, {1, 1, 1, 8, 17}, {}},
           {"video 3x3x3",
            {1, 8, 28, 28, 32},
            {3, 3, 3, 32, 32},
            {},
            same,
            1,
            1,
            1,
            1,
            1,
            1,
            K::relu,
            true,
            true},
           {"2x2x2 stride 2", {1, 2, 3, 3, 8}, {2, 2, 2, 5, 8}, {1, 4, 6, 6, 5}, same, 2, 2, 2},
           {"3x3x3 stride 2 valid",
            {2, 2, 2, 3, 3},
            {3, 3, 3, 4, 3},
            {2, 5, 5, 7, 4},
            valid,
            2,
            2,
            2,
            1,
            1,
            1,
            K::relu},
           {"3x3x3 stride 1x2x1",
            {1, 3, 3, 3, 4},
            {3, 3, 3, 4, 4},
            {1, 3, 6, 3, 4},
            same,
            1,
            2,
            1,
            1,
            1,
            1,
            {},
            false},
           {"volume decoder",
            {1, 4, 14, 14, 32},
            {2, 2, 2, 16, 32},
            {1, 8, 28, 28, 16},
            same,
            2,
            2,
            2,
            1,
            1,
            1,
            {},
            true,
            true}})
    cases.push_back(make(r));
  return cases;
}

}  // namespace octet::test
