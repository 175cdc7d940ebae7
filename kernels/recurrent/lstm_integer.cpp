// The integer LSTM of the TFLite 8-bit specification. Every intermediate has the format that scheme gives it:
//   gates before their activation   int16, scale 2^-12      (with layer norm first: an intermediate's scale)
//   gates after it                  int16, scale 2^-15
//   cell                            int16, a power-of-two scale from the model
//   hidden, output                  as the activations; with a projection the hidden vector has its own
// The products between these points are rounded half to even from exact real values; TFLite's fixed-point
// approximations stay within one step of the output of that.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <optional>

#include "kernels/quant_math.hpp"
#include "kernels/recurrent/lstm.hpp"
#include "kernels/recurrent/matvec.hpp"
#include "octet/try.hpp"

namespace octet {
namespace {

constexpr double kGateOne = 4096.0;   // 1.0 in a gate before its activation
constexpr double kUnitOne = 32768.0;  // 1.0 behind sigmoid and tanh
constexpr double kNormBias = 1024.0;  // a layer-norm bias is in steps of its weights' scale / 1024

int16_t to_int16(double v) {
  return saturate<int16_t>(round_even(v));
}

// A function of 16 bits, for every argument.
class Int16Table {
 public:
  template <class F>
  explicit Int16Table(F f) : values_(65536) {
    for (int q = INT16_MIN; q <= INT16_MAX; ++q)
      values_[static_cast<size_t>(q - INT16_MIN)] = to_int16(f(static_cast<double>(q)));
  }
  int16_t operator()(int16_t q) const { return values_[static_cast<size_t>(q - INT16_MIN)]; }

 private:
  std::vector<int16_t> values_;
};

// Of gates, which all models have in the same steps.
const Int16Table& sigmoid_table() {
  static const Int16Table table([](double z) { return kUnitOne / (1.0 + std::exp(-z / kGateOne)); });
  return table;
}
const Int16Table& tangent_table() {
  static const Int16Table table([](double z) { return kUnitOne * std::tanh(z / kGateOne); });
  return table;
}

// Integer weights with all that can be known before the data: rows of W, and bias - zero_point * sum(row).
struct LstmIntegerProduct {
  int input = -1;
  int64_t columns = 0;
  std::vector<int64_t> offset;  // per row
  std::vector<double> scale;    // per row: accumulator step in steps of the result

  template <class T>
  void sums(const RunArgs& args, const T* x, size_t begin, size_t end, int64_t* out) const {
    dot_rows(static_cast<const int8_t*>(args.in[static_cast<size_t>(input)]), x, columns, begin, end, out);
  }
  double real(size_t row, int64_t sum) const { return static_cast<double>(sum + offset[row]) * scale[row]; }
};

template <class T>
class IntegerPass {
 public:
  explicit IntegerPass(LstmPass p) : p_(std::move(p)) {}

