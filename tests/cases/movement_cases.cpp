// RESHAPE, SQUEEZE, EXPAND_DIMS, TRANSPOSE, PAD, MIRROR_PAD, CONCATENATION, PACK, SPLIT, SHAPE
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/cases/movement_oracle.hpp"

namespace octet::test {
namespace {

CaseTensor known_ints64(std::vector<double> v) {
  CaseTensor t = ints(std::move(v));
  t.dtype = DType::int64;
  return t;
}

void views(std::vector<OpCase>& t) {
  const ReshapeAttrs none, attr{.new_shape = {2, -1}, .has_shape = true};
  t.push_back(
      moving("2x3x4 -> 6x4", OpKind::RESHAPE, none, {random_tensor({2, 3, 4}), ints({6, 4})}, same_values));
  t.push_back(
      moving("2x3x4 -> 4,-1", OpKind::RESHAPE, none, {random_tensor({2, 3, 4}), ints({4, -1})}, same_values));
  t.push_back(moving("from the attribute", OpKind::RESHAPE, attr, {random_tensor({2, 3, 4})}, same_values));
  t.push_back(moving("int64 shape", OpKind::RESHAPE, none, {random_tensor({6}), known_ints64({1, 6, 1})},
                     same_values));
  t.push_back(moving("to a scalar", OpKind::RESHAPE, none, {random_tensor({1, 1}), ints({})}, same_values));
  t.push_back(moving("int32 data", OpKind::RESHAPE, none,
                     {of_type(random_tensor({4, 3}, -100, 100), DType::int32), ints({12})}, same_values));
  t.push_back(
      moving("all ones", OpKind::SQUEEZE, SqueezeAttrs{}, {random_tensor({1, 3, 1, 2})}, same_values));
  t.push_back(moving("axes 0 and -1", OpKind::SQUEEZE, SqueezeAttrs{.axes = {0, -1}},
                     {random_tensor({1, 3, 1, 1})}, same_values));
  t.push_back(
      moving("axis 1", OpKind::EXPAND_DIMS, NoAttrs{}, {random_tensor({3, 2}), ints({1})}, same_values));
  t.push_back(
      moving("axis -1", OpKind::EXPAND_DIMS, NoAttrs{}, {random_tensor({3, 2}), ints({-1})}, same_values));
}

void transposes(std::vector<OpCase>& t) {
  const Oracle oracle = moved([](const NodeDesc&, const Values& in, const Index& o) {
    Index i(o.size());
    for (size_t a = 0; a < o.size(); ++a)
      i[static_cast<size_t>(in[1][a] < 0 ? in[1][a] + static_cast<double>(o.size()) : in[1][a])] = o[a];
    return std::optional(i);
  });
  auto add = [&](Shape s, std::vector<double> perm, DType d = DType::float32, bool bench = false) {
    OpCase c = moving(
        fmt::format("{} by {} {}", s.to_string(), fmt::join(perm, ","), name_of(d)), OpKind::TRANSPOSE,
        NoAttrs{},
        {of_type(d == DType::boolean ? random_tensor(s, 0, 2) : random_tensor(s, -100, 100), d), ints(perm)},
        oracle);
    c.bench = bench;
    t.push_back(std::move(c));
  };
  add({5}, {0});
  add({7, 13}, {1, 0});
  add({64, 48}, {1, 0});
  add({2, 5, 7, 3}, {0, 3, 1, 2});
  add({2, 3, 5, 7}, {0, 2, 3, 1});
  add({1, 56, 56, 24}, {0, 3, 1, 2}, DType::float32, true);
  add({2, 3, 4}, {2, 1, 0});
  add({2, 3, 4}, {-1, 0, 1});
  add({4, 1, 5, 6}, {1, 0, 3, 2});
  add({2, 3, 2, 3, 2}, {4, 2, 0, 3, 1});
  add({2, 3, 2, 3, 2, 2}, {5, 3, 1, 4, 2, 0});
  add({2, 1, 2, 3, 2, 2, 2, 2}, {7, 6, 5, 4, 3, 2, 1, 0});
  add({33, 70}, {1, 0}, DType::int32);
  add({33, 35}, {1, 0}, DType::int16);
  add({33, 35}, {1, 0}, DType::int64);
  add({9, 5, 3}, {1, 2, 0}, DType::boolean);
  add({0, 3, 2}, {2, 0, 1});
}

void pads(std::vector<OpCase>& t) {
  auto inside = [](const NodeDesc& n, const Values& in, const Index& o) -> std::optional<Index> {
    Index i = o;
    for (size_t a = 0; a < o.size(); ++a) {
      i[a] -= static_cast<int64_t>(in[1][2 * a]);
      if (i[a] < 0 || i[a] >= n.in[0].shape[static_cast<int>(a)]) return std::nullopt;
    }
    return i;
  };
  auto paddings = [](std::vector<double> v, DType d = DType::int32) {
    const auto rank = static_cast<int32_t>(v.size() / 2);
    return given({rank, 2}, std::move(v), d);
  };
  auto add = [&](std::string name, Shape s, std::vector<double> p, DType d = DType::float32) {
    t.push_back(moving(name, OpKind::PAD, NoAttrs{}, {of_type(random_tensor(s, -50, 100), d), paddings(p)},
                       moved(inside)));
  };
  add("height and width", {1, 5, 6, 3}, {0, 0, 1, 2, 3, 1, 0, 0});
  add("one row below", {2, 5, 6, 3}, {0, 0, 0, 1, 0, 0, 0, 0});
  add("channels", {1, 5, 6, 3}, {0, 0, 0, 0, 0, 0, 0, 5});
  add("every axis", {2, 3, 2, 3}, {1, 1, 2, 0, 0, 3, 1, 2});
  add("nothing", {2, 3}, {0, 0, 0, 0});
  add("five axes", {1, 2, 3, 2, 2}, {0, 0, 1, 0, 0, 1, 1, 1, 2, 0});
  add("an empty axis", {0, 3}, {2, 1, 0, 1});
  add("int32", {4, 4}, {1, 1, 1, 1}, DType::int32);
  add("int64", {4, 4}, {1, 0, 0, 1}, DType::int64);
  OpCase big = moving("224x224x3 by 1", OpKind::PAD, NoAttrs{},
                      {random_tensor({1, 224, 224, 3}), paddings({0, 0, 1, 1, 1, 1, 0, 0}, DType::int64)},
                      moved(inside));
  big.bench = true;
  t.push_back(std::move(big));

  auto with_value = [&](std::string name, double value) {
    OpCase c =
        moving(name, OpKind::PADV2, NoAttrs{},
               {random_tensor({1, 4, 5, 2}, -3, 3), paddings({0, 0, 1, 2, 0, 1, 1, 0}), given({}, {value})},
               each_value([inside](const NodeDesc& n, const Values& in, const Index& o) {
                 const auto i = inside(n, in, o);
                 return i ? in[0][static_cast<size_t>(flat(n.in[0].shape, *i))] : in[2][0];
               }));
    c.int8 = c.uint8 = std::fabs(value) < 1e6;
    t.push_back(std::move(c));
  };
  with_value("with 1.5", 1.5);
  with_value("with the lowest float", -3.4028234663852886e38);

  auto mirror = [&](std::string name, MirrorPadAttrs::Mode mode, Shape s, std::vector<double> p) {
    t.push_back(moving(name, OpKind::MIRROR_PAD, MirrorPadAttrs{.mode = mode},
                       {random_tensor(s), paddings(p)},
                       moved([mode](const NodeDesc& n, const Values& in, const Index& o) {
                         Index i = o;
                         for (size_t a = 0; a < o.size(); ++a) {
                           // Walk inwards from the edge, as the pictures in the documentation do.
                           const int64_t size = n.in[0].shape[static_cast<int>(a)];
                           const bool reflect = mode == MirrorPadAttrs::Mode::reflect;
                           i[a] -= static_cast<int64_t>(in[1][2 * a]);
                           if (i[a] < 0) i[a] = reflect ? -i[a] : -i[a] - 1;
                           if (i[a] >= size) i[a] = reflect ? 2 * size - 2 - i[a] : 2 * size - 1 - i[a];
                         }
                         return std::optional(i);
                       })));
  };
  mirror("reflect", MirrorPadAttrs::Mode::reflect, {1, 5, 4, 3}, {0, 0, 2, 1, 3, 3, 0, 0});
  mirror("symmetric", MirrorPadAttrs::Mode::symmetric, {1, 5, 4, 3}, {1, 0, 5, 1, 0, 4, 2, 3});
  mirror("one axis", MirrorPadAttrs::Mode::reflect, {6}, {5, 5});
}

// Joined along `axis`: walk the inputs until the index falls into one.
double joined_at(const NodeDesc& n, const Values& in, Index i, size_t axis) {
  for (size_t k = 0; k < in.size(); ++k) {
    const int64_t extent = n.in[k].shape[static_cast<int>(axis)];
    if (i[axis] < extent) return in[k][static_cast<size_t>(flat(n.in[k].shape, i))];
    i[axis] -= extent;
  }
  return NAN;
}

void joins(std::vector<OpCase>& t) {
  auto concat = [&](std::string name, int axis, std::vector<CaseTensor> in, Activation act = {}) {
    OpCase c = moving(name, OpKind::CONCATENATION, ConcatAttrs{.axis = axis, .act = act}, std::move(in),
                      each_value([axis, act](const NodeDesc& n, const Values& v, const Index& i) {
                        const double x = joined_at(
                            n, v, i, static_cast<size_t>(axis < 0 ? axis + n.out[0].shape.rank() : axis));
                        return act.kind == Activation::Kind::relu ? std::max(x, 0.0) : x;
                      }));
    if (!act.none()) c.int8_lsb = 1;
    t.push_back(std::move(c));
  };
  concat("channels", 3,
         {random_tensor({1, 4, 5, 3}), random_tensor({1, 4, 5, 8}), random_tensor({1, 4, 5, 1})});
  concat("axis -2", -2, {random_tensor({2, 3, 2}), random_tensor({2, 1, 2})});
  concat("rows", 0, {random_tensor({2, 3}), random_tensor({5, 3})});
  concat("one input", 1, {random_tensor({2, 3})});
  concat("an empty input", 1, {random_tensor({2, 3}), random_tensor({2, 0}), random_tensor({2, 2})});
  concat(
      "int64", 0,
      {of_type(random_tensor({2}, -9, 9), DType::int64), of_type(random_tensor({3}, -9, 9), DType::int64)});
  concat("relu", 1, {random_tensor({2, 3}), random_tensor({2, 4})}, Activation::Kind::relu);
  concat("56x56x(24+24)", 3, {random_tensor({1, 56, 56, 24}), random_tensor({1, 56, 56, 24})});
  t.back().bench = true;

  auto pack = [&](std::string name, int axis, std::vector<CaseTensor> in) {
    const auto count = static_cast<int32_t>(in.size());
    t.push_back(moving(name, OpKind::PACK, PackAttrs{.count = count, .axis = axis}, std::move(in),
                       each_value([axis](const NodeDesc& n, const Values& v, const Index& o) {
                         const auto at =
                             static_cast<ptrdiff_t>(axis < 0 ? axis + n.out[0].shape.rank() : axis);
                         Index i = o;
                         i.erase(i.begin() + at);
                         return v[static_cast<size_t>(o[static_cast<size_t>(at)])]
                                 [static_cast<size_t>(flat(n.in[0].shape, i))];
                       })));
  };
  pack("axis 0", 0, {random_tensor({2, 3}), random_tensor({2, 3})});
  pack("axis 1", 1, {random_tensor({2, 3}), random_tensor({2, 3}), random_tensor({2, 3})});
  pack("last axis", -1, {random_tensor({2, 3}), random_tensor({2, 3})});
  pack("scalars", 0,
       {of_type(random_tensor({}, 0, 9), DType::int32), of_type(random_tensor({}, 0, 9), DType::int32)});
}

// Parts of `sizes` along `axis` of input `whole`; `drop` removes the axis.
Oracle cut_by(size_t whole, int axis, std::vector<int64_t> sizes, bool drop = false) {
  return [=](const NodeDesc& n, const Values& in) {
    Values out;
    int64_t begin = 0;
    for (size_t k = 0; k < sizes.size(); ++k) {
      std::vector<double> part;
      for_each_index(n.out[k].shape, [&](Index i) {
        if (drop) i.insert(i.begin() + axis, 0);
        i[static_cast<size_t>(axis)] += begin;
        part.push_back(in[whole][static_cast<size_t>(flat(n.in[whole].shape, i))]);
      });
      out.push_back(part);
      begin += sizes[k];
    }
    return out;
  };
}

void cuts(std::vector<OpCase>& t) {
  auto add = [&](OpCase c, size_t parts) {
    c.outputs.assign(parts, c.outputs[0]);
    t.push_back(std::move(c));
  };
  add(moving("channels in 3", OpKind::SPLIT, SplitAttrs{.num_splits = 3},
             {given({}, {3}, DType::int32), random_tensor({1, 4, 5, 6})}, cut_by(1, 3, {2, 2, 2})),
      3);
  add(moving("rows in 2", OpKind::SPLIT, SplitAttrs{.num_splits = 2}, {ints({-2}), random_tensor({4, 3})},
             cut_by(1, 0, {2, 2})),
      2);
  add(moving("2,-1,1 of 7", OpKind::SPLIT_V, SplitAttrs{.num_splits = 3},
             {random_tensor({3, 7, 2}), ints({2, -1, 1}), given({}, {1}, DType::int32)},
             cut_by(0, 1, {2, 4, 1})),
      3);
  add(moving("an empty part", OpKind::SPLIT_V, SplitAttrs{.num_splits = 2},
             {of_type(random_tensor({5}, -9, 9), DType::int32), ints({5, 0}), ints({0})},
             cut_by(0, 0, {5, 0})),
      2);
  add(moving("axis 0", OpKind::UNPACK, UnpackAttrs{.count = 3, .axis = 0}, {random_tensor({3, 4})},
             cut_by(0, 0, {1, 1, 1}, true)),
      3);
  add(moving("axis -2", OpKind::UNPACK, UnpackAttrs{.count = 2, .axis = -2}, {random_tensor({3, 2, 4})},
             cut_by(0, 1, {1, 1}, true)),
      2);
}

void shapes(std::vector<OpCase>& t) {
  for (DType d : {DType::int32, DType::int64})
    t.push_back({.name = std::string(name_of(d)),
                 .kind = OpKind::SHAPE,
                 .attrs = ShapeAttrs{.out_type = d},
                 .inputs = {random_tensor({2, 3, 5})},
                 .outputs = {d},
                 .oracle = [](const NodeDesc&, const Values&) -> Values { return {{2, 3, 5}}; }});
  t.push_back({.name = "of 2x3x5",
               .kind = OpKind::RANK,
               .attrs = NoAttrs{},
               .inputs = {random_tensor({2, 3, 5})},
               .outputs = {DType::int32},
               .oracle = [](const NodeDesc&, const Values&) -> Values { return {{3}}; }});
}

}  // namespace

std::vector<OpCase> movement_cases() {
  std::vector<OpCase> t;
  for (auto add : {views, transposes, pads, joins, cuts, shapes, slice_cases, index_cases, block_cases})
    add(t);
  return t;
}

}  // namespace octet::test
