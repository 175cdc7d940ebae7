// ROPE (circle): rotary position embedding. The halves of a head, x0 and x1, are rotated together:
//   y0 = x0 * cos - x1 * sin        y1 = x1 * cos + x0 * sin
// Inputs: x with four axes and the head last, a table of sines, a table of cosines.
//
// Source of the semantics: cker's and luci-interpreter's kernels in Samsung/ONE (RoPE.h, RoPE.cpp), mode
// GPT_NEOX. Their tables are 1x1x1xhead. luci makes the operator from x * cos + rotate(x) * sin
// (FuseRoPEPass), whose multiplications broadcast, so tables with a row per position mean what they meant
// there. The mode GPT_J, which rotates neighbours, is a number in the schema that no public code implements:
// how its tables are laid out is not known, so it is refused.
//
// int8: dequantized (Q1), rotated in double, quantized (Q2). The tables stay float32.
#include <algorithm>
#include <array>
#include <limits>

#include "kernels/cost.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

Status check_table(const TensorDesc& t, const Shape& x) {
  bool fits = t.shape.rank() == 4 && t.shape[3] == x[3];
  for (int a = 0; fits && a < 3; ++a)
    fits = t.shape[a] == x[a] || t.shape[a] == 1;
  if (fits) return {};
  return Status::corrupt(
      fmt::format("table '{}' is {}, which does not go with {}", t.name, t.shape.to_string(), x.to_string()));
}

Result<InferredShapes> infer_rope(const NodeDesc& n) {
  if (n.attr<RopeAttrs>().mode != RopeAttrs::Mode::gpt_neox)
    return Status::unsupported("the mode GPT_J, whose tables no public document describes");
  const Shape& s = n.in[0].shape;
  if (s.rank() != 4)
    return Status::corrupt(fmt::format("the input is {}, must have four axes", s.to_string()));
  if (s[3] % 2 != 0) return Status::corrupt(fmt::format("a head of {} has no halves", s[3]));
  OCTET_TRY(check_table(n.in[1], s));
  OCTET_TRY(check_table(n.in[2], s));
  return infer_same(n);
}

// Where the row of a table for row `r` of x begins.
struct TableRows {
  std::array<int64_t, 3> extent{}, stride{};
  TableRows(const Shape& x, const Shape& table) {
    int64_t step = x[3];
    for (int a = 2; a >= 0; --a) {
      const auto i = static_cast<size_t>(a);
      extent[i] = x[a];
      stride[i] = table[a] == 1 ? 0 : step;
      step *= table[a];
    }
  }
  int64_t operator()(int64_t r) const {
    const int64_t a2 = r % extent[2], a1 = r / extent[2] % extent[1], a0 = r / extent[2] / extent[1];
    return a0 * stride[0] + a1 * stride[1] + a2 * stride[2];
  }
};

// f(x, sin, cos, y) for every head.
template <class T, class F>
std::unique_ptr<Kernel> heads_kernel(const NodeDesc& n, F f) {
  const Shape& s = n.in[0].shape;
  const auto rows = static_cast<size_t>(s.elements(0, 3)), head = static_cast<size_t>(s[3]);
  return make_kernel([=, sines = TableRows(s, n.in[1].shape),
                      cosines = TableRows(s, n.in[2].shape)](const RunArgs& args) -> Status {
    const T* in = static_cast<const T*>(args.in[0]);
    const float *sin = static_cast<const float*>(args.in[1]), *cos = static_cast<const float*>(args.in[2]);
    T* out = static_cast<T*>(args.out[0]);
    args.pool.for_range(rows, 1 + 8192 / (head + 1), [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r) {
        const auto row = static_cast<int64_t>(r);
        f(in + r * head, sin + sines(row), cos + cosines(row), out + r * head, head / 2);
      }
    });
    return {};
  });
}

Status check_types(const NodeDesc& n) {
  if (n.in[0].dtype != n.out[0].dtype) return unsupported_type(n.out[0]);
  for (size_t i : {size_t{1}, size_t{2}})
    if (n.in[i].dtype != DType::float32) return unsupported_type(n.in[i]);
  return {};
}