  Status prepare(const NodeDesc& n) {
    if (p_.act.kind != Activation::Kind::tanh)
      return Status::unsupported("an integer LSTM with another activation than tanh");
    if (p_.diagonal) return Status::unsupported("an integer LSTM with diagonal recurrent weights");
    if (p_.aux >= 0) return Status::unsupported("an integer LSTM with an auxiliary input");
    const TensorDesc &x = at(n, p_.input), &h = at(n, p_.hidden), &c = at(n, p_.cell);
    for (const TensorDesc* t : {&x, &h, &c})
      if (t->quant.empty())
        return Status::corrupt(fmt::format("'{}' has no quantization parameters", t->name));
    if (h.dtype != x.dtype || c.dtype != DType::int16)
      return Status::unsupported(fmt::format("a state of {} and a cell of {} with {} activations",
                                             name_of(h.dtype), name_of(c.dtype), name_of(x.dtype)));
    output_ = h.quant.at();
    cell_scale_ = static_cast<double>(c.quant.scale());
    // Intermediates: four gates, then the hidden vector. Without a projection it is the output itself.
    hidden_ =
        n.intermediates.size() > 4 && n.intermediates[4].quant ? n.intermediates[4].quant.at() : output_;
    for (size_t g = 0; g < 4; ++g) {
      if (g == kInputGate && !p_.has_input_gate()) continue;
      gate_one_[g] = kGateOne;
      if (p_.has_norm()) {
        if (n.intermediates.size() <= g || n.intermediates[g].quant.empty())
          return Status::corrupt(fmt::format("intermediate {} has no scale", g));
        gate_one_[g] = 1.0 / static_cast<double>(n.intermediates[g].quant.scale());
        if (at(n, p_.norm[g]).dtype != DType::int16 || at(n, p_.norm[g]).quant.empty())
          return Status::unsupported("layer-norm weights that are not quantized int16");
        norm_scale_[g] = static_cast<double>(at(n, p_.norm[g]).quant.scale());
      }
      // The bias belongs to the input's products, or to the normalization.
      const int bias = p_.has_norm() ? -1 : p_.bias[g];
      OCTET_ASSIGN(w_[g],
                   product(n, p_.input_weights[g], p_.n, p_.m, x.quant.at(), bias, 1.0 / gate_one_[g]));
      OCTET_ASSIGN(r_[g], product(n, p_.recurrent_weights[g], p_.k, p_.m, output_, -1, 1.0 / gate_one_[g]));
      if (p_.peephole[g] >= 0) {
        const TensorDesc& t = at(n, p_.peephole[g]);
        if (t.dtype != DType::int16 || t.quant.empty())
          return Status::unsupported("peephole weights that are not quantized int16");
        peephole_scale_[g] = static_cast<double>(t.quant.scale()) * cell_scale_ * gate_one_[g];
      }
    }
    if (p_.projection >= 0) {
      OCTET_ASSIGN(projection_, product(n, p_.projection, p_.m, p_.k, hidden_, p_.projection_bias,
                                        static_cast<double>(output_.scale)));
    }
    z_.resize(static_cast<size_t>(4 * p_.m));
    from_input_.resize(static_cast<size_t>(std::max(p_.m, p_.k)));
    from_hidden_.resize(static_cast<size_t>(p_.m));
    cell_tangent_.emplace([scale = cell_scale_](double c) { return kUnitOne * std::tanh(c * scale); });
    hid_.resize(static_cast<size_t>(p_.m));
    return {};
  }

  Status run(const RunArgs& args) {
    for (int64_t s = 0; s < p_.steps; ++s)
      for (int64_t b = 0; b < p_.batch; ++b)
        step(args, p_.backwards ? p_.steps - 1 - s : s, b);
    return {};
  }

 private:
  static const TensorDesc& at(const NodeDesc& n, int input) { return n.in[static_cast<size_t>(input)]; }
  bool gate_exists(size_t g) const { return g != kInputGate || p_.has_input_gate(); }
  int16_t* z(size_t g) { return z_.data() + static_cast<int64_t>(g) * p_.m; }

