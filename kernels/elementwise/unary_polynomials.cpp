#include "kernels/elementwise/unary_polynomials.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>

#include "kernels/dispatch.hpp"
#include "kernels/elementwise/unary_functions.hpp"
#include "kernels/quant_math.hpp"
#include "kernels/vector_loop.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr int kBits = 7;  // of a value that say where in its piece it lies
constexpr int kPieces = 65536 >> kBits;
constexpr double kWidth = 1 << kBits;
constexpr double kTolerance = 0.02;  // steps of the output
constexpr size_t kMinElements = 32;  // that fitting is worth

// The output in steps as ((c3 t + c2) t + c1) t + c0, t from 0 to 1 within a piece.
struct Pieces {
  std::array<std::array<float, kPieces>, 4> c;
};

// By the values at four Chebyshev points of each piece; null when it is off between them.
std::shared_ptr<const Pieces> fit(const UnaryFunction& f, const Affine& in, const Affine& out) {
  auto pieces = std::make_shared<Pieces>();
  std::array<double, 4> at{};
  for (size_t i = 0; i < 4; ++i)
    at[i] = 0.5 - 0.5 * std::cos((2 * static_cast<double>(i) + 1) * std::numbers::pi / 8);
  for (int p = 0; p < kPieces; ++p) {
    const auto value = [&](double t) {
      const double q = kWidth * (p + t) - 32768;
      const double x = (q - static_cast<double>(in.zero_point)) * static_cast<double>(in.scale);
      return f(x) / static_cast<double>(out.scale) + static_cast<double>(out.zero_point);
    };
    // Newton's divided differences, then powers of t.
    std::array<double, 4> d{};
    for (size_t i = 0; i < 4; ++i)
      d[i] = value(at[i]);
    for (size_t k = 1; k < 4; ++k)
      for (size_t i = 3; i >= k; --i)
        d[i] = (d[i] - d[i - 1]) / (at[i] - at[i - k]);
    std::array<double, 4> c = {d[3], 0, 0, 0};
    for (size_t k = 3; k-- > 0;) {
      for (size_t i = 3; i > 0; --i)
        c[i] = c[i - 1] - at[k] * c[i];
      c[0] = d[k] - at[k] * c[0];
    }
    for (size_t i = 0; i < 4; ++i)
      pieces->c[i][static_cast<size_t>(p)] = static_cast<float>(c[i]);
    for (double t : {0.0, 0.5, 1.0}) {
      const double error = ((c[3] * t + c[2]) * t + c[1]) * t + c[0] - value(t);
      if (!(std::fabs(error) <= kTolerance)) return nullptr;
    }
  }
  return pieces;
}

}  // namespace

KernelResult unary_polynomials(const NodeDesc& n, ThreadPool&) {
  const TensorDesc &in = n.in[0], &out = n.out[0];
  if (in.dtype != DType::int16 || out.dtype != DType::int16) return Status::declined("only int16");
  if (in.quant.empty() || out.quant.empty()) return Status::declined("not quantized");
  const auto count = static_cast<size_t>(out.elements());
  if (count < kMinElements) return Status::declined("too few elements");
  OCTET_ASSIGN(const Affine a, affine_of(in));
  OCTET_ASSIGN(const Affine b, affine_of(out));
  const auto pieces = fit(unary_function(n.kind, *n.attrs), a, b);
  if (pieces == nullptr) return Status::declined("not smooth enough");
  return make_kernel([pieces, count](const RunArgs& args) -> Status {
    const auto* x = static_cast<const int16_t*>(args.in[0]);
    auto* y = static_cast<int16_t*>(args.out[0]);
    const float *c0 = pieces->c[0].data(), *c1 = pieces->c[1].data(), *c2 = pieces->c[2].data(),
                *c3 = pieces->c[3].data();
    args.pool.for_range(count, 4096, [&](size_t begin, size_t end) {
      element_loop(begin, end, [x, y, c0, c1, c2, c3](size_t i) OCTET_INLINE {
        const int u = x[i] + 32768, p = u >> kBits;
        const float t = static_cast<float>(u & ((1 << kBits) - 1)) * static_cast<float>(1 / kWidth);
        float v = ((c3[p] * t + c2[p]) * t + c1[p]) * t + c0[p];
        v = v < -32768.0f ? -32768.0f : v;
        v = v > 32767.0f ? 32767.0f : v;
        y[i] = static_cast<int16_t>(round_small(v));
      });
    });
    return {};
  });
}

}  // namespace octet
