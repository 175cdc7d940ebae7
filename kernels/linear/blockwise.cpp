#include "kernels/linear/blockwise.hpp"

#include <fmt/format.h>
#include <limits>

#include "schema/core/int4.hpp"

namespace octet::linear {
namespace {

class Reference final : public Kernel {
 public:
  Reference(const NodeDesc& n, const BlockProduct& p, Slots slots) : p_(p), slots_(slots) {
    const TensorDesc& w = n.in[slots.w];
    params_.assign(w.quant.params().begin(), w.quant.params().end());
    if (w.dtype == DType::int4) {
      weights_ = unpack_int4(w.data, w.elements());
    } else {
      const auto* first = static_cast<const int8_t*>(w.data);
      weights_.assign(first, first + w.elements());
    }
  }
  size_t workspace_bytes() const override { return rows_bytes() + static_cast<size_t>(p_.rows * p_.inputs); }
  Status run(const RunArgs& args) override {
    const auto* x = static_cast<const float*>(args.in[slots_.x]);
    const auto* bias = p_.has_bias ? static_cast<const float*>(args.in[slots_.bias]) : nullptr;
    auto* y = static_cast<float*>(args.out[0]);
    auto* rows = static_cast<RowQuant*>(args.workspace);
    auto* q = static_cast<int8_t*>(args.workspace) + rows_bytes();
    args.pool.for_range(static_cast<size_t>(p_.rows), 1, [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r) {
        const auto at = static_cast<int64_t>(r) * p_.inputs;
        rows[r] = quantize_row(x + at, p_.inputs, true, q + at);
      }
    });
    args.pool.for_range(static_cast<size_t>(p_.rows * p_.outputs), 16, [&](size_t begin, size_t end) {
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
        const int64_t r = i / p_.outputs, o = i % p_.outputs;
        const auto product =
            static_cast<float>(sum(q + r * p_.inputs, rows[r].zero, o) * static_cast<double>(rows[r].scale));
        y[i] = apply(p_.act, product + (bias != nullptr ? bias[o] : 0.0f));
      }
    });
    return {};
  }

 private:
  size_t rows_bytes() const { return (static_cast<size_t>(p_.rows) * sizeof(RowQuant) + 63) / 64 * 64; }

  // In steps of the activations.
  double sum(const int8_t* x, int32_t zero, int64_t output) const {
    const int8_t* w = weights_.data() + output * p_.inputs;
    double total = 0;
    for (int64_t b = 0; b < p_.blocks(); ++b, x += p_.block, w += p_.block) {
      const Affine& a = params_[static_cast<size_t>(output * p_.blocks() + b)];
      const auto w_zero = static_cast<int32_t>(a.zero_point);
      int32_t acc = 0;
      for (int64_t k = 0; k < p_.block; ++k)
        acc += (x[k] - zero) * (w[k] - w_zero);
      total += static_cast<double>(a.scale) * acc;
    }
    return total;
  }

  BlockProduct p_;
  Slots slots_;
  std::vector<Affine> params_;
  std::vector<int8_t> weights_;
};

}  // namespace

Result<BlockProduct> block_product(const NodeDesc& n, Slots slots, int64_t rows, const Activation& act) {
  const TensorDesc &x = n.in[slots.x], &w = n.in[slots.w], &y = n.out[0];
  if (x.dtype != DType::float32 || y.dtype != DType::float32 ||
      (w.dtype != DType::int4 && w.dtype != DType::int8))
    return Status::unsupported(fmt::format("{} activations with {} weights in blocks and {} outputs",
                                           name_of(x.dtype), name_of(w.dtype), name_of(y.dtype)));
  BlockProduct p{
      .rows = rows, .inputs = w.shape[1], .outputs = w.shape[0], .block = w.quant.block(), .act = act};
  if (p.inputs % p.block != 0 ||
      static_cast<int64_t>(w.quant.params().size()) != p.outputs * (p.inputs / p.block))
    return Status::corrupt(fmt::format("'{}' of shape {} has {} scales for blocks of {}", w.name,
                                       w.shape.to_string(), w.quant.params().size(), p.block));
  // |x - zero| and |w - zero| are at most 255.
  if (p.block > std::numeric_limits<int32_t>::max() / (255 * 255))
    return Status::unsupported(fmt::format("blocks of {}", p.block));
  if (const TensorDesc* bias = n.optional_input(slots.bias)) {
    p.has_bias = true;
    if (bias->dtype != DType::float32)
      return Status::unsupported(fmt::format("bias '{}' is {}", bias->name, name_of(bias->dtype)));
    if (bias->elements() != p.outputs)
      return Status::corrupt(
          fmt::format("bias '{}' has {} elements for {} outputs", bias->name, bias->elements(), p.outputs));
  }
  if (!w.is_known()) return Status::unsupported("weights in blocks that are not constant");
  return p;
}

KernelResult reference_block_product(const NodeDesc& n, const BlockProduct& p, Slots slots) {
  return std::unique_ptr<Kernel>(std::make_unique<Reference>(n, p, slots));
}

}  // namespace octet::linear