  // Weights times a vector quantized as `x`, in steps of `result_scale`.
  static Result<LstmIntegerProduct> product(const NodeDesc& n, int input, int64_t columns, int64_t rows,
                                            const Affine& x, int bias, double result_scale) {
    LstmIntegerProduct p{.input = input, .columns = columns};
    const TensorDesc& w = at(n, input);
    if (w.dtype != DType::int8 || w.quant.empty() || !w.is_known())
      return Status::unsupported(fmt::format("weights '{}' that are not constant quantized int8", w.name));
    for (const Affine& a : w.quant.params())
      if (a.zero_point != 0)
        return Status::unsupported(fmt::format("weights '{}' with a zero point", w.name));
    if (columns > (sizeof(T) == 1 ? int64_t{INT32_MAX} / (128 * 128) : int64_t{INT32_MAX}))
      return Status::unsupported(fmt::format("{} columns of weights", columns));
    const int8_t* data = w.as<int8_t>().data();
    for (int64_t r = 0; r < rows; ++r) {
      int64_t sum = 0;
      for (int64_t i = 0; i < columns; ++i)
        sum += data[r * columns + i];
      p.offset.push_back(-x.zero_point * sum);
      p.scale.push_back(static_cast<double>(x.scale) *
                        static_cast<double>(w.quant.at(static_cast<size_t>(r)).scale) / result_scale);
    }
    if (bias < 0) return p;
    const TensorDesc& b = at(n, bias);
    if (!b.is_known()) return Status::unsupported(fmt::format("bias '{}' that is not constant", b.name));
    for (size_t r = 0; r < p.offset.size(); ++r) {
      if (b.dtype == DType::int32)
        p.offset[r] += b.as<int32_t>()[r];
      else if (b.dtype != DType::int64 ||
               __builtin_add_overflow(p.offset[r], b.as<int64_t>()[r], &p.offset[r]))
        return Status::unsupported(fmt::format("bias '{}' of {}", b.name, name_of(b.dtype)));
    }
    return p;
  }

  void products(const RunArgs& args, const T* x, const T* h) {
    auto rows = [&](size_t begin, size_t end) {
      for (size_t g = 0; g < 4; ++g) {
        if (!gate_exists(g)) continue;
        w_[g].sums(args, x, begin, end, from_input_.data());
        r_[g].sums(args, h, begin, end, from_hidden_.data());
        int16_t* gate = z(g);
        for (size_t j = begin; j < end; ++j)
          gate[j] = saturate<int16_t>(static_cast<double>(to_int16(w_[g].real(j, from_input_[j]))) +
                                      round_even(r_[g].real(j, from_hidden_[j])));
      }
    };
    args.pool.for_range(static_cast<size_t>(p_.m), grain_of_rows(p_.n + p_.k), rows);
  }

  // Peephole and normalization; leaves the gate at scale 2^-12.
  void finish(const RunArgs& args, size_t g, const int16_t* c) {
    int16_t* v = z(g);
    if (p_.peephole[g] >= 0) {
      const auto* w = static_cast<const int16_t*>(args.in[static_cast<size_t>(p_.peephole[g])]);
      for (int64_t j = 0; j < p_.m; ++j)
        v[j] = saturate<int16_t>(
            static_cast<double>(v[j]) +
            round_even(static_cast<double>(int32_t{w[j]} * int32_t{c[j]}) * peephole_scale_[g]));
    }
    if (!p_.has_norm()) return;
    double mean = 0, variance = 0;
    for (int64_t j = 0; j < p_.m; ++j)
      mean += static_cast<double>(v[j]);
    mean /= static_cast<double>(p_.m);
    for (int64_t j = 0; j < p_.m; ++j)
      variance += (static_cast<double>(v[j]) - mean) * (static_cast<double>(v[j]) - mean);
    variance /= static_cast<double>(p_.m);
    // Less than one step of spread is noise: the specification's guard takes its place.
    if (variance < 1.0) variance = std::max(1.0, 10000.0 / gate_one_[g]);
    const auto* l = static_cast<const int16_t*>(args.in[static_cast<size_t>(p_.norm[g])]);
    const auto* bias =
        p_.bias[g] >= 0 ? static_cast<const int32_t*>(args.in[static_cast<size_t>(p_.bias[g])]) : nullptr;
    for (int64_t j = 0; j < p_.m; ++j) {
      double real = (static_cast<double>(v[j]) - mean) / std::sqrt(variance) * static_cast<double>(l[j]);
      if (bias != nullptr) real += static_cast<double>(bias[j]) / kNormBias;
      v[j] = to_int16(real * norm_scale_[g] * kGateOne);
    }
  }

