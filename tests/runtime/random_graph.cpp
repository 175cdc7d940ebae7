#include "tests/runtime/random_graph.hpp"

#include <random>
#include <string>

#include "tests/support/graph_builder.hpp"

namespace octet::test {
namespace {

class RandomGraph {
 public:
  explicit RandomGraph(uint32_t seed) : rng_(seed), b_(seed + 1) {}

  Graph make() {
    const int inputs = 1 + pick(2);
    for (int i = 0; i < inputs; ++i)
      values_.push_back(b_.input("in" + std::to_string(i), {1, 4, 4, 4}));
    const int steps = 4 + pick(20);
    for (int i = 0; i < steps; ++i)
      add_step();
    const int outputs = 1 + pick(3);
    for (int i = 0; i < outputs; ++i)
      b_.output(i == 0 ? values_.back() : any());
    return b_.build();
  }

 private:
  int pick(int n) { return static_cast<int>(rng_() % static_cast<uint32_t>(n)); }
  // Mostly a recent value, so that the others die.
  ValueId any() {
    const int recent = std::min<int>(static_cast<int>(values_.size()), pick(4) == 0 ? 100 : 3);
    return values_[values_.size() - 1 - static_cast<size_t>(pick(recent))];
  }
  bool is_image(ValueId v) const { return b_.shape(v).rank() == 4; }

  void add_step() {
    const ValueId x = any();
    const Shape shape = b_.shape(x);
    const auto elements = static_cast<int32_t>(shape.elements());
    switch (pick(9)) {
      case 0: return keep(b_.op(pick(2) == 0 ? OpKind::RELU : OpKind::NEG, {x}));
      case 1: return keep(b_.op(OpKind::TANH, {x}));
      case 2: {
        ValueId y = any();
        if (!(b_.shape(y) == shape)) y = x;
        return keep(b_.op(pick(2) == 0 ? OpKind::ADD : OpKind::MUL, {x, y}));
      }
      case 3: return keep(is_image(x) ? b_.reshape(x, {elements}) : b_.reshape(x, {1, 1, 1, elements}));
      case 4:
        if (!is_image(x) || elements > 4096) break;
        return keep(b_.conv_2d(x, {.out = 1 + pick(6), .filter = 1 + 2 * pick(2)}));
      case 5: return split(x, shape);
      case 6: return concatenate(x, shape);
      case 7:
        if (!is_image(x)) break;
        return keep(b_.transpose(x, {0, 2, 1, 3}));
      default: break;
    }
    keep(b_.op(OpKind::ABS, {x}));
  }

  void split(ValueId x, const Shape& shape) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] % 2 != 0 || pick(2) == 0) continue;
      const auto parts = b_.multi(
          OpKind::SPLIT, {b_.raw("axis", DType::int32, Shape{}, Constant::of(std::vector<int32_t>{axis})), x},
          SplitAttrs{2}, {DType::float32, DType::float32});
      values_.insert(values_.end(), parts.begin(), parts.end());
      return;
    }
  }

  void concatenate(ValueId x, const Shape& shape) {
    if (shape.elements() > 4096) return;
    const int axis = pick(shape.rank());
    std::vector<ValueId> parts = {x};
    for (ValueId v : values_)
      if (parts.size() < 3 && b_.shape(v) == shape && pick(2) == 0) parts.push_back(v);
    keep(b_.op(OpKind::CONCATENATION, parts, ConcatAttrs{.axis = axis, .act = {}}));
  }

  void keep(ValueId v) { values_.push_back(v); }

  std::mt19937 rng_;
  GraphBuilder b_;
  std::vector<ValueId> values_;
};

}  // namespace

Graph random_graph(uint32_t seed) {
  return RandomGraph(seed).make();
}

}  // namespace octet::test
