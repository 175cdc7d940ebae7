// The network that measures what the machine can do at best.
#include <random>

#include "octet/executor.hpp"
#include "schema/ir/graph.hpp"

namespace octet {
namespace {

constexpr int32_t kYardChannels = 512, kYardSide = 32;

}  // namespace

Model yardstick_model() {
  std::mt19937 random(1);
  std::vector<int8_t> weights(size_t{kYardChannels} * kYardChannels);
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
  const Shape picture{1, kYardSide, kYardSide, kYardChannels};
  const ValueId x = add("x", DType::int8, picture, Quantization::per_tensor({0.05f, 0}));
  const ValueId y = add("y", DType::int8, picture, Quantization::per_tensor({1.0f, 0}));
  const ValueId w = add("w", DType::int8, {kYardChannels, 1, 1, kYardChannels},
                        Quantization::per_channel(0, std::vector<Affine>(kYardChannels, {0.01f, 0})),
                        Constant::of(weights));
  const ValueId b = add("b", DType::int32, {kYardChannels},
                        Quantization::per_channel(0, std::vector<Affine>(kYardChannels, {0.05f * 0.01f, 0})),
                        Constant::of(std::vector<int32_t>(kYardChannels)));
  Node n;
  n.kind = OpKind::CONV_2D;
  n.attrs = Conv2DAttrs{};
  n.inputs = {x, w, b};
  n.outputs = {y};
  g.nodes.push_back(std::move(n));
  g.inputs = {x};
  g.outputs = {y};
  ModelData m;
  m.path = "yardstick";
  m.graphs.push_back(std::move(g));
  return Model(std::make_shared<const ModelData>(std::move(m)));
}

}  // namespace octet
