#include "cli/bench_peak.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>

#include "octet/try.hpp"

namespace octet {
namespace {

constexpr int32_t kChannels = 512, kSide = 32;

ModelData yardstick() {
  std::mt19937 random(1);
  std::vector<int8_t> weights(size_t{kChannels} * kChannels);
  for (int8_t& w : weights)
    w = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  Graph g;
  const auto add = [&](const char* name, DType dtype, const Shape& shape, Quantization quant,
                       Constant constant = {}) {
    Value v;
    v.name = name;
    v.dtype = dtype;
    v.shape = shape;
    v.quant = std::move(quant);
    v.constant = std::move(constant);
    return g.add_value(std::move(v));
  };
  const Shape picture{1, kSide, kSide, kChannels};
  const ValueId x = add("x", DType::int8, picture, Quantization::per_tensor({0.05f, 0}));
  const ValueId y = add("y", DType::int8, picture, Quantization::per_tensor({1.0f, 0}));
  const ValueId w =
      add("w", DType::int8, {kChannels, 1, 1, kChannels},
          Quantization::per_channel(0, std::vector<Affine>(kChannels, {0.01f, 0})), Constant::of(weights));
  const ValueId b = add("b", DType::int32, {kChannels},
                        Quantization::per_channel(0, std::vector<Affine>(kChannels, {0.05f * 0.01f, 0})),
                        Constant::of(std::vector<int32_t>(kChannels)));
  Node n;
  n.kind = OpKind::CONV_2D;
  n.attrs = Conv2DAttrs{};
  n.inputs = {x, w, b};
  n.outputs = {y};
  g.nodes.push_back(std::move(n));
  g.inputs = {x};
  g.outputs = {y};
  ModelData m;
  m.path = "peak";
  m.graphs.push_back(std::move(g));
  return m;
}

}  // namespace

Result<double> int8_peak_gmacs(const GraphExecutorOptions& options) {
  using Clock = std::chrono::steady_clock;
  OCTET_ASSIGN(const auto exec, GraphExecutor::create(yardstick(), options));
  const Shape picture{1, kSide, kSide, kChannels};
  std::vector<int8_t> data(static_cast<size_t>(picture.elements()) + 64, 1);
  const ConstTensorView input{data.data(), DType::int8, picture, Quantization::per_tensor({0.05f, 0})};
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 30; ++run) {
    const auto start = Clock::now();
    OCTET_TRY(exec->run(std::span(&input, 1)));
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return double{kSide} * kSide * kChannels * kChannels / best / 1e9;
}

}  // namespace octet
