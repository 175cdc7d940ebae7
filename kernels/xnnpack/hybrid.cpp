// Float activations with int8 weights: activations are quantized by quantize_row(), exactly as the reference
// does, and XNNPACK's operators for dynamically quantized inputs do the rest.
#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include "kernels/cpu.hpp"
#include "kernels/xnnpack/linear.hpp"
#include "kernels/xnnpack/operator.hpp"
#include "kernels/xnnpack/weights.hpp"
#include "octet/try.hpp"

namespace octet::xnn {
namespace {

using linear::Convolution;
using linear::Form;
using linear::Geometry;
using linear::Numerics;
using linear::RowQuant;

static_assert(sizeof(RowQuant) == sizeof(xnn_quantization_params));

// A block of rows that ends early computes its last row again for the missing ones, with the parameters that
// follow, and stores it again. XNNPACK asks for fewer of them than its tallest block has rows: on AVX512-VNNI
// it takes int4 weights 14 rows at once.
constexpr size_t kExtraParams = 32;
static_assert(kExtraParams >= XNN_EXTRA_QUANTIZATION_PARAMS);

size_t round_up(size_t n) {
  return (n + 63) / 64 * 64;
}

class Hybrid final : public Kernel {
 public:
  using Bind = xnn_status (*)(xnn_operator_t, void*, const int8_t*, float*, const xnn_quantization_params*);

  Hybrid(Operator op, Bind bind, size_t slot, int64_t rows, int64_t length, bool asymmetric, size_t workspace)
      : op_(std::move(op)),
        bind_(bind),
        slot_(slot),
        rows_(rows),
        length_(length),
        asymmetric_(asymmetric),
        params_bytes_(round_up((static_cast<size_t>(rows) + kExtraParams) * sizeof(RowQuant))),
        row_bytes_(round_up(static_cast<size_t>(rows * length) + XNN_EXTRA_BYTES)),
        workspace_(workspace) {}
  size_t workspace_bytes() const override { return params_bytes_ + row_bytes_ + workspace_; }

  Status run(const RunArgs& args) override {
    auto* base = static_cast<std::byte*>(args.workspace);
    auto* params = reinterpret_cast<xnn_quantization_params*>(base);
    auto* q = reinterpret_cast<int8_t*>(base + params_bytes_);
    const auto* x = static_cast<const float*>(args.in[slot_]);
    const size_t grain = static_cast<size_t>(std::max<int64_t>(1, 4096 / std::max<int64_t>(length_, 1)));
    args.pool.for_range(static_cast<size_t>(rows_), grain, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const auto at = static_cast<int64_t>(i) * length_;
        const RowQuant r = linear::quantize_row(x + at, length_, asymmetric_, q + at);
        params[i] = {r.zero, r.scale};
      }
    });
    std::fill_n(params + rows_, kExtraParams, params[rows_ - 1]);
    OCTET_TRY(status_of(
        bind_(op_.get(), base + params_bytes_ + row_bytes_, q, static_cast<float*>(args.out[0]), params),
        "setup"));
    return status_of(xnn_run_operator(op_.get(), args.pool.raw()), "run");
  }

 private:
  Operator op_;
  Bind bind_;
  size_t slot_;
  int64_t rows_, length_;
  bool asymmetric_;
  size_t params_bytes_, row_bytes_, workspace_;
};

}  // namespace

