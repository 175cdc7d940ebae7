#include "quant/assign/assign.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "quant/assign/same_scale.hpp"
#include "quant/assign/scales.hpp"
#include "tests/quant/samples.hpp"
#include "tests/support/graph_builder.hpp"

using namespace octet;
using namespace octet::test;

namespace {

// A graph with everything assign() wants to know about it.
struct Assigned {
  ModelData model;
  GraphAssignment a;

  explicit Assigned(GraphBuilder& b, Recipe recipe = {}, float scale = 1) : model(model_of(b.build())) {
    recipe.observer = "minmax";
    const ValueStatistics statistics = random_statistics(model, 4, scale);
    auto result = assign(model.main(), GraphStatistics(statistics, model), recipe);
    REQUIRE_MESSAGE(result.ok(), result.status().message());
    a = *std::move(result);
  }
  const Quantization& of(ValueId v) const { return a.values[static_cast<size_t>(v)]; }
  const NodeForm& node(size_t n) const { return a.nodes[n]; }
  bool reports(const std::string& what) const {
    for (const Finding& f : a.findings)
      if (f.what.find(what) != std::string::npos) return true;
    return false;
  }
};

}  // namespace

TEST_CASE("a range becomes a scale and a zero point that represent 0 exactly") {
  std::string note;
  for (const Range r : {Range{-1, 3}, {0.5f, 2}, {-7, -2}, {0, 1e-3f}, {-1e30f, 1e30f}}) {
    const Affine a = activation_affine(r, note);
    CHECK(note.empty());
    CHECK(a.zero_point >= -128);
    CHECK(a.zero_point <= 127);
    const Range held = range_of(a, DType::int8);
    const float step = a.scale * 0.501f;
    CHECK(held.min <= std::min(r.min, 0.0f) + step);
    CHECK(held.max >= std::max(r.max, 0.0f) - step);
  }
  CHECK(activation_affine({0, 0}, note) == Affine{1.0f, 0});
  CHECK(!note.empty());
  CHECK(activation_affine({0, 1e-38f}, note).scale == kLeastScale);
  CHECK(!note.empty());
}

TEST_CASE("reshape, pooling and padding share the scale of what they read") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 4, 2});
  const ValueId p = b.pad(x, {0, 0, 1, 1, 1, 1, 0, 0});
  const ValueId r = b.reshape(p, {1, 72});
  b.output(b.op(OpKind::TANH, {r}), "y");
  const Assigned t(b);
  CHECK(t.of(x) == t.of(p));
  CHECK(t.of(x) == t.of(r));
  CHECK(t.of(t.model.main().outputs[0]).scale() == 1.0f / 128);
}

TEST_CASE("inputs of a concatenation get one scale, unless another reader would lose by it") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8}), big = b.input("big", {1, 8});
  const ValueId wide = b.op(OpKind::MUL, {big, b.scalar(6)});
  const ValueId alone = b.op(OpKind::ABS, {x});
  const ValueId shared = b.op(OpKind::NEG, {x});
  const ValueId y = b.op(OpKind::CONCATENATION, {alone, shared, wide}, ConcatAttrs{.axis = 1});
  b.output(y, "y");
  b.output(b.op(OpKind::EXP, {shared}), "z");
  const Assigned t(b);
  CHECK(t.of(alone) == t.of(y));
  CHECK(t.of(wide) == t.of(y));
  CHECK(t.of(shared) != t.of(y));
  // The concatenation still sees one scale: the third operand is requantized for it.
  for (size_t n = 0; n < t.model.main().nodes.size(); ++n) {
    if (t.model.main().nodes[n].kind != OpKind::CONCATENATION) continue;
    for (size_t i = 0; i < 3; ++i)
      CHECK(t.node(n).inputs[i] == t.of(y));
  }
}

TEST_CASE("what is computed with keeps its scale when a part of its group goes into something wider") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8});
  const ValueId h = b.op(OpKind::NEG, {x});
  const ValueId row = b.reshape(h, {1, 1, 8});  // read by the concatenation alone
  const ValueId wide = b.reshape(b.op(OpKind::MUL, {x, b.scalar(100)}), {1, 1, 8});
  b.output(b.op(OpKind::ABS, {b.op(OpKind::CONCATENATION, {row, wide}, ConcatAttrs{.axis = 1})}), "state");
  b.output(b.fully_connected(h, 4), "y");
  const Assigned t(b);
  CHECK(t.of(h).scale() < 0.01f);
  CHECK(t.of(row) == t.of(h));
  CHECK(t.of(wide).scale() > 0.5f);
}

