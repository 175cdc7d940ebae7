// RFFT2D (float32 to complex64) and COMPLEX_ABS.
#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>

#include "kernels/dispatch.hpp"
#include "kernels/infer.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

using Complex = std::complex<double>;

// Discrete Fourier transform of any length by decimation in time over the prime factors of the length;
// O(n * sum of the factors).
class Dft {
 public:
  explicit Dft(size_t n) : n_(n), twiddle_(n), scratch_(n) {
    for (size_t k = 0; k < n; ++k)
      twiddle_[k] = std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n));
    for (size_t m = n, p = 2; m > 1;) {
      if (p * p > m) p = m;
      if (m % p == 0) {
        factors_.push_back(p);
        m /= p;
      } else {
        ++p;
      }
    }
  }
  void run(Complex* x) {  // in place
    std::copy(x, x + n_, scratch_.begin());
    step(scratch_.data(), 1, x, n_, 0);
  }

 private:
  // to[0..n) = transform of from[0], from[stride], ...; n is the product of the factors from `level` on.
  void step(const Complex* from, size_t stride, Complex* to, size_t n, size_t level) {
    if (n == 1) {
      to[0] = from[0];
      return;
    }
    const size_t p = factors_[level], m = n / p;
    for (size_t j = 0; j < p; ++j)
      step(from + j * stride, stride * p, to + j * m, m, level + 1);
    std::vector<Complex> part(p);
    const size_t unit = n_ / n;  // twiddle of this length: every unit-th of the table
    for (size_t k = 0; k < m; ++k) {
      for (size_t j = 0; j < p; ++j)
        part[j] = to[j * m + k];
      for (size_t q = 0; q < p; ++q) {
        Complex sum = part[0];
        for (size_t j = 1; j < p; ++j)
          sum += part[j] * twiddle_[j * (k + q * m) % n * unit];
        to[q * m + k] = sum;
      }
    }
  }
  size_t n_;
  std::vector<Complex> twiddle_, scratch_;
  std::vector<size_t> factors_;
};

Result<std::array<int32_t, 2>> lengths_of(const NodeDesc& n) {
  OCTET_ASSIGN(const auto v, integers_of(n.in[1]));
  if (v.size() != 2 || v[0] < 1 || v[1] < 1 || v[0] > INT32_MAX || v[1] > INT32_MAX)
    return Status::corrupt(fmt::format("'{}' must hold two positive lengths", n.in[1].name));
  return std::array<int32_t, 2>{static_cast<int32_t>(v[0]), static_cast<int32_t>(v[1])};
}

Result<InferredShapes> infer_rfft2d(const NodeDesc& n) {
  if (n.in[0].shape.rank() < 2) return Status::corrupt("the input needs two axes at least");
  if (!n.in[1].is_known()) return InferredShapes::later();
  OCTET_ASSIGN(const auto length, lengths_of(n));
  Shape s = n.in[0].shape;
  s[-2] = length[0];
  s[-1] = length[1] / 2 + 1;
  return one(s);
}

KernelResult create_rfft2d(const NodeDesc& n, ThreadPool&) {
  if (n.in[0].dtype != DType::float32) return unsupported_type(n.in[0]);
  if (n.out[0].dtype != DType::complex64) return unsupported_type(n.out[0]);
  OCTET_ASSIGN(const auto length, lengths_of(n));
  const Shape& s = n.in[0].shape;
  const auto images = static_cast<size_t>(s.elements(0, s.rank() - 2));
  const auto in_h = static_cast<size_t>(s[-2]), in_w = static_cast<size_t>(s[-1]);
  const auto h = static_cast<size_t>(length[0]), w = static_cast<size_t>(length[1]);
  if (images == 0) return make_kernel([](const RunArgs&) -> Status { return {}; });
  return make_kernel([=](const RunArgs& args) -> Status {
    const auto* in = static_cast<const float*>(args.in[0]);
    auto* out = static_cast<float*>(args.out[0]);
    const size_t half = w / 2 + 1, used_h = std::min(h, in_h), used_w = std::min(w, in_w);
    args.pool.for_range(images, 1, [&](size_t begin, size_t end) {
      Dft along_w(w), along_h(h);
      std::vector<Complex> row(w), column(h), spectrum(h * half);
      for (size_t image = begin; image < end; ++image) {
        const float* x = in + image * in_h * in_w;
        for (size_t y = 0; y < h; ++y) {  // the input is cropped or padded with zeros to the lengths
          std::fill(row.begin(), row.end(), Complex());
          if (y < used_h) {
            for (size_t i = 0; i < used_w; ++i)
              row[i] = static_cast<double>(x[y * in_w + i]);
            along_w.run(row.data());
          }
          std::copy_n(row.begin(), half, spectrum.begin() + static_cast<ptrdiff_t>(y * half));
        }
        float* to = out + image * h * half * 2;
        for (size_t i = 0; i < half; ++i) {
          for (size_t y = 0; y < h; ++y)
            column[y] = spectrum[y * half + i];
          if (h > 1) along_h.run(column.data());
          for (size_t y = 0; y < h; ++y) {
            to[(y * half + i) * 2] = static_cast<float>(column[y].real());
            to[(y * half + i) * 2 + 1] = static_cast<float>(column[y].imag());
          }
        }
      }
    });
    return {};
  });
}

KernelResult create_complex_abs(const NodeDesc& n, ThreadPool&) {
  if (n.in[0].dtype != DType::complex64) return unsupported_type(n.in[0]);
  if (n.out[0].dtype != DType::float32) return unsupported_type(n.out[0]);
  const auto count = static_cast<size_t>(n.out[0].elements());
  return make_kernel([count](const RunArgs& args) -> Status {
    const auto* in = static_cast<const float*>(args.in[0]);
    auto* out = static_cast<float*>(args.out[0]);
    args.pool.for_range(count, 4096, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const auto re = static_cast<double>(in[2 * i]), im = static_cast<double>(in[2 * i + 1]);
        out[i] = static_cast<float>(std::hypot(re, im));
      }
    });
    return {};
  });
}

}  // namespace

const OpSpec& spec_RFFT2D() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::RFFT2D;
    s.inputs = {2, 2};
    s.infer = infer_rfft2d;
    s.reference = {"reference", create_rfft2d};
    s.quant = QuantRule::none("complex numbers have no int8 form");
    s.readers = {kEveryForm, kNoForm};
    s.notes = "any length, not only powers of two";
    return s;
  }();
  return spec;
}

const OpSpec& spec_COMPLEX_ABS() {
  static const OpSpec spec = [] {
    OpSpec s;
    s.kind = OpKind::COMPLEX_ABS;
    s.traits = Trait::elementwise | Trait::nonnegative;
    s.infer = infer_same;
    s.reference = {"reference", create_complex_abs};
    s.quant = QuantRule::none("complex numbers have no int8 form");
    s.readers = {kEveryForm, kNoForm};
    return s;
  }();
  return spec;
}

}  // namespace octet
