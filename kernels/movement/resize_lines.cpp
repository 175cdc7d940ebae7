// RESIZE_BILINEAR where XNNPACK has none, int16 above all: the arithmetic of the reference, but each row of
// the image is interpolated once for all output rows that it takes part in, and the sum of two such rows is a
// loop that the compiler turns into vectors.
#include <array>

#include "kernels/movement/rearrange.hpp"
#include "kernels/movement/resize.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

// A mean of values of T: there is nothing to saturate.
template <class T>
OCTET_INLINE inline T rounded(double v) {
  return static_cast<T>(std::is_integral_v<T> ? round_double(v) : v);
}

template <class T>
class Bilinear final : public Kernel {
 public:
  Bilinear(const NodeDesc& n, int tasks)
      : in_(n.in[0].shape),
        out_(n.out[0].shape),
        ys_(resize_taps(in_[1], out_[1], n.attr<ResizeAttrs>())),
        xs_(resize_taps(in_[2], out_[2], n.attr<ResizeAttrs>())),
        row_(static_cast<size_t>(out_[2]) * static_cast<size_t>(out_[3])),
        rows_(static_cast<size_t>(out_[0]) * static_cast<size_t>(out_[1])),
        tasks_(std::min(static_cast<size_t>(tasks), rows_)) {}

  size_t workspace_bytes() const override { return tasks_ * 2 * row_ * sizeof(double); }

  Status run(const RunArgs& args) override {
    args.pool.for_range(tasks_, 1, [&](size_t begin, size_t end) {
      for (size_t t = begin; t < end; ++t)
        part(args, rows_ * t / tasks_, rows_ * (t + 1) / tasks_,
             static_cast<double*>(args.workspace) + t * 2 * row_);
    });
    return {};
  }

 private:
  // Output rows [begin, end).
  void part(const RunArgs& args, size_t begin, size_t end, double* workspace) const {
    const auto* x = static_cast<const T*>(args.in[0]);
    auto* y = static_cast<T*>(args.out[0]);
    const size_t width = static_cast<size_t>(in_[2]) * static_cast<size_t>(in_[3]);
    std::array<double*, 2> held = {workspace, workspace + row_};
    std::array<int64_t, 2> which = {-1, -1};  // rows of all images that are held
    for (size_t r = begin; r < end; ++r) {
      const ResizeTap& tap = ys_[r % ys_.size()];
      const auto image = static_cast<int64_t>(r / ys_.size()) * in_[1];
      const int64_t top = image + tap.lower, bottom = image + tap.upper;
      if (which[1] == top) {
        std::swap(held[0], held[1]);
        std::swap(which[0], which[1]);
      }
      if (which[0] != top) across(x + static_cast<size_t>(top) * width, held[0]);
      which[0] = top;
      if (top != bottom && which[1] != bottom) {
        across(x + static_cast<size_t>(bottom) * width, held[1]);
        which[1] = bottom;
      }
      const double *a = held[0], *b = top == bottom ? held[0] : held[1];
      const double w = tap.weight, v = 1 - w;
      T* to = y + r * row_;
      element_loop(0, row_,
                   [to, a, b, v, w](size_t i) OCTET_INLINE { to[i] = rounded<T>(a[i] * v + b[i] * w); });
    }
  }

  // One row of an image, interpolated to the output's width.
  void across(const T* x, double* to) const {
    const auto channels = static_cast<size_t>(in_[3]);
    for (const ResizeTap& tap : xs_) {
      const T *a = x + static_cast<size_t>(tap.lower) * channels,
              *b = x + static_cast<size_t>(tap.upper) * channels;
      const double w = tap.weight, v = 1 - w;
      for (size_t c = 0; c < channels; ++c)
        *to++ = static_cast<double>(a[c]) * v + static_cast<double>(b[c]) * w;
    }
  }

  Shape in_, out_;
  std::vector<ResizeTap> ys_, xs_;
  size_t row_, rows_, tasks_;
};

template <class T>
KernelResult make(const NodeDesc& n, ThreadPool& pool) {
  // Two rows of doubles per task.
  constexpr int64_t kMaxRow = int64_t{1} << 20;
  const Shape& out = n.out[0].shape;
  if (int64_t{out[2]} * out[3] > kMaxRow) return Status::declined("rows are too long to be held");
  return std::unique_ptr<Kernel>(std::make_unique<Bilinear<T>>(n, pool.threads()));
}

}  // namespace

KernelResult create_resize_bilinear_lines(const NodeDesc& n, ThreadPool& pool) {
  OCTET_TRY(moved_element(n).status());
  const Shape& out = n.out[0].shape;
  if (out.elements() == 0) return Status::declined("nothing to resize");
  OCTET_TRY(resize_tables_fit(out));
  switch (n.in[0].dtype) {
    case DType::float32: return make<float>(n, pool);
    case DType::int8: return make<int8_t>(n, pool);
    case DType::uint8: return make<uint8_t>(n, pool);
    case DType::int16: return make<int16_t>(n, pool);
    default: return Status::declined("another type");
  }
}

}  // namespace octet
