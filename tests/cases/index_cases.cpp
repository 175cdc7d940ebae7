// GATHER, GATHER_ND, EMBEDDING_LOOKUP, SCATTER_ND, TILE, BROADCAST_*, FILL, RANGE, ONE_HOT, REVERSE_*
#include <cmath>
#include <fmt/format.h>

#include "tests/cases/movement_oracle.hpp"

namespace octet::test {
namespace {

int64_t as_index(double v) {
  return static_cast<int64_t>(v);
}

CaseTensor indices(Shape s, std::vector<double> v, DType t = DType::int32) {
  return given(s, std::move(v), t, false);
}

void gathers(std::vector<OpCase>& t) {
  auto add = [&](std::string name, Shape params, CaseTensor at, int axis, int batch = 0,
                 DType d = DType::float32) {
    const int real_axis = axis < 0 ? axis + params.rank() : axis;
    t.push_back(moving(std::move(name), OpKind::GATHER, GatherAttrs{.axis = axis, .batch_dims = batch},
                       {of_type(random_tensor(params, -50, 50), d), std::move(at)},
                       moved([=](const NodeDesc& n, const Values& in, const Index& o) {
                         const Shape& ids = n.in[1].shape;
                         // Output axes: batch and outer of the data, free axes of the indices, the rest.
                         Index id(o.begin(), o.begin() + batch), i(o.begin(), o.begin() + real_axis);
                         id.insert(id.end(), o.begin() + real_axis,
                                   o.begin() + real_axis + ids.rank() - batch);
                         i.push_back(as_index(in[1][static_cast<size_t>(flat(ids, id))]));
                         i.insert(i.end(), o.begin() + real_axis + ids.rank() - batch, o.end());
                         return std::optional(i);
                       })));
  };
  add("rows", {5, 3}, indices({4}, {4, 0, 0, 2}), 0);
  add("axis 1", {2, 5, 3}, indices({3}, {1, 1, 4}), 1);
  add("last axis, 2-D indices", {2, 3, 6}, indices({2, 2}, {5, 0, 3, 3}), -1);
  add("a scalar index", {4, 3}, indices({}, {2}), 0);
  add("int64 indices", {4, 3}, indices({2}, {3, 1}, DType::int64), 0);
  add("int16 indices", {4, 3}, indices({2}, {3, 1}, DType::int16), 0);
  add("one batch axis", {2, 4, 3}, indices({2, 3}, {0, 3, 1, 2, 2, 0}), 1, 1);
  add("batch and outer axes", {2, 3, 4, 2}, indices({2, 2}, {0, 3, 1, 2}), 2, 1);
  add("two batch axes", {2, 2, 3}, indices({2, 2, 1}, {0, 2, 1, 1}), 2, 2);
  add("no indices", {4, 3}, indices({0}, {}), 0);
  add("int32 data", {4, 3}, indices({2}, {3, 1}), 1 - 1, 0, DType::int32);

  auto nd = [&](std::string name, Shape params, CaseTensor at) {
    t.push_back(moving(std::move(name), OpKind::GATHER_ND, NoAttrs{}, {random_tensor(params), std::move(at)},
                       moved([](const NodeDesc& n, const Values& in, const Index& o) {
                         const Shape& ids = n.in[1].shape;
                         Index id(o.begin(), o.begin() + ids.rank() - 1), i;
                         for (int64_t k = 0; k < ids[-1]; ++k) {
                           Index at_k = id;
                           at_k.push_back(k);
                           i.push_back(as_index(in[1][static_cast<size_t>(flat(ids, at_k))]));
                         }
                         i.insert(i.end(), o.begin() + ids.rank() - 1, o.end());
                         return std::optional(i);
                       })));
  };
  nd("points", {3, 4}, indices({3, 2}, {0, 0, 2, 3, 1, 1}));
  nd("rows", {3, 4, 2}, indices({2, 2, 1}, {2, 0, 1, 1}));
  nd("int64", {3, 4}, indices({2}, {1, 2}, DType::int64));

  t.push_back(moving("rows", OpKind::EMBEDDING_LOOKUP, NoAttrs{},
                     {indices({3}, {4, 0, 4}), random_constant({5, 3, 2})},
                     moved(
                         [](const NodeDesc&, const Values& in, const Index& o) {
                           Index i = o;
                           i[0] = as_index(in[0][static_cast<size_t>(o[0])]);
                           return std::optional(i);
                         },
                         1)));

  t.push_back(moving("points that repeat", OpKind::SCATTER_ND, NoAttrs{},
                     {indices({3, 1}, {1, 3, 1}), random_tensor({3, 2}), ints({5, 2})},
                     [](const NodeDesc&, const Values& in) -> Values {
                       std::vector<double> out(10, 0.0);
                       for (size_t r = 0; r < 3; ++r)
                         for (size_t c = 0; c < 2; ++c)
                           out[static_cast<size_t>(in[0][r]) * 2 + c] += in[1][2 * r + c];
                       return {out};
                     }));
  t.back().outputs = {DType::float32};
  t.push_back(moving("int32 elements", OpKind::SCATTER_ND, NoAttrs{},
                     {indices({2, 2}, {0, 1, 2, 0}), given({2}, {7, -9}, DType::int32, false), ints({3, 2})},
                     [](const NodeDesc&, const Values&) -> Values { return {{0, 7, 0, 0, -9, 0}}; }));
  t.back().outputs = {DType::int32};
}

void repeats(std::vector<OpCase>& t) {
  auto tile = [&](Shape s, std::vector<double> m, DType d = DType::float32) {
    t.push_back(moving(fmt::format("{} {} of {}", s.to_string(), name_of(d), m.size()), OpKind::TILE,
                       NoAttrs{}, {of_type(random_tensor(s, -9, 9), d), ints(m)},
                       moved([](const NodeDesc& n, const Values&, const Index& o) {
                         Index i = o;
                         for (size_t a = 0; a < i.size(); ++a)
                           i[a] %= n.in[0].shape[static_cast<int>(a)];
                         return std::optional(i);
                       })));
  };
  tile({2, 3}, {2, 3});
  tile({1, 4, 1}, {3, 1, 5});
  tile({3}, {0});
  tile({2, 2}, {1, 2}, DType::int64);

  auto to = [&](Shape s, std::vector<double> target) {
    t.push_back(moving(fmt::format("{} to {} axes", s.to_string(), target.size()), OpKind::BROADCAST_TO,
                       NoAttrs{}, {random_tensor(s), ints(target)},
                       moved([](const NodeDesc& n, const Values&, const Index& o) {
                         const Shape& in = n.in[0].shape;
                         Index i(o.end() - in.rank(), o.end());
                         for (size_t a = 0; a < i.size(); ++a)
                           if (in[static_cast<int>(a)] == 1) i[a] = 0;
                         return std::optional(i);
                       })));
  };
  to({3, 1}, {2, 3, 4});
  to({5}, {2, 2, 5});
  to({}, {2, 3});
  to({2, 1, 3}, {2, 4, 3});

  OpCase args{.name = "3 and 2,1",
              .kind = OpKind::BROADCAST_ARGS,
              .attrs = NoAttrs{},
              .inputs = {ints({3}), ints({2, 1})},
              .outputs = {DType::int32},
              .oracle = [](const NodeDesc&, const Values&) -> Values { return {{2, 3}}; }};
  t.push_back(args);

  t.push_back(moving("3x2 with a value", OpKind::FILL, NoAttrs{},
                     {ints({3, 2}), given({}, {2.5}, DType::float32, false)},
                     each_value([](const NodeDesc&, const Values& in, const Index&) { return in[1][0]; })));
  t.push_back(moving("int64", OpKind::FILL, NoAttrs{}, {ints({4}), given({}, {-7}, DType::int64)},
                     each_value([](const NodeDesc&, const Values& in, const Index&) { return in[1][0]; })));
  t.push_back(moving("2x3", OpKind::ZEROS_LIKE, NoAttrs{}, {random_tensor({2, 3})},
                     each_value([](const NodeDesc&, const Values&, const Index&) { return 0.0; })));

  auto range = [&](std::string name, double a, double b, double step, DType d) {
    t.push_back(moving(std::move(name), OpKind::RANGE, NoAttrs{},
                       {given({}, {a}, d), given({}, {b}, d), given({}, {step}, d)},
                       [](const NodeDesc&, const Values& in) -> Values {
                         std::vector<double> out;
                         const double step_by = in[2][0];
                         for (double x = in[0][0]; step_by > 0 ? x < in[1][0] : x > in[1][0]; x += step_by)
                           out.push_back(x);
                         return {out};
                       }));
  };
  range("0 to 5", 0, 5, 1, DType::int32);
  range("10 down to 1 by 3", 10, 1, -3, DType::int32);
  range("int64 by 4", -3, 6, 4, DType::int64);
  range("empty", 2, 2, 1, DType::int32);
  range("float by a quarter", 0, 1.1, 0.25, DType::float32);

  auto one_hot = [&](std::string name, CaseTensor ids, int axis) {
    OpCase c = moving(std::move(name), OpKind::ONE_HOT, OneHotAttrs{.axis = axis},
                      {std::move(ids), given({}, {4}, DType::int32), given({}, {2.0}), given({}, {-1.0})},
                      each_value([axis](const NodeDesc& n, const Values& in, const Index& o) {
                        const auto at = static_cast<size_t>(axis < 0 ? n.out[0].shape.rank() - 1 : axis);
                        Index i = o;
                        i.erase(i.begin() + static_cast<ptrdiff_t>(at));
                        const double id = in[0][static_cast<size_t>(flat(n.in[0].shape, i))];
                        return id == static_cast<double>(o[at]) ? in[2][0] : in[3][0];
                      }));
    c.outputs = {DType::float32};
    t.push_back(std::move(c));
  };
  one_hot("last axis", indices({3}, {1, 3, 0}), -1);
  one_hot("axis 0", indices({2, 2}, {1, 3, 0, 2}), 0);
  one_hot("misses", indices({3}, {-1, 4, 2}, DType::int64), 1);

  auto reverse = [&](std::string name, Shape s, std::vector<double> axes, bool known = true) {
    OpCase c = moving(std::move(name), OpKind::REVERSE_V2, NoAttrs{}, {random_tensor(s), ints(axes)},
                      moved([](const NodeDesc& n, const Values& in, const Index& o) {
                        Index i = o;
                        for (double a : in[1]) {
                          const auto k = static_cast<size_t>(a < 0 ? a + n.in[0].shape.rank() : a);
                          i[k] = n.in[0].shape[static_cast<int>(k)] - 1 - i[k];
                        }
                        return std::optional(i);
                      }));
    c.inputs[1].constant = known;
    t.push_back(std::move(c));
  };
  reverse("last axis", {2, 5}, {-1});
  reverse("axis 0", {4, 3, 2}, {0});
  reverse("two axes", {2, 3, 4}, {0, 1});
  reverse("axis at run time", {2, 3, 4}, {1}, false);

  // Every pair of axes, inner elements or none, lengths of none, some and all elements.
  auto sequence = [&](Shape s, int32_t seq, int32_t batch, std::vector<double> lengths, DType type,
                      DType data = DType::float32) {
    OpCase c = moving(
        fmt::format("{} along {} by {} {} {}", s.to_string(), seq, batch, name_of(type), name_of(data)),
        OpKind::REVERSE_SEQUENCE, ReverseSequenceAttrs{.seq_dim = seq, .batch_dim = batch},
        {of_type(random_tensor(s, -100, 100), data),
         indices({static_cast<int32_t>(lengths.size())}, lengths, type)},
        moved([=](const NodeDesc&, const Values& in, const Index& o) {
          Index i = o;
          const auto along = static_cast<size_t>(seq);
          const auto length = as_index(in[1][static_cast<size_t>(o[static_cast<size_t>(batch)])]);
          if (i[along] < length) i[along] = static_cast<int32_t>(length) - 1 - i[along];
          return std::optional(i);
        }));
    t.push_back(std::move(c));
  };
  sequence({3, 5, 2}, 1, 0, {0, 3, 5}, DType::int32);
  sequence({5, 3, 2}, 0, 1, {1, 4, 2}, DType::int64);
  sequence({2, 3, 4, 5}, 3, 1, {5, 0, 2}, DType::int32);
  sequence({2, 4, 3}, 1, 2, {4, 3, 1}, DType::int32, DType::int32);
  sequence({3, 4}, 1, 0, {2, 4, 3}, DType::int64, DType::int64);
}

}  // namespace

void index_cases(std::vector<OpCase>& t) {
  gathers(t);
  repeats(t);
}

}  // namespace octet::test
