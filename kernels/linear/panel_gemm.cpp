// BATCH_MATMUL of bytes by packed panels.
#include <algorithm>
#include <cstring>

#include "kernels/linear/batch_matmul.hpp"
#include "kernels/linear/loops.hpp"
#include "kernels/packed.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet::matmul {
namespace {

using linear::kLanes;
using linear::kPanelRows;
using linear::packed_index;

int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

// One panel: `width` rows or columns from `first`, those beyond `count` zero. Element (k, i) of the source is
// at x[k * step_k + i * step_i].
template <class T>
void pack_panel(const T* x, int64_t step_k, int64_t step_i, int32_t zero, int64_t depth, int64_t first,
                int64_t count, int64_t width, int16_t* to) {
  const int64_t even = round_up(depth, 2), have = std::min(width, count - first);
  if (have < width || even != depth) std::fill_n(to, even * width, int16_t{0});
  x += first * step_i;
  const int64_t together = linear::linear_loops().panels.together;
  // Two neighbours of k are one store. Both inner loops below are vectorized by the compiler.
  using Pair __attribute__((may_alias)) = uint32_t;
  auto* pairs = reinterpret_cast<Pair*>(to);
  const auto pair_of = [=](T one, T two) OCTET_INLINE {
    return static_cast<uint32_t>(static_cast<uint16_t>(one - zero)) |
           static_cast<uint32_t>(static_cast<uint16_t>(two - zero)) << 16;
  };
  const bool whole_pairs = together == 2 && have == width && even == depth;
  if (whole_pairs && step_i == 1) {
    row_loop(
        static_cast<size_t>(depth / 2), static_cast<size_t>(width), [=](size_t r, size_t i) OCTET_INLINE {
          const T* row = x + static_cast<int64_t>(2 * r) * step_k;
          pairs[r * static_cast<size_t>(width) + i] = pair_of(row[i], row[static_cast<int64_t>(i) + step_k]);
        });
    return;
  }
  if (whole_pairs && step_k == 1 && width % 4 == 0) {
    for (int64_t i = 0; i < width; i += 4) {
      const T *x0 = x + i * step_i, *x1 = x0 + step_i, *x2 = x1 + step_i, *x3 = x2 + step_i;
      Pair* at = pairs + i;
      element_loop(0, static_cast<size_t>(depth / 2), [=](size_t r) OCTET_INLINE {
        Pair* four = at + r * static_cast<size_t>(width);
        four[0] = pair_of(x0[2 * r], x0[2 * r + 1]);
        four[1] = pair_of(x1[2 * r], x1[2 * r + 1]);
        four[2] = pair_of(x2[2 * r], x2[2 * r + 1]);
        four[3] = pair_of(x3[2 * r], x3[2 * r + 1]);
      });
    }
    return;
  }
  // The longer run of neighbours in memory is the inner loop.
  if (step_k == 1) {
    for (int64_t i = 0; i < have; ++i)
      for (int64_t k = 0; k < depth; ++k)
        to[packed_index(k, i, width, together)] = static_cast<int16_t>(x[k + i * step_i] - zero);
  } else {
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t i = 0; i < have; ++i)
        to[packed_index(k, i, width, together)] = static_cast<int16_t>(x[k * step_k + i * step_i] - zero);
  }
}

