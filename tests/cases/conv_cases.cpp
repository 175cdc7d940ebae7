// Convolutions. The oracle copies the input into an explicitly padded array and walks output by output; it
// shares no code with the kernels.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "tests/support/op_case.hpp"

namespace octet::test {

std::vector<OpCase> conv_transposed_cases();

namespace {

double activate_conv(const Activation& a, double x) {
  switch (a.kind) {
    case Activation::Kind::relu: return std::max(x, 0.0);
    case Activation::Kind::relu_n1_to_1: return std::clamp(x, -1.0, 1.0);
    case Activation::Kind::relu6: return std::clamp(x, 0.0, 6.0);
    case Activation::Kind::tanh: return std::tanh(x);
    case Activation::Kind::sign_bit: return x < 0 ? 1.0 : 0.0;
    case Activation::Kind::clamp: return std::clamp(x, static_cast<double>(a.lo), static_cast<double>(a.hi));
    default: return x;
  }
}

struct Pads {
  int before, after;
};
Pads pads(Padding::Kind kind, int in, int out, int window, int stride, int before, int after) {
  if (kind == Padding::Kind::explicit_) return {before, after};
  if (kind == Padding::Kind::valid) return {0, 0};
  const int total = std::max((out - 1) * stride + window - in, 0);
  return {total / 2, total - total / 2};
}

struct Image {  // NHWC
  int n, h, w, c;
  std::vector<double> v;
  double& at(int b, int y, int x, int k) { return v[static_cast<size_t>(((b * h + y) * w + x) * c + k)]; }
};
Image padded(const Shape& s, const std::vector<double>& v, Pads y, Pads x) {
  Image out{s[0], s[1] + y.before + y.after, s[2] + x.before + x.after, s[3], {}};
  out.v.assign(static_cast<size_t>(out.n * out.h * out.w * out.c), 0.0);
  size_t i = 0;
  for (int b = 0; b < s[0]; ++b)
    for (int r = 0; r < s[1]; ++r)
      for (int q = 0; q < s[2]; ++q)
        for (int k = 0; k < s[3]; ++k)
          out.at(b, r + y.before, q + x.before, k) = v[i++];
  return out;
}

// Both kinds: weight(ky, kx, input channel, output channel) is 0 where the two channels do not meet.
template <class A, class Weight>
Values convolve(const NodeDesc& n, const Values& in, int kh, int kw, const A& a, const Weight& weight) {
  const Shape &xs = n.in[0].shape, &ys = n.out[0].shape;
  const Padding& p = a.padding;
  const Pads py = pads(p.kind, xs[1], ys[1], (kh - 1) * a.dilation_h + 1, a.stride_h, p.top, p.bottom);
  const Pads px = pads(p.kind, xs[2], ys[2], (kw - 1) * a.dilation_w + 1, a.stride_w, p.left, p.right);
  Image x = padded(xs, in[0], py, px);
  std::vector<double> y;
  for (int b = 0; b < ys[0]; ++b)
    for (int r = 0; r < ys[1]; ++r)
      for (int q = 0; q < ys[2]; ++q)
        for (int o = 0; o < ys[3]; ++o) {
          double sum = in.size() > 2 && !in[2].empty() ? in[2][static_cast<size_t>(o)] : 0.0;
          for (int i = 0; i < xs[3]; ++i)
            for (int ky = 0; ky < kh; ++ky)
              for (int kx = 0; kx < kw; ++kx)
                sum += weight(ky, kx, i, o) *
                       x.at(b, r * a.stride_h + ky * a.dilation_h, q * a.stride_w + kx * a.dilation_w, i);
          y.push_back(activate_conv(a.act, sum));
        }
  return {y};
}

Values conv_oracle(const NodeDesc& n, const Values& in) {
  const Shape& w = n.in[1].shape;
  const int per_group = w[3], groups = n.in[0].shape[3] / per_group, outs = w[0] / groups;
  return convolve(n, in, w[1], w[2], n.attr<Conv2DAttrs>(), [&](int ky, int kx, int i, int o) {
    if (i / per_group != o / outs) return 0.0;
    return in[1][static_cast<size_t>(((o * w[1] + ky) * w[2] + kx) * per_group + i % per_group)];
  });
}

Values depthwise_oracle(const NodeDesc& n, const Values& in) {
  const Shape& w = n.in[1].shape;
  const int multiplier = w[3] / n.in[0].shape[3];
  return convolve(n, in, w[1], w[2], n.attr<DepthwiseConv2DAttrs>(), [&](int ky, int kx, int i, int o) {
    return o / multiplier == i ? in[1][static_cast<size_t>((ky * w[2] + kx) * w[3] + o)] : 0.0;
  });
}

// Clamping integers rounds the bounds of the activation as well.
double lsb_of(const Activation& a) {
  return a.none() || a.kind == Activation::Kind::relu ? 0.02 : 0.6;
}

constexpr Padding::Kind kSame = Padding::Kind::same, kValid = Padding::Kind::valid;
Padding around(int top, int bottom, int left, int right) {
  Padding p(Padding::Kind::explicit_);
  p.top = top;
  p.bottom = bottom;
  p.left = left;
  p.right = right;
  return p;
}

struct Row {
  std::string what;
  Shape x, w;
  Padding padding = kSame;
  int stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  Activation act;
  bool bias = true, bench = false;
  double lo = -1, hi = 1;
  bool constant = true;
};

template <class A>
OpCase make(OpKind kind, const Row& r, int channel_axis, Oracle oracle) {
  OpCase c;
  c.kind = kind;
  c.name = fmt::format("{}: {} * {}", r.what, r.x.to_string(), r.w.to_string());
  A a;
  a.padding = r.padding;
  a.stride_h = r.stride_h;
  a.stride_w = r.stride_w;
  a.dilation_h = r.dilation_h;
  a.dilation_w = r.dilation_w;
  a.act = r.act;
  const double range = 2.0 / std::sqrt(static_cast<double>(r.w.elements()) / r.w[channel_axis]);
  auto tensor = r.constant ? random_constant : random_tensor;
  c.inputs = {random_tensor(r.x, r.lo, r.hi), tensor(r.w, -range, range),
              r.bias ? tensor(Shape{r.w[channel_axis]}, -1, 1) : absent_tensor()};
  if constexpr (requires { a.depth_multiplier; }) a.depth_multiplier = r.w[3] / std::max(r.x[3], 1);
  c.attrs = a;
  c.oracle = r.bench ? Oracle() : std::move(oracle);  // the reference is fast enough for big shapes
  c.int8 = r.act.kind != Activation::Kind::tanh && r.act.kind != Activation::Kind::sign_bit;
  c.uint8 = c.int8 && !r.bench;
  c.int8_lsb = lsb_of(r.act);
  c.bench = r.bench;
  return c;
}

std::vector<Row> conv_rows() {
  const Activation clamp = Activation::clamp(-0.4f, 0.7f);
  using K = Activation::Kind;
  return {
      {"1x1", {1, 5, 7, 8}, {17, 1, 1, 8}},
      {"1x1 no bias", {2, 4, 4, 3}, {8, 1, 1, 3}, kValid, 1, 1, 1, 1, {}, false},
      {"1x1 stride 2", {1, 7, 5, 17}, {8, 1, 1, 17}, kSame, 2, 2},
      {"3x3 same", {1, 9, 8, 3}, {8, 3, 3, 3}},
      {"3x3 same, batch 2", {2, 6, 5, 8}, {17, 3, 3, 8}},
      {"3x3 valid", {1, 9, 8, 17}, {3, 3, 3, 17}, kValid},
      {"3x3 stride 2 even", {1, 8, 8, 3}, {8, 3, 3, 3}, kSame, 2, 2, 1, 1, K::relu},
      {"3x3 stride 2 odd", {1, 9, 7, 3}, {8, 3, 3, 3}, kSame, 2, 2, 1, 1, K::relu6},
      {"3x3 stride 3x2", {1, 11, 9, 8}, {8, 3, 3, 8}, kSame, 3, 2},
      {"3x3 stride 3 valid", {1, 11, 12, 1}, {17, 3, 3, 1}, kValid, 3, 3, 1, 1, K::relu_n1_to_1},
      {"3x3 dilation 2", {1, 9, 9, 8}, {8, 3, 3, 8}, kSame, 1, 1, 2, 2},
      {"3x2 dilation 3x1 valid", {1, 10, 6, 3}, {8, 3, 2, 3}, kValid, 1, 1, 3, 1},
      {"explicit padding", {1, 6, 6, 3}, {8, 3, 3, 3}, around(1, 0, 2, 1), 1, 1, 1, 1, clamp},
      {"explicit padding wider than the window", {1, 3, 3, 8}, {8, 2, 2, 8}, around(3, 2, 0, 3)},
      {"explicit padding, stride 2", {1, 8, 8, 3}, {8, 3, 3, 3}, around(0, 1, 0, 1), 2, 2},
      {"two groups", {1, 6, 6, 16}, {6, 3, 3, 8}},
      {"eight groups of one", {1, 6, 6, 8}, {8, 3, 3, 1}},
      {"three groups, 1x1, batch 2", {2, 3, 3, 24}, {51, 1, 1, 8}, kValid},
      {"64 channels", {1, 5, 5, 64}, {64, 3, 3, 64}},
      {"one channel in and out", {1, 7, 7, 1}, {1, 3, 3, 1}},
      {"single output pixel", {1, 3, 3, 17}, {8, 3, 3, 17}, kValid},
      {"single output pixel, batch 2", {2, 3, 5, 8}, {9, 3, 5, 8}, kValid, 1, 1, 1, 1, K::relu},
      {"single output pixel, padded", {1, 2, 2, 8}, {17, 3, 3, 8}, around(1, 0, 0, 1)},
      {"single output pixel, strided", {1, 3, 3, 8}, {17, 3, 3, 8}, kSame, 3, 3},
      {"single input pixel", {1, 1, 1, 8}, {17, 3, 3, 8}},
      {"single pixel, 1x1", {1, 1, 1, 64}, {17, 1, 1, 64}},
      {"5x5 on a 3x4 input", {1, 3, 4, 3}, {8, 5, 5, 3}},
      {"1x7", {1, 5, 11, 3}, {8, 1, 7, 3}},
      {"positive input", {1, 6, 6, 8}, {8, 3, 3, 8}, kSame, 1, 1, 1, 1, K::relu, true, false, 0, 3},
      {"negative input", {1, 6, 6, 8}, {8, 3, 3, 8}, kSame, 1, 1, 1, 1, {}, true, false, -5, 0},
      {"tanh", {1, 5, 5, 3}, {8, 3, 3, 3}, kSame, 1, 1, 1, 1, K::tanh},
      {"weights computed at run time",
       {1, 5, 5, 8},
       {8, 3, 3, 8},
       kSame,
       1,
       1,
       1,
       1,
       K::relu6,
       true,
       false,
       -1,
       1,
       false},
      {"MobileNet stem", {1, 224, 224, 3}, {32, 3, 3, 3}, kSame, 2, 2, 1, 1, K::relu6, true, true},
      {"MobileNet 1x1 early", {1, 56, 56, 64}, {128, 1, 1, 64}, kSame, 1, 1, 1, 1, K::relu6, true, true},
      {"MobileNet 1x1 late", {1, 7, 7, 512}, {1024, 1, 1, 512}, kSame, 1, 1, 1, 1, K::relu6, true, true},
      {"ResNet 3x3", {1, 28, 28, 128}, {128, 3, 3, 128}, kSame, 1, 1, 1, 1, K::relu, true, true},
      {"classifier as convolution", {1, 1, 1, 1024}, {1001, 1, 1, 1024}, kSame, 1, 1, 1, 1, {}, true, true},
  };
}

std::vector<Row> depthwise_rows() {
  const Activation clamp = Activation::clamp(-0.25f, 1.5f);
  using K = Activation::Kind;
  return {
      {"3x3", {1, 8, 7, 8}, {1, 3, 3, 8}},
      {"3x3, batch 2, 17 channels", {2, 5, 5, 17}, {1, 3, 3, 17}, kSame, 1, 1, 1, 1, K::relu},
      {"3x3 valid no bias", {1, 8, 7, 3}, {1, 3, 3, 3}, kValid, 1, 1, 1, 1, {}, false},
      {"3x3 stride 2", {1, 8, 9, 64}, {1, 3, 3, 64}, kSame, 2, 2, 1, 1, K::relu6},
      {"3x3 stride 3x1", {1, 10, 6, 8}, {1, 3, 3, 8}, kSame, 3, 1, 1, 1, K::relu_n1_to_1},
      {"3x3 dilation 2", {1, 9, 9, 17}, {1, 3, 3, 17}, kSame, 1, 1, 2, 2},
      {"5x5 stride 2", {1, 11, 9, 17}, {1, 5, 5, 17}, kSame, 2, 2},
      {"5x5 explicit", {1, 7, 7, 8}, {1, 5, 5, 8}, around(2, 1, 0, 3), 1, 1, 1, 1, clamp},
      {"7x7", {1, 9, 8, 17}, {1, 7, 7, 17}},
      {"7x7 on a 3x3 input", {1, 3, 3, 64}, {1, 7, 7, 64}},
      {"7x7 stride 2 batch 2", {2, 9, 9, 40}, {1, 7, 7, 40}, kSame, 2, 2, 1, 1, K::relu},
      {"7x7 valid, single pixel", {1, 7, 7, 33}, {1, 7, 7, 33}, kValid},
      {"7x7 dilation 2", {1, 13, 13, 8}, {1, 7, 7, 8}, kValid, 1, 1, 2, 2, K::relu6},
      {"1x1", {1, 5, 4, 17}, {1, 1, 1, 17}},
      {"1x9", {1, 3, 20, 12}, {1, 1, 9, 12}},
      {"29x1", {1, 40, 3, 5}, {1, 29, 1, 5}, kValid},
      {"multiplier 2", {1, 6, 6, 8}, {1, 3, 3, 16}},
      {"multiplier 2, stride 2, 17 channels", {1, 7, 6, 17}, {1, 3, 3, 34}, kSame, 2, 2, 1, 1, K::relu},
      {"multiplier 3 of 3 channels", {2, 6, 6, 3}, {1, 3, 3, 9}, kValid, 1, 1, 1, 1, clamp},
      {"multiplier 8 of one channel", {1, 12, 10, 1}, {1, 10, 8, 8}, kSame, 2, 2, 1, 1, K::relu},
      {"multiplier 2, 7x7", {1, 8, 8, 12}, {1, 7, 7, 24}},
      {"one channel", {1, 6, 6, 1}, {1, 3, 3, 1}},
      {"single output pixel", {1, 3, 3, 64}, {1, 3, 3, 64}, kValid},
      {"single input pixel", {1, 1, 1, 17}, {1, 3, 3, 17}},
      {"positive input", {1, 6, 6, 17}, {1, 7, 7, 17}, kSame, 1, 1, 1, 1, K::relu, true, false, 0, 3},
      {"negative input", {1, 6, 6, 17}, {1, 7, 7, 17}, kSame, 1, 1, 1, 1, {}, true, false, -5, 0},
      {"tanh", {1, 6, 6, 3}, {1, 3, 3, 3}, kSame, 1, 1, 1, 1, K::tanh},
      {"weights computed at run time",
       {1, 5, 5, 8},
       {1, 3, 3, 8},
       kSame,
       1,
       1,
       1,
       1,
       {},
       true,
       false,
       -1,
       1,
       false},
      {"MobileNet 3x3 early", {1, 112, 112, 32}, {1, 3, 3, 32}, kSame, 1, 1, 1, 1, K::relu6, true, true},
      {"MobileNet 3x3 stride 2", {1, 56, 56, 128}, {1, 3, 3, 128}, kSame, 2, 2, 1, 1, K::relu6, true, true},
      {"MobileNet 3x3 late", {1, 14, 14, 512}, {1, 3, 3, 512}, kSame, 1, 1, 1, 1, K::relu6, true, true},
      {"EfficientNet 5x5", {1, 28, 28, 240}, {1, 5, 5, 240}, kSame, 1, 1, 1, 1, K::relu6, true, true},
      {"ConvNeXt 7x7", {1, 28, 28, 192}, {1, 7, 7, 192}, kSame, 1, 1, 1, 1, {}, true, true},
      {"ConvNeXt 7x7 early", {1, 56, 56, 96}, {1, 7, 7, 96}, kSame, 1, 1, 1, 1, {}, true, true},
      {"multiplier 2 wide", {1, 28, 28, 96}, {1, 3, 3, 192}, kSame, 1, 1, 1, 1, K::relu6, true, true},
      {"keyword stem, multiplier 8", {1, 49, 40, 1}, {1, 10, 8, 8}, kSame, 2, 2, 1, 1, K::relu, true, true},
  };
}

}  // namespace

std::vector<OpCase> conv_cases() {
  std::vector<OpCase> cases;
  for (const Row& r : conv_rows())
    cases.push_back(make<Conv2DAttrs>(OpKind::CONV_2D, r, 0, conv_oracle));
  for (const Row& r : depthwise_rows())
    cases.push_back(make<DepthwiseConv2DAttrs>(OpKind::DEPTHWISE_CONV_2D, r, 3, depthwise_oracle));
  for (OpCase& c : conv_transposed_cases())
    cases.push_back(std::move(c));
  return cases;
}

}  // namespace octet::test