KernelResult hybrid_convolution(const NodeDesc& n, const Convolution& c, ThreadPool& pool) {
  const Geometry& g = c.g;
  const Numerics& num = c.num;
  OCTET_TRY(initialize());
  if (num.form != Form::hybrid) return Status::declined("not a hybrid operator");
  if (!num.weights_are_symmetric() || !num.is_clamp())
    return Status::declined("weights with a zero point or an activation that is not a clamp");
  if (!n.in[c.slots.w].is_known() || (num.has_bias && !n.in[c.slots.bias].is_known()))
    return Status::declined("the weights are not constant");
  if (g.empty() || g.in_channels == 0 || g.pixels_in() == 0) return Status::declined("nothing to compute");
  const bool product = g.kernel == linear::Extents{1, 1, 1} && g.in == linear::Extents{1, 1, 1} &&
                       g.groups == 1 && !g.has_padding();
  // Rows of whole bytes can stay packed.
  const bool packed = num.int4_weights && product && g.in_channels % 2 == 0;
  if (num.int4_weights && !packed) {
    const linear::UnpackedWeights unpacked(n, c.slots.w);
    Convolution wide = c;
    wide.num.int4_weights = false;
    return hybrid_convolution(unpacked.desc(), wide, pool);
  }
  const auto* w = static_cast<const int8_t*>(n.in[c.slots.w].data);
  const auto* bias = num.has_bias ? static_cast<const float*>(n.in[c.slots.bias].data) : nullptr;
  const std::vector<float> scales = num.float_scale();
  const RealRange r = range_of(num.act);
  const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
  const auto z = [](int64_t v) { return static_cast<size_t>(v); };
  const int64_t length = g.pixels_in() * g.in_channels;
  const auto weights = std::make_shared<Weights>(n);
  xnn_operator_t raw = nullptr;

  if (packed) {
    OCTET_TRY(declined_of(xnn_create_fully_connected_nc_qd8_f32_qc4w(
                              z(g.in_channels), z(g.out_channels), z(g.in_channels), z(g.out_channels), 0,
                              scales.data(), w, bias, r.lo, r.hi, 0, nullptr, weights->cache(), &raw),
                          "create hybrid fully connected"));
    Operator op(raw, Deleter{weights});
    OCTET_TRY(declined_of(xnn_reshape_fully_connected_nc_qd8_f32_qc4w(raw, z(g.batch), pool.raw()),
                          "reshape hybrid fully connected"));
    const auto bind = [](xnn_operator_t o, void*, const int8_t* x, float* y,
                         const xnn_quantization_params* p) {
      return xnn_setup_fully_connected_nc_qd8_f32_qc4w(o, x, y, p);
    };
    return std::unique_ptr<Kernel>(
        std::make_unique<Hybrid>(std::move(op), bind, c.slots.x, g.batch, length, num.asymmetric, 0));
  }
  if (product) {
    OCTET_TRY(declined_of(xnn_create_fully_connected_nc_qd8_f32_qc8w(
                              z(g.in_channels), z(g.out_channels), z(g.in_channels), z(g.out_channels),
                              scales.data(), w, bias, r.lo, r.hi, 0, nullptr, weights->cache(), &raw),
                          "create hybrid fully connected"));
    Operator op(raw, Deleter{weights});
    OCTET_TRY(declined_of(xnn_reshape_fully_connected_nc_qd8_f32_qc8w(raw, z(g.batch), pool.raw()),
                          "reshape hybrid fully connected"));
    const auto bind = [](xnn_operator_t o, void*, const int8_t* x, float* y,
                         const xnn_quantization_params* p) {
      return xnn_setup_fully_connected_nc_qd8_f32_qc8w(o, x, y, p);
    };
    return std::unique_ptr<Kernel>(
        std::make_unique<Hybrid>(std::move(op), bind, c.slots.x, g.batch, length, num.asymmetric, 0));
  }

  OCTET_TRY(row_table_fits(g.taps(), g.pixels_out()));
#if defined(__arm__)
  // The kernel slot that is broken for int8 convolutions of one output pixel (see linear.cpp) exists here,
  // too.
  if (g.pixels_out() == 1) return Status::declined("a single output pixel on 32-bit ARM");
#endif
  OCTET_TRY(declined_of(
      xnn_create_convolution2d_nhwc_qd8_f32_qc8w(
          u(g.pad_before[1]), u(g.pad_after[2]), u(g.pad_after[1]), u(g.pad_before[2]), u(g.kernel[1]),
          u(g.kernel[2]), u(g.stride[1]), u(g.stride[2]), u(g.dilation[1]), u(g.dilation[2]), u(g.groups),
          z(g.group_in()), z(g.group_out()), z(g.in_channels), z(g.out_channels), scales.data(), w, bias,
          r.lo, r.hi, 0, nullptr, weights->cache(), &raw),
      "create hybrid convolution"));
  Operator op(raw, Deleter{weights});
  size_t workspace = 0, alignment = 0, out_h = 0, out_w = 0;
  OCTET_TRY(declined_of(
      xnn_reshape_convolution2d_nhwc_qd8_f32_qc8w(raw, z(g.batch), z(g.in[1]), z(g.in[2]), &workspace,
                                                  &alignment, &out_h, &out_w, pool.raw()),
      "reshape hybrid convolution"));
  if (out_h != z(g.out[1]) || out_w != z(g.out[2]))
    return Status::declined(fmt::format("XNNPACK computes {}x{} outputs", out_h, out_w));
  return std::unique_ptr<Kernel>(
      std::make_unique<Hybrid>(std::move(op), xnn_setup_convolution2d_nhwc_qd8_f32_qc8w, c.slots.x, g.batch,
                               length, num.asymmetric, workspace));
}

