#include "kernels/recurrent/lstm_basic.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "kernels/recurrent/matvec.hpp"

namespace octet {
namespace {

// Inputs: x, previous output, weights [4k, n + k], biases [4k], previous cell. Outputs: the output, the cell,
// and two that the format keeps for scratch ([n + k] and [4k] wide). Rows of the weights: input gate, new
// value, forget gate, output gate.
enum LstmBasicInput : uint8_t { kBasicX, kBasicPrevious, kBasicWeights, kBasicBias, kBasicCell };

}  // namespace

Result<InferredShapes> infer_basic_lstm(const NodeDesc& n) {
  if (n.in.size() != 5 || n.out.size() != 4)
    return Status::corrupt(fmt::format("has {} inputs and {} outputs", n.in.size(), n.out.size()));
  const Shape &x = n.in[kBasicX].shape, &h = n.in[kBasicPrevious].shape, &c = n.in[kBasicCell].shape;
  if (x.rank() != 2 || h.rank() != 2 || x[0] != h[0] || c != h)
    return Status::corrupt(fmt::format("input {}, output {} and cell {} do not go together", x.to_string(),
                                       h.to_string(), c.to_string()));
  const int64_t width = int64_t{x[1]} + h[1], rows = int64_t{4} * h[1];
  if (width > INT32_MAX || rows > INT32_MAX) return Status::corrupt("sizes overflow");
  const Shape joined{x[0], static_cast<int32_t>(width)}, gates{x[0], static_cast<int32_t>(rows)};
  if (n.in[kBasicWeights].shape != Shape{gates[1], joined[1]} || n.in[kBasicBias].shape.elements() != rows)
    return Status::corrupt(fmt::format("weights are {}, biases {}", n.in[kBasicWeights].shape.to_string(),
                                       n.in[kBasicBias].shape.to_string()));
  return InferredShapes{.deferred = false, .shapes = {h, h, joined, gates}};
}

KernelResult create_basic_lstm(const NodeDesc& n, ThreadPool&) {
  for (const TensorDesc& t : n.in)
    if (t.dtype != DType::float32)
      return Status::unsupported(fmt::format("a basic LSTM of {}", name_of(t.dtype)));
  for (const TensorDesc& t : n.out)
    if (t.dtype != DType::float32)
      return Status::corrupt(fmt::format("output '{}' is {}", t.name, name_of(t.dtype)));
  const int64_t batch = n.in[kBasicX].shape[0], inputs = n.in[kBasicX].shape[1],
                k = n.in[kBasicPrevious].shape[1];
  // What was written last is read next: both are variables, or both graph inputs that the caller keeps.
  const bool keeps = n.in[kBasicPrevious].is_variable && n.in[kBasicCell].is_variable;
  return make_kernel([=](const RunArgs& args) -> Status {
    auto in = [&](LstmBasicInput i) { return static_cast<const float*>(args.in[i]); };
    auto out = [&](size_t i) { return static_cast<float*>(args.out[i]); };
    auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
    const int64_t width = inputs + k;
    for (int64_t b = 0; b < batch; ++b) {
      float *joined = out(2) + b * width, *z = out(3) + b * 4 * k;
      std::copy_n(in(kBasicX) + b * inputs, inputs, joined);
      std::copy_n(in(kBasicPrevious) + b * k, k, joined + inputs);
      args.pool.for_range(static_cast<size_t>(4 * k), grain_of_rows(width), [&](size_t begin, size_t end) {
        for (auto j = static_cast<int64_t>(begin); j < static_cast<int64_t>(end); ++j)
          z[j] = static_cast<float>(dot_in_double(in(kBasicWeights) + j * width, joined, width) +
                                    static_cast<double>(in(kBasicBias)[j]));
      });
      for (int64_t j = 0; j < k; ++j) {
        auto gate = [&](int64_t g) { return static_cast<double>(z[g * k + j]); };
        const double c = sigmoid(gate(0)) * std::tanh(gate(1)) +
                         sigmoid(gate(2)) * static_cast<double>(in(kBasicCell)[b * k + j]);
        out(1)[b * k + j] = static_cast<float>(c);
        out(0)[b * k + j] = static_cast<float>(sigmoid(gate(3)) * std::tanh(c));
      }
    }
    if (keeps) {
      std::copy_n(out(0), batch * k, state_of<float>(args, kBasicPrevious));
      std::copy_n(out(1), batch * k, state_of<float>(args, kBasicCell));
    }
    return {};
  });
}

}  // namespace octet