template <class T>
class PackedProduct final : public Kernel {
 public:
  PackedProduct(const NodeDesc& node, Problem p)
      : p_(std::move(p)),
        product_(std::is_same_v<T, int8_t> ? linear::linear_loops().panels.s8
                                           : linear::linear_loops().panels.u8) {
    depth_ = round_up(p_.k, 2);
    x_panels_ = round_up(p_.m, kPanelRows) / kPanelRows;
    y_panels_ = round_up(p_.n, kLanes) / kLanes;
    // Matrices that several batches share are packed once.
    distinct(p_.x, x_matrices_, x_of_);
    distinct(p_.y, y_matrices_, y_of_);
    if (!node.in[1].is_known()) return;
    const auto* y = static_cast<const T*>(node.in[1].data);
    const size_t bytes = static_cast<size_t>(y_elements()) * sizeof(int16_t);
    packed_y_ = pack(node, 0, bytes, [&](std::byte* to) {
      std::fill_n(to, bytes, std::byte{0});
      for (int64_t i = 0; i < y_jobs(); ++i)
        pack_y(y, i, reinterpret_cast<int16_t*>(to));
    });
  }
  size_t workspace_bytes() const override {
    return static_cast<size_t>(x_elements() + (packed_y_ == nullptr ? y_elements() : 0)) * sizeof(int16_t);
  }
  Status run(const RunArgs& args) override {
    auto* x = static_cast<int16_t*>(args.workspace);
    const auto* y = reinterpret_cast<const int16_t*>(packed_y_.get());
    if (y == nullptr) {
      int16_t* to = x + x_elements();
      args.pool.for_range(static_cast<size_t>(y_jobs()), 1, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i)
          pack_y(static_cast<const T*>(args.in[1]), static_cast<int64_t>(i), to);
      });
      y = to;
    }
    const auto x_jobs = static_cast<size_t>(static_cast<int64_t>(x_matrices_.size()) * x_panels_);
    args.pool.for_range(x_jobs, 4, [&](size_t begin, size_t end) {
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i)
        pack_panel(static_cast<const T*>(args.in[0]) + x_matrices_[static_cast<size_t>(i / x_panels_)],
                   p_.x.col, p_.x.row, p_.x_zero, p_.k, i % x_panels_ * kPanelRows, p_.m, kPanelRows,
                   x + i * depth_ * kPanelRows);
    });
    auto* out = static_cast<T*>(args.out[0]);
    args.pool.for_range(static_cast<size_t>(p_.batch * x_panels_), 1, [&](size_t begin, size_t end) {
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i)
        rows(i / x_panels_, i % x_panels_, x, y, out);
    });
    return {};
  }

 private:
  static void distinct(const Side& s, std::vector<int64_t>& matrices, std::vector<int64_t>& of) {
    matrices = s.start;
    std::sort(matrices.begin(), matrices.end());
    matrices.erase(std::unique(matrices.begin(), matrices.end()), matrices.end());
    for (int64_t start : s.start)
      of.push_back(std::lower_bound(matrices.begin(), matrices.end(), start) - matrices.begin());
  }
  int64_t x_elements() const {
    return static_cast<int64_t>(x_matrices_.size()) * x_panels_ * kPanelRows * depth_;
  }
  int64_t y_jobs() const { return static_cast<int64_t>(y_matrices_.size()) * y_panels_; }
  int64_t y_elements() const { return y_jobs() * kLanes * depth_; }
  void pack_y(const T* y, int64_t job, int16_t* to) const {
    pack_panel(y + y_matrices_[static_cast<size_t>(job / y_panels_)], p_.y.row, p_.y.col, p_.y_zero, p_.k,
               job % y_panels_ * kLanes, p_.n, kLanes, to + job * depth_ * kLanes);
  }

  // All columns of one panel of rows.
  void rows(int64_t b, int64_t panel, const int16_t* x, const int16_t* y, T* out) const {
    alignas(64) std::byte tile[kPanelRows * kLanes];
    const auto at = static_cast<size_t>(b);
    const int16_t* left = x + (x_of_[at] * x_panels_ + panel) * kPanelRows * depth_;
    const int64_t first = panel * kPanelRows, have = std::min(kPanelRows, p_.m - first);
    linear::PanelJob job{.left = left,
                         .right = nullptr,
                         .depth = depth_,
                         .scale = static_cast<float>(p_.scale),
                         .lo = static_cast<float>(p_.bounds.lo - p_.out_zero),
                         .hi = static_cast<float>(p_.bounds.hi - p_.out_zero),
                         .zero = p_.out_zero,
                         .out = tile};
    for (int64_t j = 0; j < y_panels_; ++j) {
      job.right = y + (y_of_[at] * y_panels_ + j) * kLanes * depth_;
      product_(job);
      const int64_t column = j * kLanes, width = std::min(kLanes, p_.n - column);
      for (int64_t i = 0; i < have; ++i)
        std::memcpy(out + (b * p_.m + first + i) * p_.n + column, tile + i * kLanes,
                    static_cast<size_t>(width));
    }
  }

  Problem p_;
  void (*product_)(const linear::PanelJob&);
  int64_t depth_ = 0, x_panels_ = 0, y_panels_ = 0;
  std::vector<int64_t> x_matrices_, y_matrices_, x_of_, y_of_;
  PackedBytes packed_y_;  // panels of int16; nullptr: the factor is computed at run time
};

}  // namespace

KernelResult create_panel_gemm(const NodeDesc& n, ThreadPool&) {
  OCTET_ASSIGN(Problem p, problem_of(n));
  if (p.form != linear::Form::int8 && p.form != linear::Form::uint8)
    return Status::declined("only int8 and uint8");
  if (p.empty()) return Status::declined("nothing to compute");
  if (p.k > INT32_MAX / (255 * 255)) return Status::declined("sums that may not fit in 32 bits");
  if (p.form == linear::Form::int8)
    return std::unique_ptr<Kernel>(std::make_unique<PackedProduct<int8_t>>(n, std::move(p)));
  return std::unique_ptr<Kernel>(std::make_unique<PackedProduct<uint8_t>>(n, std::move(p)));
}

}  // namespace octet::matmul
