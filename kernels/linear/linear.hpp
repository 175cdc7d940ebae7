// What convolutions and matrix products share: sums of products of activations and weights, a bias, and a
// rescaling of the sum into the output's numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/op_spec.hpp"
#include "kernels/quant_math.hpp"

namespace octet::linear {

// Element types of inputs, weights and outputs. Weights have the form's own type, but int16 activations have
// int8 weights and `hybrid` is float activations with int8 weights: activations are quantized in each run.
enum class Form : uint8_t { float32, int8, uint8, int16, hybrid };

// Positions of the inputs of a node.
struct Slots {
  size_t x = 0, w = 1, bias = 2;
};

struct Numerics {
  Form form = Form::float32;
  DType bias_type = DType::float32;
  bool has_bias = false;
  bool asymmetric = false;    // hybrid: activations with a zero point
  bool int4_weights = false;  // stored two to a byte
  int32_t x_zero = 0, y_zero = 0;
  std::vector<int32_t> w_zero;  // per output channel
  // Per output channel. Integer forms: s_x * s_w / s_y, rounded to float as XNNPACK does (int16: in double).
  // Hybrid: s_w.
  std::vector<double> scale;
  QuantBounds bounds{0, 0};  // of the output, fused activation included
  Activation act;

  bool weights_are_symmetric() const;
  std::vector<float> float_scale() const { return {scale.begin(), scale.end()}; }
  // True when the activation is a clamp (tanh and sign_bit are not); `lo`, `hi` then bound a float output.
  bool is_clamp() const {
    return act.kind != Activation::Kind::tanh && act.kind != Activation::Kind::sign_bit;
  }
};

// Check types and quantization of a node with `channels` outputs whose weights may be quantized along
// `channel_axis`. Code::unsupported names the combination that no kernel covers.
Result<Numerics> numerics_of(const NodeDesc& n, Slots slots, int64_t channels, int channel_axis,
                             const Activation& act);

// Float activations of one row as int8: symmetric around zero, or with a zero point for [min, max]
// extended to hold 0. real = scale * (q - zero).
struct RowQuant {
  float scale = 1;
  int32_t zero = 0;
};
RowQuant quantize_row(const float* x, int64_t count, bool asymmetric, int8_t* q);

// The same node with its int4 weights, which must be known, as int8. For kernels that copy them when they are
// made: the values live as long as this does.
class UnpackedWeights {
 public:
  UnpackedWeights(const NodeDesc& n, size_t slot);
  const NodeDesc& desc() const { return desc_; }

 private:
  std::vector<int8_t> values_;
  std::vector<TensorDesc> in_;
  NodeDesc desc_;
};

// ---------------------------------------------------------------------------------------------------------
// Turning a finished sum into an output element.

struct FloatFinish {
  const float* bias;  // may be nullptr
  Activation act;
  float* out;
  void operator()(int64_t, int64_t index, int64_t channel, double acc) const {
    const double sum = acc + (bias != nullptr ? static_cast<double>(bias[channel]) : 0.0);
    out[index] = apply(act, static_cast<float>(sum));
  }
};

template <class T>
struct IntFinish {
  const int32_t* bias;
  const double* scale;
  int32_t zero;
  QuantBounds bounds;
  T* out;
  void operator()(int64_t, int64_t index, int64_t channel, int64_t acc) const {
    const int64_t sum = acc + (bias != nullptr ? bias[channel] : 0);
    const auto narrow = static_cast<int32_t>(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX));
    out[index] =
        static_cast<T>(requantize(narrow, static_cast<float>(scale[channel]), zero, bounds.lo, bounds.hi));
  }
};

// 16-bit activations: a 64-bit sum, rescaled in double.
struct Int16Finish {
  const int32_t* bias32;
  const int64_t* bias64;  // at most one of them
  const double* scale;
  int32_t zero;
  QuantBounds bounds;
  int16_t* out;
  void operator()(int64_t, int64_t index, int64_t channel, int64_t acc) const {
    double sum = static_cast<double>(acc);
    if (bias32 != nullptr) sum += bias32[channel];
    if (bias64 != nullptr) sum += static_cast<double>(bias64[channel]);
    out[index] = saturate<int16_t>(round_even(sum * scale[channel]) + zero, bounds.lo, bounds.hi);
  }
};

struct HybridFinish {
  const float* bias;
  const double* scale;   // of the weights
  const RowQuant* rows;  // of the activations
  Activation act;
  float* out;
  void operator()(int64_t row, int64_t index, int64_t channel, int64_t acc) const {
    const float product = static_cast<float>(static_cast<double>(acc) * scale[channel] * rows[row].scale);
    out[index] = apply(act, product + (bias != nullptr ? bias[channel] : 0.0f));
  }
};

}  // namespace octet::linear