KernelResult reference_rope(const NodeDesc& n, ThreadPool&) {
  OCTET_TRY(check_types(n));
  auto rotate = [](auto real, auto store) {
    return [=](const auto* x, const float* sin, const float* cos, auto* y, size_t half) {
      for (size_t i = 0; i < half; ++i) {
        const double x0 = real(x[i]), x1 = real(x[i + half]);
        y[i] = store(x0 * static_cast<double>(cos[i]) - x1 * static_cast<double>(sin[i]));
        y[i + half] =
            store(x0 * static_cast<double>(sin[i + half]) + x1 * static_cast<double>(cos[i + half]));
      }
    };
  };
  if (n.in[0].dtype == DType::float32)
    return heads_kernel<float>(n, rotate([](float v) { return static_cast<double>(v); },
                                         [](double v) { return static_cast<float>(v); }));
  OCTET_ASSIGN(const Affine a, affine_of(n.in[0]));
  OCTET_ASSIGN(const Affine b, affine_of(n.out[0]));
  return dispatch<int8_t, uint8_t>(n.in[0].dtype, unsupported_type(n.in[0]), [&](auto type) -> KernelResult {
    using T = typename decltype(type)::type;
    return heads_kernel<T>(
        n, rotate([a](T q) { return dequantize(q, a); }, [b](double v) { return quantize<T>(v, b); }));
  });
}

KernelResult float_rope(const NodeDesc& n, ThreadPool&) {
  OCTET_TRY(check_types(n));
  if (n.in[0].dtype != DType::float32) return declined_type(n.in[0].dtype);
  return heads_kernel<float>(n,
                             [](const float* x, const float* sin, const float* cos, float* y, size_t half) {
                               element_loop(0, half, [=](size_t i) OCTET_INLINE {
                                 const float x0 = x[i], x1 = x[i + half];
                                 y[i] = x0 * cos[i] - x1 * sin[i];
                                 y[i + half] = x0 * sin[i + half] + x1 * cos[i + half];
                               });
                             });
}

template <class T>
std::unique_ptr<Kernel> byte_kernel_rope(const NodeDesc& n, const Affine& from, const Affine& to) {
  const float ratio = static_cast<float>(static_cast<double>(from.scale) / static_cast<double>(to.scale));
  const int zero_in = static_cast<int>(from.zero_point), zero_out = static_cast<int>(to.zero_point);
  const auto lo = static_cast<float>(std::numeric_limits<T>::min() - zero_out);
  const auto hi = static_cast<float>(std::numeric_limits<T>::max() - zero_out);
  return heads_kernel<T>(n, [=](const T* x, const float* sin, const float* cos, T* y, size_t half) {
    const auto store = [=](float v) OCTET_INLINE {
      return static_cast<T>(round_small(std::min(std::max(v, lo), hi)) + zero_out);
    };
    element_loop(0, half, [=](size_t i) OCTET_INLINE {
      const float x0 = static_cast<float>(x[i] - zero_in) * ratio;
      const float x1 = static_cast<float>(x[i + half] - zero_in) * ratio;
      y[i] = store(x0 * cos[i] - x1 * sin[i]);
      y[i + half] = store(x0 * sin[i + half] + x1 * cos[i + half]);
    });
  });
}

KernelResult byte_rope(const NodeDesc& n, ThreadPool&) {
  OCTET_TRY(check_types(n));
  if (n.in[0].dtype != DType::int8 && n.in[0].dtype != DType::uint8) return declined_type(n.in[0].dtype);
  OCTET_ASSIGN(const Affine from, affine_of(n.in[0]));
  OCTET_ASSIGN(const Affine to, affine_of(n.out[0]));
  if (n.in[0].dtype == DType::int8) return byte_kernel_rope<int8_t>(n, from, to);
  return byte_kernel_rope<uint8_t>(n, from, to);
}

}  // namespace

const OpSpec& spec_ROPE() {
  static const OpSpec spec{
      .kind = OpKind::ROPE,
      .traits = Trait::homogeneous,
      .inputs = {3, 3},
      .infer = infer_rope,
      .reference = {"reference", reference_rope},
      .fast = {{"float-loop", float_rope, cost::per_element<200>},
               {"byte-loop", byte_rope, cost::per_element<300>}},
      .quant = QuantRule::of({activation(), keep(), keep()}, {activation()}),
      .readers = {kNoForm, kNoForm},
      .notes = "only in .circle; mode GPT_NEOX; the tables stay float32 in int8",
  };
  return spec;
}

}  // namespace octet