  void step(const RunArgs& args, int64_t t, int64_t b) {
    const int64_t row = p_.row(t, b);
    const T* x = static_cast<const T*>(args.in[static_cast<size_t>(p_.input)]) + row * p_.n;
    T* h = state_of<T>(args, p_.hidden) + b * p_.k;
    int16_t* c = state_of<int16_t>(args, p_.cell) + b * p_.m;
    T* y = static_cast<T*>(args.out[p_.output]) + row * p_.row_stride + p_.row_offset;

    products(args, x, h);
    for (size_t g : {kInputGate, kForgetGate, kCellGate})
      if (gate_exists(g)) finish(args, g, c);
    const Int16Table &sigmoid = sigmoid_table(), &tangent = tangent_table(), &cell_tangent = *cell_tangent_;
    for (int64_t j = 0; j < p_.m; ++j) {
      const int16_t f = sigmoid(z(kForgetGate)[j]);
      const int32_t i = p_.has_input_gate() ? sigmoid(z(kInputGate)[j]) : 32767 - f;
      const int16_t g = tangent(z(kCellGate)[j]);
      const double kept = round_even(static_cast<double>(int32_t{f} * int32_t{c[j]}) / kUnitOne);
      const int16_t fresh =
          to_int16(static_cast<double>(i * int32_t{g}) / (kUnitOne * kUnitOne * cell_scale_));
      c[j] = saturate<int16_t>(kept + static_cast<double>(fresh));
      if (p_.cell_clip > 0) {
        const int16_t clip = to_int16(static_cast<double>(p_.cell_clip) / cell_scale_);
        c[j] = std::clamp(c[j], static_cast<int16_t>(-clip), clip);
      }
    }
    finish(args, kOutputGate, c);
    for (int64_t j = 0; j < p_.m; ++j) {
      const int32_t o = sigmoid(z(kOutputGate)[j]), a = cell_tangent(c[j]);
      const double q =
          round_even(static_cast<double>(o * a) / (kUnitOne * kUnitOne * static_cast<double>(hidden_.scale)));
      hid_[static_cast<size_t>(j)] = saturate<T>(q + static_cast<double>(hidden_.zero_point));
    }
    if (p_.projection < 0) {
      std::copy(hid_.begin(), hid_.end(), h);
    } else {
      projection_.sums(args, hid_.data(), 0, static_cast<size_t>(p_.k), from_input_.data());
      for (int64_t j = 0; j < p_.k; ++j) {
        double q = round_even(projection_.real(static_cast<size_t>(j), from_input_[static_cast<size_t>(j)]));
        const double clip =
            round_even(static_cast<double>(p_.projection_clip) / static_cast<double>(output_.scale));
        if (p_.projection_clip > 0) q = std::clamp(q, -clip, clip);
        h[j] = saturate<T>(q + static_cast<double>(output_.zero_point));
      }
    }
    std::copy(h, h + p_.k, y);
  }

  LstmPass p_;
  std::array<LstmIntegerProduct, 4> w_, r_;
  LstmIntegerProduct projection_;
  std::array<double, 4> gate_one_{}, norm_scale_{}, peephole_scale_{};
  Affine output_, hidden_;
  double cell_scale_ = 0;
  std::vector<int16_t> z_;
  std::vector<int64_t> from_input_, from_hidden_;
  std::optional<Int16Table> cell_tangent_;
  std::vector<T> hid_;
};

template <class T>
Result<PassFn> make(const NodeDesc& n, const LstmPass& p) {
  IntegerPass<T> pass(p);
  OCTET_TRY(pass.prepare(n));
  return PassFn([pass = std::move(pass)](const RunArgs& args) mutable { return pass.run(args); });
}

}  // namespace

Result<PassFn> make_integer_pass(const NodeDesc& n, const LstmPass& p) {
  const DType t = n.in[static_cast<size_t>(p.input)].dtype;
  if (t == DType::int8) return make<int8_t>(n, p);
  if (t == DType::int16) return make<int16_t>(n, p);
  return Status::unsupported(fmt::format("an LSTM of {}", name_of(t)));
}

}  // namespace octet
