// BATCH_MATMUL: inference and reference.
#include "kernels/linear/batch_matmul.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/cost.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"
#include "schema/core/int_range.hpp"
#include "schema/core/strides.hpp"

namespace octet {
namespace matmul {
namespace {

using linear::Form;

// The leading axes of `s` as a shape of `rank` axes, ones in front.
Shape leading(const Shape& s, int rank) {
  Shape out = Shape::of_rank(rank);
  for (int i = 0; i < s.rank() - 2; ++i)
    out[rank - (s.rank() - 2) + i] = s[i];
  return out;
}

Result<InferredShapes> infer(const NodeDesc& n) {
  const Shape &x = n.in[0].shape, &y = n.in[1].shape;
  const auto& a = n.attr<BatchMatMulAttrs>();
  if (x.rank() < 2 || y.rank() < 2)
    return Status::corrupt(fmt::format("factors {} and {} need two axes", x.to_string(), y.to_string()));
  const int32_t m = x[a.adj_x ? -1 : -2], kx = x[a.adj_x ? -2 : -1];
  const int32_t ky = y[a.adj_y ? -1 : -2], cols = y[a.adj_y ? -2 : -1];
  const int rank = std::max(x.rank(), y.rank());
  const auto batch = broadcast(leading(x, rank - 2), leading(y, rank - 2));
  if (kx != ky || !batch)
    return Status::corrupt(fmt::format("factors {}{} and {}{} do not go together", x.to_string(),
                                       a.adj_x ? " transposed" : "", y.to_string(),
                                       a.adj_y ? " transposed" : ""));
  Shape out = *batch;
  out.push_back(m);
  out.push_back(cols);
  return one(out);
}

// `count`: of matrices, all in `batch` or none.
Side side_of(const Shape& s, const Shape& own, const Shape& batch, int64_t count, bool transposed) {
  const int64_t rows = s[-2], cols = s[-1];
  Side side;
  side.row = transposed ? 1 : cols;
  side.col = transposed ? cols : 1;
  const auto strides = strides_of(own);
  side.start.resize(static_cast<size_t>(count));
  for (size_t b = 0; b < side.start.size(); ++b) {
    int64_t matrix = 0;
    auto rest = static_cast<int64_t>(b);
    for (int i = batch.rank() - 1; i >= 0; --i) {
      const int64_t at = rest % batch[i];
      rest /= batch[i];
      if (own[i] != 1) matrix += at * strides[static_cast<size_t>(i)];
    }
    side.start[b] = matrix * rows * cols;
  }
  return side;
}

// Sums of products as written; `finish(batch, row, index, sum)` stores.
template <class Acc, class X, class Y, class Zero, class Finish>
void multiply(const Problem& p, const X* x, const Y* y, const Zero& x_zero, const Finish& finish,
              ThreadPool& pool) {
  pool.for_range(static_cast<size_t>(p.batch * p.m), 1, [&](size_t begin, size_t end) {
    for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row) {
      const auto b = static_cast<size_t>(row / p.m);
      const X* xr = x + p.x.start[b] + row % p.m * p.x.row;
      const Acc zx = static_cast<Acc>(x_zero(row)), zy = static_cast<Acc>(p.y_zero);
      for (int64_t j = 0; j < p.n; ++j) {
        const Y* yc = y + p.y.start[b] + j * p.y.col;
        Acc sum = 0;
        for (int64_t k = 0; k < p.k; ++k)
          sum += (static_cast<Acc>(xr[k * p.x.col]) - zx) * (static_cast<Acc>(yc[k * p.y.row]) - zy);
        finish(row, row * p.n + j, sum);
      }
    }
  });
}

template <class T, class Y = T>
void integers(const Problem& p, const RunArgs& args) {
  auto* out = static_cast<T*>(args.out[0]);
  const auto finish = [&](int64_t, int64_t at, int64_t sum) {
    if constexpr (std::is_same_v<T, int16_t>) {
      const double scale = p.column_scale.empty() ? p.scale : p.column_scale[static_cast<size_t>(at % p.n)];
      out[at] =
          saturate<T>(round_even(static_cast<double>(sum) * scale) + p.out_zero, p.bounds.lo, p.bounds.hi);
    } else {
      const auto narrow = static_cast<int32_t>(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX));
      out[at] = static_cast<T>(
          requantize(narrow, static_cast<float>(p.scale), p.out_zero, p.bounds.lo, p.bounds.hi));
    }
  };
  multiply<int64_t>(
      p, static_cast<const T*>(args.in[0]), static_cast<const Y*>(args.in[1]),
      [&](int64_t) { return p.x_zero; }, finish, args.pool);
}

// Each row of the left factor is quantized in each run, as TFLite's hybrid kernel does.
void hybrid(const Problem& p, const RunArgs& args) {
  const int64_t rows = p.batch * p.m;
  auto* params = static_cast<linear::RowQuant*>(args.workspace);
  auto* values = reinterpret_cast<float*>(params + rows);
  auto* q = reinterpret_cast<int8_t*>(values + rows * p.k);
  Problem dense = p;  // the quantized rows, one after the other
  dense.x.row = p.k;
  dense.x.col = 1;
  for (int64_t b = 0; b < p.batch; ++b)
    dense.x.start[static_cast<size_t>(b)] = b * p.m * p.k;
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = static_cast<const float*>(args.in[0]) + p.x.start[static_cast<size_t>(row / p.m)] +
                        row % p.m * p.x.row;
    float* to = values + row * p.k;
    for (int64_t k = 0; k < p.k; ++k)
      to[k] = from[k * p.x.col];
    params[row] = linear::quantize_row(to, p.k, p.asymmetric, q + row * p.k);
  }
  auto* out = static_cast<float*>(args.out[0]);
  multiply<int64_t>(
      dense, static_cast<const int8_t*>(q), static_cast<const int8_t*>(args.in[1]),
      [&](int64_t row) { return params[row].zero; },
      [&](int64_t row, int64_t at, int64_t sum) {
        out[at] =
            static_cast<float>(static_cast<double>(sum) * p.scale * static_cast<double>(params[row].scale));
      },
      args.pool);
}

