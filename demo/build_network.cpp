// Turns the weights that demo/train.py wrote into demo/glyphs.tflite: a float network as a converter that
// folds nothing would leave it, with batch norm as MUL and ADD and activations on their own. Usage:
// build_network WEIGHTS_DIR OUT.tflite
#include <cstdio>
#include <fmt/format.h>
#include <string>

#include "cli/data/npy.hpp"
#include "octet/try.hpp"
#include "schema/ir/graph.hpp"

namespace {

using namespace octet;

class Builder {
 public:
  explicit Builder(std::string folder) : folder_(std::move(folder)) {}

  Status build(ModelData& model) {
    g_.name = "glyphs";
    ValueId x = add("pixels", Shape{1, 32, 32, 1});
    g_.inputs = {x};
    OCTET_ASSIGN(x, block(OpKind::CONV_2D, "stem", x, 1));
    constexpr int kStride[] = {2, 1, 2, 1, 2};
    for (int i = 0; i < 5; ++i) {
      const ValueId skip = x;
      OCTET_ASSIGN(x, block(OpKind::DEPTHWISE_CONV_2D, fmt::format("dw{}", i), x, kStride[i]));
      OCTET_ASSIGN(x, block(OpKind::CONV_2D, fmt::format("pw{}", i), x, 1));
      if (g_.value(skip).shape == g_.value(x).shape)
        x = node(OpKind::ADD, BinaryAttrs{}, {skip, x}, fmt::format("sum{}", i), g_.value(x).shape);
    }
    const int32_t channels = g_.value(x).shape[3];
    const ValueId axes = constant("axes", DType::int32, Shape{2}, Constant::of(std::vector<int32_t>{1, 2}));
    x = node(OpKind::MEAN, ReduceAttrs{}, {x, axes}, "mean", Shape{1, channels});
    OCTET_ASSIGN(const ValueId w, load("fc.weight"));
    OCTET_ASSIGN(const ValueId b, load("fc.bias"));
    const Shape classes{1, g_.value(w).shape[0]};
    x = node(OpKind::FULLY_CONNECTED, FullyConnectedAttrs{}, {x, w, b}, "logits", classes);
    x = node(OpKind::SOFTMAX, SoftmaxAttrs{}, {x}, "probabilities", classes);
    g_.outputs = {x};
    model.description = "Octet demonstration: 36 glyphs";
    model.graphs.push_back(std::move(g_));
    return {};
  }

 private:
  ValueId add(std::string name, Shape shape) {
    Value v;
    v.name = std::move(name);
    v.shape = shape;
    return g_.add_value(std::move(v));
  }
  ValueId constant(std::string name, DType dtype, Shape shape, Constant bytes) {
    const ValueId id = add(std::move(name), shape);
    g_.value(id).dtype = dtype;
    g_.value(id).constant = std::move(bytes);
    return id;
  }
  ValueId node(OpKind kind, Attrs attrs, std::vector<ValueId> in, std::string name, Shape shape) {
    const ValueId out = add(std::move(name), shape);
    g_.nodes.push_back({.kind = kind, .attrs = std::move(attrs), .inputs = std::move(in), .outputs = {out}});
    return out;
  }
  Result<ValueId> load(const std::string& name) {
    const std::string path = folder_ + "/" + name + ".npy";
    OCTET_ASSIGN(auto source, open_file(path));
    OCTET_ASSIGN(auto array, NpyArray::open(std::move(source)));
    if (array.header().dtype != DType::float32) return Status::invalid(path + ": not float32");
    Shape shape;
    for (const int64_t d : array.header().dims)
      shape.push_back(static_cast<int32_t>(d));
    std::vector<std::byte> bytes(static_cast<size_t>(array.header().elements()) * sizeof(float));
    OCTET_TRY(array.read(0, bytes));
    return constant(name, DType::float32, shape, Constant::copy_of(bytes));
  }
  // Convolution, batch norm, relu6.
  Result<ValueId> block(OpKind kind, const std::string& name, ValueId x, int stride) {
    OCTET_ASSIGN(const ValueId w, load(name + ".weight"));
    OCTET_ASSIGN(const ValueId scale, load(name + ".bn_scale"));
    OCTET_ASSIGN(const ValueId shift, load(name + ".bn_shift"));
    const Shape in = g_.value(x).shape;
    const int32_t channels = g_.value(scale).shape[0];
    const Shape out{1, (in[1] + stride - 1) / stride, (in[2] + stride - 1) / stride, channels};
    const ValueId zero = constant(name + ".bias", DType::float32, Shape{channels},
                                  Constant::of(std::vector<float>(static_cast<size_t>(channels))));
    Attrs attrs = Conv2DAttrs{.stride_h = stride, .stride_w = stride};
    if (kind == OpKind::DEPTHWISE_CONV_2D)
      attrs = DepthwiseConv2DAttrs{.stride_h = stride, .stride_w = stride};
    ValueId y = node(kind, attrs, {x, w, zero}, name + "/conv", out);
    y = node(OpKind::MUL, BinaryAttrs{}, {y, scale}, name + "/bn_mul", out);
    y = node(OpKind::ADD, BinaryAttrs{}, {y, shift}, name + "/bn", out);
    return node(OpKind::RELU6, NoAttrs{}, {y}, name, out);
  }

  std::string folder_;
  Graph g_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: build_network WEIGHTS_DIR OUT.tflite\n");
    return 2;
  }
  ModelData model;
  Status status = Builder(argv[1]).build(model);
  if (status.ok()) status = model.save(argv[2]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", status.message().c_str());
  return 1;
}