KernelResult block_product(const NodeDesc& n, const linear::BlockProduct& p, linear::Slots slots,
                           ThreadPool& pool) {
  OCTET_TRY(initialize());
  const TensorDesc& w = n.in[slots.w];
  if (w.dtype != DType::int4) return Status::declined("only int4 weights");
  if (p.block % 32 != 0) return Status::declined(fmt::format("blocks of {}", p.block));
  if (p.rows == 0) return Status::declined("nothing to compute");
  if (p.act.kind == Activation::Kind::tanh || p.act.kind == Activation::Kind::sign_bit)
    return Status::declined("the fused activation is not a clamp");
  if (p.has_bias && !n.in[slots.bias].is_known()) return Status::declined("the bias is not constant");
  std::vector<uint16_t> scales;
  for (const Affine& a : w.quant.params()) {
    const auto bits = std::bit_cast<uint32_t>(a.scale);
    if (a.zero_point != 0) return Status::declined("weights with a zero point");
    if ((bits & 0xFFFF) != 0) return Status::declined(fmt::format("scale {} is no bfloat16", a.scale));
    scales.push_back(static_cast<uint16_t>(bits >> 16));
  }
#if defined(__x86_64__) || defined(__i386__)
  // Its table of kernels is empty for older CPUs, and the operator is made all the same.
  if (!cpu().has(CpuFeature::avx2)) return Status::declined("XNNPACK has no such kernel without AVX2");
#endif
  // The operator takes unsigned nibbles with a zero point of 8.
  const auto* signed_bytes = static_cast<const uint8_t*>(w.data);
  std::vector<uint8_t> bytes(signed_bytes, signed_bytes + w.bytes());
  for (uint8_t& b : bytes)
    b ^= 0x88;
  const auto* bias = p.has_bias ? static_cast<const float*>(n.in[slots.bias].data) : nullptr;
  const RealRange r = range_of(p.act);
  const auto ic = static_cast<size_t>(p.inputs), oc = static_cast<size_t>(p.outputs);
  const auto weights = std::make_shared<Weights>(n);
  xnn_operator_t raw = nullptr;
  OCTET_TRY(declined_of(xnn_create_fully_connected_nc_qd8_f32_qb4w(
                            ic, oc, ic, oc, static_cast<size_t>(p.block), 8, scales.data(), bytes.data(),
                            bias, r.lo, r.hi, 0, nullptr, weights->cache(), &raw),
                        "create blockwise fully connected"));
  Operator op(raw, Deleter{weights});
  OCTET_TRY(
      declined_of(xnn_reshape_fully_connected_nc_qd8_f32_qb4w(raw, static_cast<size_t>(p.rows), pool.raw()),
                  "reshape blockwise fully connected"));
  const auto bind = [](xnn_operator_t o, void*, const int8_t* x, float* y, const xnn_quantization_params* q) {
    return xnn_setup_fully_connected_nc_qd8_f32_qb4w(o, x, y, q);
  };
  return std::unique_ptr<Kernel>(
      std::make_unique<Hybrid>(std::move(op), bind, slots.x, p.rows, p.inputs, true, 0));
}

}  // namespace octet::xnn