TEST_CASE("an operator's dictated scale wins where the values fit, else its reader is requantized") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8});
  const ValueId s = b.op(OpKind::LOGISTIC, {x});
  const ValueId r = b.reshape(s, {8, 1});
  b.output(r, "r");
  const ValueId wide = b.op(OpKind::MUL, {x, b.scalar(5)});
  const ValueId y = b.op(OpKind::CONCATENATION, {s, wide}, ConcatAttrs{.axis = 1});
  b.output(y, "y");
  const Assigned t(b);
  const Affine sigmoid{1.0f / 256, -128};
  CHECK(t.of(s).at() == sigmoid);
  CHECK(t.of(r).at() == sigmoid);
  CHECK(t.of(y).at() != sigmoid);
}

TEST_CASE("union-find of groups: pins, widths and readers") {
  const Affine pin{1.0f / 256, -128}, other{1.0f / 128, 0};
  Groups g(6);
  g.set_range(0, {0, 1}, {0, 1});
  g.set_range(1, {0, 0.5f}, {0, 0.5f});
  g.set_range(2, {-5, 5}, {-5, 5});
  g.set_range(3, {-1, 1}, {-1, 1});
  g.set_range(4, {-1, 1}, {-1, 1});
  g.pin(0, pin, DType::int8, pin);
  g.pin(3, other, DType::int8, other);
  CHECK(g.join(0, 1, Groups::Join::whole));
  CHECK(g.pinned(1) == pin);
  CHECK(!g.join(1, 2, Groups::Join::whole));   // 5 does not fit into [0, 1]
  CHECK(!g.join(3, 0, Groups::Join::whole));   // two dictates
  CHECK(!g.join(4, 2, Groups::Join::shared));  // another reader would lose more than a bit
  CHECK(g.join(4, 2, Groups::Join::whole));
  CHECK(g.range(4) == Range{-5, 5});
}

TEST_CASE("a selection's own range is enough, unless the input's is about the same") {
  const auto joined = [](Range in, Range out, Groups::Join how) {
    Groups g(2);
    g.set_range(0, in, in);
    g.set_range(1, out, out);
    REQUIRE(g.join(0, 1, how));
    return g.range(0);
  };
  using Join = Groups::Join;
  CHECK(joined({-4, 4}, {-4, -1}, Join::selected) == Range{-4, -1});
  CHECK(joined({-4, 4}, {-4, 4.2f}, Join::selected) == Range{-4, 4});
  CHECK(joined({0, 0}, {-1, 1}, Join::selected) == Range{-1, 1});
  CHECK(joined({-1, 1}, {-1, 1.05f}, Join::contained) == Range{-1, 1.05f});
  CHECK(joined({-4, 4}, {-1, 1}, Join::whole) == Range{-4, 4});
}

TEST_CASE("what is averaged keeps its range, whatever the averages are used for") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 4, 2});
  const ValueId y = b.op(OpKind::MUL, {x, b.scalar(1)});
  Pool2DAttrs global;
  global.filter_h = global.filter_w = 4;
  global.padding = Padding::Kind::valid;
  const ValueId p = b.op(OpKind::AVERAGE_POOL_2D, {y}, global);
  const ValueId r = b.reshape(p, {1, 2});
  b.output(b.op(OpKind::TANH, {r}), "y");
  const Assigned t(b);
  CHECK(t.of(y) == t.of(r));
  // Samples lie in [-1, 1), averages of 16 of them in a good part of that.
  CHECK(t.of(y).scale() > 1.8f / 255);
}

TEST_CASE("what only the least element is taken of needs no positive half") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 16});
  const ValueId t = b.transpose(x, {0, 2, 1});
  b.output(b.op(OpKind::REDUCE_MIN, {t, b.ints({1})}, ReduceAttrs{}), "y");
  const Assigned a(b);
  CHECK(a.of(x).at().zero_point > 100);
  CHECK(a.of(x) == a.of(t));
  // An average is another matter.
  GraphBuilder c;
  const ValueId z = c.input("z", {1, 8, 8, 2});
  Pool2DAttrs pool;
  pool.filter_h = pool.filter_w = 8;
  c.output(c.op(OpKind::AVERAGE_POOL_2D, {z}, pool), "y");
  const Assigned p(c);
  CHECK(range_of(p.of(z).at(), DType::int8).max > 0.9f);
}

