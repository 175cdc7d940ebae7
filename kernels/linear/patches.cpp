#include "kernels/linear/patches.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/xnnpack/linear.hpp"
#include "octet/try.hpp"

namespace octet::linear {
namespace {

// Weights as [output channel][tap][input channel].
std::vector<std::byte> ordered(const Geometry& g, const void* weights, size_t element) {
  const auto* w = static_cast<const std::byte*>(weights);
  std::vector<std::byte> out(static_cast<size_t>(g.out_channels * g.terms()) * element);
  std::byte* to = out.data();
  for (int64_t o = 0; o < g.out_channels; ++o)
    for (int64_t t = 0; t < g.taps(); ++t)
      for (int64_t i = 0; i < g.in_channels; ++i, to += element)
        std::memcpy(to, w + static_cast<size_t>(o * g.w_out + t * g.w_tap + i * g.w_in) * element, element);
  return out;
}

// Windows handled at once: a slice, a row or a single one, whatever keeps the gathered rows near the caches.
int64_t windows_at_once(const Geometry& g, size_t element) {
  constexpr int64_t kTarget = 1 << 20;  // bytes
  const int64_t row = g.terms() * static_cast<int64_t>(element);
  for (int64_t windows : {g.out[1] * g.out[2], g.out[2]})
    if (windows * row <= kTarget) return windows;
  return 1;
}

class Patches final : public Kernel {
 public:
  Patches(const Convolution& c, size_t element, int64_t windows, std::unique_ptr<Kernel> product)
      : g_(c.g),
        slots_(c.slots),
        element_(element),
        padding_(element == 1 ? static_cast<std::byte>(c.num.x_zero) : std::byte{0}),
        windows_(windows),
        product_(std::move(product)) {
    patch_bytes_ = (static_cast<size_t>(windows_ * g_.terms()) * element_ + 64 + 63) / 64 * 64;
  }
  size_t workspace_bytes() const override { return patch_bytes_ + product_->workspace_bytes(); }

  Status run(const RunArgs& args) override {
    const auto* x = static_cast<const std::byte*>(args.in[slots_.x]);
    auto* y = static_cast<std::byte*>(args.out[0]);
    auto* patches = static_cast<std::byte*>(args.workspace);
    std::vector<const void*> in(args.in.begin(), args.in.end());
    in[slots_.x] = patches;
    const int64_t total = g_.batch * g_.pixels_out();
    for (int64_t first = 0; first < total; first += windows_) {
      args.pool.for_range(static_cast<size_t>(windows_), 8, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i)
          gather(x, first + static_cast<int64_t>(i),
                 patches + i * static_cast<size_t>(g_.terms()) * element_);
      });
      void* out = y + static_cast<size_t>(first * g_.out_channels) * element_;
      OCTET_TRY(product_->run(
          {.in = in, .out = {&out, 1}, .workspace = patches + patch_bytes_, .pool = args.pool}));
    }
    return {};
  }

 private:
  void gather(const std::byte* x, int64_t window, std::byte* to) const {
    const int64_t ow = window % g_.out[2], oh = window / g_.out[2] % g_.out[1];
    const int64_t od = window / g_.out[2] / g_.out[1] % g_.out[0], b = window / g_.pixels_out();
    const size_t bytes = static_cast<size_t>(g_.in_channels) * element_;
    const int64_t left = ow * g_.stride[2] - g_.pad_before[2];
    const bool whole_rows =
        !g_.transposed && g_.dilation[2] == 1 && left >= 0 && left + g_.kernel[2] <= g_.in[2];
    for (int64_t kd = 0; kd < g_.kernel[0]; ++kd)
      for (int64_t kh = 0; kh < g_.kernel[1]; ++kh) {
        if (whole_rows) {  // the taps of one row are neighbours
          const auto id = g_.source(0, od, kd), ih = g_.source(1, oh, kh);
          const size_t row = static_cast<size_t>(g_.kernel[2]) * bytes;
          if (id && ih)
            std::memcpy(
                to,
                x + static_cast<size_t>(((b * g_.in[0] + *id) * g_.in[1] + *ih) * g_.in[2] + left) * bytes,
                row);
          else
            std::fill_n(to, row, padding_);
          to += row;
          continue;
        }
        for (int64_t kw = 0; kw < g_.kernel[2]; ++kw, to += bytes) {
          const auto id = g_.source(0, od, kd), ih = g_.source(1, oh, kh), iw = g_.source(2, ow, kw);
          if (id && ih && iw)
            std::memcpy(
                to, x + static_cast<size_t>(((b * g_.in[0] + *id) * g_.in[1] + *ih) * g_.in[2] + *iw) * bytes,
                bytes);
          else
            std::fill_n(to, bytes, padding_);
        }
      }
  }

  Geometry g_;
  Slots slots_;
  size_t element_;
  std::byte padding_;
  int64_t windows_;
  std::unique_ptr<Kernel> product_;
  size_t patch_bytes_ = 0;
};

}  // namespace

KernelResult patch_convolution(const NodeDesc& n, const Convolution& c, ThreadPool& pool) {
  const TensorDesc& w = n.in[c.slots.w];
  if (c.num.form != Form::float32 && c.num.form != Form::int8 && c.num.form != Form::uint8)
    return Status::declined("only float, int8 and uint8");
  if (!w.is_known() || c.num.int4_weights)
    return Status::declined("the weights are not constant bytes or floats");
  if (c.g.groups != 1) return Status::declined("groups");
  if (c.g.empty() || c.g.pixels_in() == 0) return Status::declined("nothing to compute");
  const size_t element = c.num.form == Form::float32 ? sizeof(float) : 1;
  const std::vector<std::byte> weights = ordered(c.g, w.data, element);
  std::vector<TensorDesc> in(n.in.begin(), n.in.end());
  in[c.slots.w].data = weights.data();
  const int64_t windows = windows_at_once(c.g, element);
  const NodeDesc product{n.kind, n.attrs, in, n.out};
  OCTET_ASSIGN(auto kernel,
               xnn::fully_connected(product, c.num, c.slots, windows, c.g.terms(), c.g.out_channels, pool));
  return std::unique_ptr<Kernel>(std::make_unique<Patches>(c, element, windows, std::move(kernel)));
}

}  // namespace octet::linear
