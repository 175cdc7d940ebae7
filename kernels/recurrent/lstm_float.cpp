// The float LSTM, also with int8 weights: one pass over a sequence.
#include <algorithm>
#include <cmath>

#include "kernels/quant_math.hpp"
#include "kernels/recurrent/lstm.hpp"
#include "kernels/recurrent/matvec.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

double sigmoid_lstm_float(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

// The smallest variance that normalization divides by (the TFLite kernel's constant).
constexpr double kNormEpsilon = 1e-8;

class FloatPass {
 public:
  FloatPass(LstmPass p, bool in_double) : p_(std::move(p)), in_double_(in_double) {}

  Status prepare(const NodeDesc& n) {
    for (size_t g = 0; g < 4; ++g) {
      OCTET_ASSIGN(w_[g], rows_of(n, p_.input_weights[g], p_.n));
      OCTET_ASSIGN(a_[g], rows_of(n, p_.aux_weights[g], p_.n_aux));
      OCTET_ASSIGN(r_[g], rows_of(n, p_.recurrent_weights[g], p_.diagonal ? 1 : p_.k));
      OCTET_ASSIGN(peephole_[g], rows_of(n, p_.peephole[g], 1));
      for (int i : {p_.bias[g], p_.norm[g]})
        if (i >= 0 && n.in[static_cast<size_t>(i)].dtype != DType::float32)
          return Status::unsupported("a bias that is not float32 in a float LSTM");
    }
    OCTET_ASSIGN(projection_, rows_of(n, p_.projection, p_.m));
    z_.resize(static_cast<size_t>(4 * p_.m));
    return {};
  }

  Status run(const RunArgs& args) {
    for (auto& values : seen_)
      values.clear();
    for (int64_t s = 0; s < p_.steps; ++s)
      for (int64_t b = 0; b < p_.batch; ++b)
        step(args, p_.backwards ? p_.steps - 1 - s : s, b);
    for (size_t i = 0; args.inner != nullptr && i < seen_.size(); ++i)
      if (!seen_[i].empty()) args.inner->on_inner(i, seen_[i]);
    return {};
  }

 private:
  const float* data(const RunArgs& args, int input) const {
    return static_cast<const float*>(args.in[static_cast<size_t>(input)]);
  }
  bool gate_exists(size_t g) const { return g != kInputGate || p_.has_input_gate(); }
  double* z(size_t g) { return z_.data() + static_cast<int64_t>(g) * p_.m; }

  void products(const RunArgs& args, const float* x, const float* aux, const float* h) {
    auto rows = [&](size_t begin, size_t end) {
      for (auto j = static_cast<int64_t>(begin); j < static_cast<int64_t>(end); ++j)
        for (size_t g = 0; g < 4; ++g) {
          if (!gate_exists(g)) continue;
          double sum =
              w_[g].dot(args, j, x, in_double_) + r_[g].dot(args, j, p_.diagonal ? h + j : h, in_double_);
          if (a_[g]) sum += a_[g].dot(args, j, aux, in_double_);
          z(g)[j] = sum;
        }
    };
    args.pool.for_range(static_cast<size_t>(p_.m), grain_of_rows(4 * (p_.n + p_.k + p_.n_aux)), rows);
  }

  template <class T>
  void see(const RunArgs& args, size_t which, const T* values) {
    if (args.inner == nullptr) return;
    for (int64_t j = 0; j < p_.m; ++j)
      seen_[which].push_back(static_cast<float>(values[j]));
  }

  // Peephole, normalization, bias.
  void finish(const RunArgs& args, size_t g, const float* c) {
    double* v = z(g);
    const float* bias = p_.bias[g] >= 0 ? data(args, p_.bias[g]) : nullptr;
    if (peephole_[g])
      for (int64_t j = 0; j < p_.m; ++j)
        v[j] += peephole_[g].dot(args, j, c + j, in_double_);
    if (p_.has_norm()) {
      see(args, g, v);
      double mean = 0, square = 0;
      for (int64_t j = 0; j < p_.m; ++j)
        mean += v[j];
      mean /= static_cast<double>(p_.m);
      for (int64_t j = 0; j < p_.m; ++j)
        square += (v[j] - mean) * (v[j] - mean);
      const double scale = 1.0 / std::sqrt(square / static_cast<double>(p_.m) + kNormEpsilon);
      const float* l = data(args, p_.norm[g]);
      for (int64_t j = 0; j < p_.m; ++j)
        v[j] = (v[j] - mean) * scale * static_cast<double>(l[j]);
    }
    if (bias != nullptr)
      for (int64_t j = 0; j < p_.m; ++j)
        v[j] += static_cast<double>(bias[j]);
  }

  double act(double v) const {
    return p_.act.kind == Activation::Kind::tanh ? std::tanh(v)
                                                 : static_cast<double>(apply(p_.act, static_cast<float>(v)));
  }

  void step(const RunArgs& args, int64_t t, int64_t b) {
    const int64_t row = p_.row(t, b);
    const float* x = data(args, p_.input) + row * p_.n;
    const float* aux = p_.aux >= 0 ? data(args, p_.aux) + row * p_.n_aux : nullptr;
    float *h = state_of<float>(args, p_.hidden) + b * p_.k, *c = state_of<float>(args, p_.cell) + b * p_.m;
    float* y = static_cast<float*>(args.out[p_.output]) + row * p_.row_stride + p_.row_offset;

    products(args, x, aux, h);
    for (size_t g : {kInputGate, kForgetGate, kCellGate})
      if (gate_exists(g)) finish(args, g, c);
    for (int64_t j = 0; j < p_.m; ++j) {
      const double f = sigmoid_lstm_float(z(kForgetGate)[j]);
      const double i = p_.has_input_gate() ? sigmoid_lstm_float(z(kInputGate)[j]) : 1.0 - f;
      double v = f * static_cast<double>(c[j]) + i * act(z(kCellGate)[j]);
      if (p_.cell_clip > 0)
        v = std::clamp(v, -static_cast<double>(p_.cell_clip), static_cast<double>(p_.cell_clip));
      c[j] = static_cast<float>(v);
    }
    see(args, kInnerCell, c);
    finish(args, kOutputGate, c);
    hidden_.resize(static_cast<size_t>(p_.m));
    for (int64_t j = 0; j < p_.m; ++j)
      hidden_[static_cast<size_t>(j)] =
          static_cast<float>(sigmoid_lstm_float(z(kOutputGate)[j]) * act(static_cast<double>(c[j])));
    if (!projection_) {
      std::copy(hidden_.begin(), hidden_.end(), h);
    } else {
      see(args, kInnerHidden, hidden_.data());
      args.pool.for_range(static_cast<size_t>(p_.k), grain_of_rows(p_.m), [&](size_t begin, size_t end) {
        for (auto j = static_cast<int64_t>(begin); j < static_cast<int64_t>(end); ++j) {
          double v = projection_.dot(args, j, hidden_.data(), in_double_);
          if (p_.projection_bias >= 0) v += static_cast<double>(data(args, p_.projection_bias)[j]);
          const auto clip = static_cast<double>(p_.projection_clip);
          h[j] = static_cast<float>(clip > 0 ? std::clamp(v, -clip, clip) : v);
        }
      });
    }
    std::copy(h, h + p_.k, y);
  }

  LstmPass p_;
  bool in_double_;
  std::array<Rows, 4> w_, a_, r_, peephole_;
  Rows projection_;
  std::vector<double> z_;
  std::vector<float> hidden_;
  std::array<std::vector<float>, kInnerCount> seen_;
};

}  // namespace

Result<PassFn> make_float_pass(const NodeDesc& n, const LstmPass& p, bool in_double) {
  FloatPass pass(p, in_double);
  OCTET_TRY(pass.prepare(n));
  return PassFn([pass = std::move(pass)](const RunArgs& args) mutable { return pass.run(args); });
}

}  // namespace octet