TEST_CASE("weights are symmetric per channel, biases follow from the scales") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 5, 5, 3});
  b.output(b.conv_2d(x, {.out = 4}), "y");
  const Assigned t(b);
  const NodeForm& f = t.node(0);
  REQUIRE(f.kind == NodeForm::Kind::integer);
  CHECK(f.inputs[1].axis() == 0);
  CHECK(f.inputs[1].params().size() == 4);
  CHECK(f.inputs[2].params().size() == 4);
  for (size_t c = 0; c < 4; ++c) {
    CHECK(f.inputs[1].at(c).zero_point == 0);
    CHECK(f.inputs[2].at(c).scale == f.inputs[0].scale() * f.inputs[1].at(c).scale);
  }
  Recipe recipe;
  recipe.per_channel = false;
  const Assigned u(b, recipe);
  CHECK(!u.node(0).inputs[1].is_per_channel());
  CHECK(!u.node(0).inputs[2].is_per_channel());
}

TEST_CASE("a bias too large for its scale raises the scale of its weights and is reported") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4});
  const ValueId w = b.constant({2, 4}, {1e-6f, 0, 0, 0, 1, 1, 1, 1});
  const ValueId bias = b.constant({2}, {1000, 1});
  b.output(b.op(OpKind::FULLY_CONNECTED, {x, w, bias}, FullyConnectedAttrs{}), "y");
  const Assigned t(b);
  const NodeForm& f = t.node(0);
  CHECK(1000.0 / static_cast<double>(f.inputs[2].at(0).scale) <= 0x1.0001p30);
  CHECK(f.inputs[1].at(1).scale < 0.01f);
  CHECK(t.reports("1 of 2 biases are too large"));
}

TEST_CASE("a dead channel takes the largest scale and is reported") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2});
  const ValueId w = b.constant({3, 2}, {1, 0.5f, 0, 0, 0.25f, 0.1f});
  b.output(b.op(OpKind::FULLY_CONNECTED, {x, w, b.constant({3}, {0, 3, 0})}, FullyConnectedAttrs{}), "y");
  const Assigned t(b);
  CHECK(t.node(0).inputs[1].at(1).scale == t.node(0).inputs[1].at(0).scale);
  CHECK(t.reports("1 of 3 channels are all zero"));
}

TEST_CASE("a tensor that is always zero is reported, by name") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4});
  const ValueId z = b.op(OpKind::MUL, {x, b.scalar(0)});
  b.output(b.op(OpKind::ADD, {z, x}), "y");
  const Assigned t(b);
  REQUIRE(t.reports("is always zero"));
  bool named = false;
  for (const Finding& f : t.a.findings)
    named = named || f.where == t.model.main().value(z).name;
  CHECK(named);
}

TEST_CASE("an infinite fill of PADV2 saturates instead of widening the range") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 4, 1});
  const ValueId p = b.op(
      OpKind::PADV2,
      {x, b.raw("pads", DType::int32, {4, 2}, Constant::of(std::vector<int32_t>{0, 0, 1, 1, 1, 1, 0, 0})),
       b.scalar(-3.4028235e38f)});
  Pool2DAttrs pool;
  pool.padding = Padding::Kind::valid;
  pool.filter_h = pool.filter_w = 3;
  pool.stride_h = pool.stride_w = 1;
  b.output(b.op(OpKind::MAX_POOL_2D, {p}, pool), "y");
  const Assigned t(b);
  CHECK(t.of(p) == t.of(x));
  CHECK(t.of(x).scale() < 0.01f);
  CHECK(t.reports("fill (-1e30 or less)"));
}

TEST_CASE("a fused activation cuts the range") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 5, 5, 3});
  const ValueId y = b.conv_2d(x, {.out = 4, .act = Activation::clamp(-0.25f, 0.25f)});
  b.output(y, "y");
  const Assigned t(b, {}, 4);
  CHECK(t.of(y).scale() == doctest::Approx(0.5 / 255));
}

TEST_CASE("operators stay float by name, by kind, or because they must; each says why") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 5, 5, 3});
  const ValueId y = b.conv_2d(x, {.out = 4});
  const ValueId z = b.op(OpKind::TANH, {y});
  b.output(b.op(OpKind::LOGISTIC, {z}), "out");
  Recipe recipe;
  recipe.keep_float = {"TANH", "ou?"};
  const Assigned t(b, recipe);
  CHECK(t.node(0).kind == NodeForm::Kind::integer);
  CHECK(t.node(1).reason == "kept in float by 'TANH'");
  CHECK(t.node(2).reason == "kept in float by 'ou?'");

  GraphBuilder d;  // weights computed at run time
  const ValueId w = d.op(OpKind::ABS, {d.input("w", {4, 8})});
  d.output(d.op(OpKind::FULLY_CONNECTED, {d.input("x", {1, 8}), w, kNoValue}, FullyConnectedAttrs{}), "y");
  const Assigned u(d);
  CHECK(u.node(1).kind == NodeForm::Kind::floating);
  CHECK(u.node(1).reason.find("computed at run time") != std::string::npos);
}