KernelResult create_reference(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Problem p, problem_of(n));
  const auto rows = static_cast<size_t>(p.batch * p.m), cells = rows * static_cast<size_t>(p.k);
  const size_t workspace =
      p.form == Form::hybrid ? rows * sizeof(linear::RowQuant) + cells * (sizeof(float) + 1) : 0;
  const bool narrow_y = p.form == Form::int16 && n.in[1].dtype == DType::int8;
  return make_kernel(
      [p = std::move(p), narrow_y](const RunArgs& args) -> Status {
        switch (p.form) {
          case Form::int8: integers<int8_t>(p, args); break;
          case Form::uint8: integers<uint8_t>(p, args); break;
          case Form::int16: narrow_y ? integers<int16_t, int8_t>(p, args) : integers<int16_t>(p, args); break;
          case Form::hybrid: hybrid(p, args); break;
          case Form::float32: {
            auto* out = static_cast<float*>(args.out[0]);
            multiply<double>(
                p, static_cast<const float*>(args.in[0]), static_cast<const float*>(args.in[1]),
                [](int64_t) { return 0; },
                [&](int64_t, int64_t at, double sum) { out[at] = static_cast<float>(sum); }, args.pool);
          }
        }
        return {};
      },
      workspace);
}

Result<Form> form_of(const TensorDesc& x, const TensorDesc& y, const TensorDesc& out) {
  if (x.dtype == DType::float32 && out.dtype == DType::float32) {
    if (y.dtype == DType::float32) return Form::float32;
    if (y.dtype == DType::int8) return Form::hybrid;
  } else if (x.dtype == DType::int16 && y.dtype == DType::int8 && out.dtype == DType::int16) {
    return Form::int16;
  } else if (x.dtype == y.dtype && x.dtype == out.dtype) {
    if (x.dtype == DType::int8) return Form::int8;
    if (x.dtype == DType::uint8) return Form::uint8;
    if (x.dtype == DType::int16) return Form::int16;
  }
  return Status::unsupported(
      fmt::format("{} times {} into {}", name_of(x.dtype), name_of(y.dtype), name_of(out.dtype)));
}

int64_t macs(const NodeDesc& n) {
  const Shape &x = n.in[0].shape, &out = n.out[0].shape;
  const int64_t k = x[n.attr<BatchMatMulAttrs>().adj_x ? -2 : -1];
  int64_t r = 0;
  return __builtin_mul_overflow(out.elements(), k, &r) ? INT64_MAX : r;
}

}  // namespace

