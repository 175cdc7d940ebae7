// Small graphs for tests, one line per operator. Shapes come from the operators' own inference.
//
//   GraphBuilder b;
//   ValueId x = b.input("x", {1, 8, 8, 3});
//   ValueId y = b.conv_2d(x, {.out = 4, .filter = 3});
//   b.output(b.op(OpKind::RELU, {y}));
//   Graph g = b.build();
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "schema/ir/graph.hpp"

namespace octet::test {

class GraphBuilder {
 public:
  explicit GraphBuilder(uint32_t seed = 1) : state_(seed) {}

  ValueId input(const std::string& name, const Shape& shape, DType dtype = DType::float32,
                Quantization quant = {});
  ValueId output(ValueId v, const std::string& name = "");  // marks `v`; an empty name keeps the one it has

  // A float constant with the given values, or pseudo-random ones in [lo, hi).
  ValueId constant(const Shape& shape, std::vector<float> values);
  ValueId random(const Shape& shape, float lo = -1, float hi = 1);
  ValueId scalar(float v) { return constant(Shape{}, {v}); }
  ValueId ints(std::vector<int32_t> values);
  ValueId raw(const std::string& name, DType dtype, const Shape& shape, Constant data,
              Quantization quant = {});

  // A variable: state that an operator keeps between runs.
  ValueId state(const std::string& name, const Shape& shape);

  // An operator with one output (float32, or `dtype` and `quant`). Without `attrs` it has the defaults of its
  // kind. An error of shape inference ends the test with its message.
  ValueId op(OpKind kind, std::vector<ValueId> inputs, DType dtype = DType::float32, Quantization quant = {});
  ValueId op(OpKind kind, std::vector<ValueId> inputs, Attrs attrs, DType dtype = DType::float32,
             Quantization quant = {});
  // An operator with several outputs.
  std::vector<ValueId> multi(OpKind kind, std::vector<ValueId> inputs, Attrs attrs,
                             const std::vector<DType>& dtypes);

  struct Conv {
    int32_t out = 4, filter = 3, stride = 1, dilation = 1;
    Padding padding = Padding::Kind::same;
    Activation act = {};
    bool bias = true;
    int32_t multiplier = 1;  // depthwise; `out` is then unused
    int32_t groups = 1;
  };
  // Random float weights and bias.
  ValueId conv_2d(ValueId x, const Conv& c);
  ValueId depthwise_conv_2d(ValueId x, const Conv& c);
  ValueId transpose_conv(ValueId x, const Conv& c);
  ValueId fully_connected(ValueId x, int32_t out, bool bias = true);
  ValueId transpose(ValueId x, std::vector<int32_t> permutation);
  ValueId reshape(ValueId x, std::vector<int32_t> shape);
  ValueId pad(ValueId x, std::vector<int32_t> amounts);  // before, after per axis

  const Shape& shape(ValueId v) const { return graph_.value(v).shape; }
  Graph& graph() { return graph_; }
  Graph build() { return graph_; }

 private:
  float next(float lo, float hi);

  Graph graph_;
  uint32_t state_;
};

}  // namespace octet::test