Result<Problem> problem_of(const NodeDesc& node) {
  OCTET_TRY(infer(node).ok() ? Status() : Status::corrupt("factors do not go together"));
  const TensorDesc &x = node.in[0], &y = node.in[1], &out = node.out[0];
  const auto& a = node.attr<BatchMatMulAttrs>();
  Problem p;
  OCTET_ASSIGN(p.form, form_of(x, y, out));
  p.adj_x = a.adj_x;
  p.adj_y = a.adj_y;
  p.asymmetric = a.asymmetric_quantize_inputs;
  const int rank = std::max(x.shape.rank(), y.shape.rank()) - 2;
  p.x_batch = leading(x.shape, rank);
  p.y_batch = leading(y.shape, rank);
  const Shape batch = *broadcast(p.x_batch, p.y_batch);
  p.batch = batch.elements();
  p.m = out.shape[-2];
  p.n = out.shape[-1];
  p.k = x.shape[a.adj_x ? -2 : -1];
  // Each matrix has an entry in a table, which must not outgrow the data.
  constexpr int64_t kMaxMatrices = 1 << 24;
  if (p.m == 0 || p.n == 0) p.batch = 0;
  if (p.batch > kMaxMatrices)
    return Status::exhausted(fmt::format("{} matrices; at most {}", p.batch, kMaxMatrices));
  p.x = side_of(x.shape, p.x_batch, batch, p.batch, a.adj_x);
  p.y = side_of(y.shape, p.y_batch, batch, p.batch, a.adj_y);
  if (p.form == Form::float32) return p;

  const bool is_hybrid = p.form == Form::hybrid;
  const bool per_column = y.dtype == DType::int8 && p.form == Form::int16 && y.quant.is_per_channel() &&
                          *y.quant.axis() == y.shape.rank() - (a.adj_y ? 2 : 1);
  for (const TensorDesc* t : {&x, &y, &out}) {
    if ((is_hybrid && t != &y) || (per_column && t == &y)) continue;
    if (!t->quant || t->quant.is_per_channel())
      return Status::unsupported(fmt::format("'{}' must be quantized per tensor", t->name));
  }
  p.y_zero = per_column ? 0 : y.quant.zero_point();
  p.scale = per_column ? 1 : static_cast<double>(y.quant.scale());
  if (is_hybrid) return p;
  p.x_zero = x.quant.zero_point();
  p.out_zero = out.quant.zero_point();
  const IntRange r = range_of(out.dtype);
  p.bounds = {static_cast<int32_t>(r.lo), static_cast<int32_t>(r.hi)};
  p.scale = p.form == Form::int16
                ? static_cast<double>(x.quant.scale()) * p.scale / static_cast<double>(out.quant.scale())
                : static_cast<double>(x.quant.scale() * y.quant.scale() / out.quant.scale());
  if (per_column)
    for (int64_t c = 0; c < p.n; ++c) {
      const Affine w = y.quant.at(static_cast<size_t>(c));
      if (w.zero_point != 0)
        return Status::unsupported(fmt::format("'{}' has zero points per channel", y.name));
      p.column_scale.push_back(p.scale * static_cast<double>(w.scale));
      if (!std::isfinite(p.column_scale.back())) return Status::unsupported("scales overflow");
    }
  if (!std::isfinite(p.scale)) return Status::unsupported("scales overflow");
  return p;
}

}  // namespace matmul

const OpSpec& spec_BATCH_MATMUL() {
  static const OpSpec spec{.kind = OpKind::BATCH_MATMUL,
                           .traits = Trait::homogeneous,
                           .inputs = {2, 2},
                           .outputs = {1, 1},
                           .infer = matmul::infer,
                           .reference = {"reference", matmul::create_reference},
                           .fast = {{"xnnpack", matmul::create_xnnpack, cost::per_mac<10>},
                                    {"panel-gemm", matmul::create_panel_gemm, cost::per_mac<20>}},
                           .quant = QuantRule::of({activation(), activation()}, {activation()}),
                           .macs = matmul::macs,
                           .version_int8 = 2,
                           .version_int16 = 3,
                           .notes = "both factors may be computed at run time; batch axes broadcast"};
  return spec;
}

}  // namespace octet
