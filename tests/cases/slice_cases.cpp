// SLICE, STRIDED_SLICE, DYNAMIC_UPDATE_SLICE
#include "tests/cases/movement_oracle.hpp"

namespace octet::test {

void slice_cases(std::vector<OpCase>& t) {
  auto add = [&](std::string name, Shape s, std::vector<double> begin, std::vector<double> size,
                 DType d = DType::float32) {
    t.push_back(moving(name, OpKind::SLICE, NoAttrs{},
                       {of_type(random_tensor(s, -9, 9), d), ints(begin), ints(size)},
                       moved([](const NodeDesc&, const Values& in, const Index& o) {
                         Index i = o;
                         for (size_t a = 0; a < o.size(); ++a)
                           i[a] += static_cast<int64_t>(in[1][a]);
                         return std::optional(i);
                       })));
  };
  add("inner box", {2, 5, 6, 3}, {0, 1, 2, 0}, {2, 3, 2, 3});
  add("to the end", {2, 5, 6, 3}, {1, 2, 0, 1}, {-1, -1, 6, -1});
  add("nothing left", {4, 3}, {4, 0}, {0, 3});
  add("int64", {4, 3}, {1, 1}, {2, 2}, DType::int64);
  add("six axes", {2, 3, 2, 3, 2, 3}, {0, 1, 0, 1, 0, 1}, {2, 2, 1, 2, 2, 1});
  // The place comes at run time.
  OpCase moving_window = t.back();
  moving_window = moving("a moving window", OpKind::SLICE, NoAttrs{},
                         {random_tensor({8, 3}), ints({3, 0}), ints({4, 2})}, moving_window.oracle);
  moving_window.inputs[1].constant = false;
  t.push_back(moving_window);

  // Each row is checked against the same slice in NumPy's words, written out as lists of input indices per
  // output axis; an input axis that the output does not have is pinned to one index.
  struct Row {
    std::string name;
    Shape in;
    std::vector<double> begin, end, step;
    StridedSliceAttrs attrs;
    std::vector<std::vector<int64_t>> picks;  // per input axis
    Shape out;
  };
  const std::vector<Row> rows = {
      {"x[1:4]", {6}, {1}, {4}, {1}, {}, {{1, 2, 3}}, {3}},
      {"x[::2, ::-1]",
       {5, 4},
       {0, 0},
       {0, 0},
       {2, -1},
       {.begin_mask = 3, .end_mask = 3},
       {{0, 2, 4}, {3, 2, 1, 0}},
       {3, 4}},
      {"x[-3:-1]", {6}, {-3}, {-1}, {1}, {}, {{3, 4}}, {2}},
      {"x[4:1:-2]", {6}, {4}, {1}, {-2}, {}, {{4, 2}}, {2}},
      {"x[-100:100]", {4}, {-100}, {100}, {1}, {}, {{0, 1, 2, 3}}, {4}},
      {"x[3:1]", {6}, {3}, {1}, {1}, {}, {{}}, {0}},
      {"x[1]", {3, 4}, {1}, {2}, {1}, {.shrink_axis_mask = 1}, {{1}, {0, 1, 2, 3}}, {4}},
      {"x[-1, 1:3]", {3, 4}, {-1, 1}, {0, 3}, {1, 1}, {.shrink_axis_mask = 1}, {{2}, {1, 2}}, {2}},
      {"x[..., 0]",
       {2, 3, 4},
       {0, 0},
       {0, 1},
       {1, 1},
       {.ellipsis_mask = 1, .shrink_axis_mask = 2},
       {{0, 1}, {0, 1, 2}, {0}},
       {2, 3}},
      {"x[:, None, 1:]",
       {2, 3},
       {0, 0, 1},
       {0, 0, 0},
       {1, 1, 1},
       {.begin_mask = 1, .end_mask = 5, .new_axis_mask = 2},
       {{0, 1}, {1, 2}},
       {2, 1, 2}},
      {"x[0, ..., None]",
       {2, 3, 2},
       {0, 0, 0},
       {1, 0, 0},
       {1, 1, 1},
       {.ellipsis_mask = 2, .new_axis_mask = 4, .shrink_axis_mask = 1},
       {{0}, {0, 1, 2}, {0, 1}},
       {3, 2, 1}},
      {"x[..., ::-1] empty ellipsis",
       {3},
       {0, 0},
       {0, 0},
       {1, -1},
       {.begin_mask = 2, .end_mask = 2, .ellipsis_mask = 1},
       {{2, 1, 0}},
       {3}},
      {"end counts from begin", {8}, {2}, {3}, {1}, {.offset = true}, {{2, 3, 4}}, {3}},
      {"huge stride", {8}, {1}, {8}, {2147483647}, {}, {{1}}, {1}},
      {"six axes",
       {2, 2, 2, 2, 2, 3},
       {0, 0, 0, 0, 0, 2},
       {2, 2, 1, 2, 2, 0},
       {1, 1, 1, 1, 1, -1},
       {.end_mask = 0},
       {{0, 1}, {0, 1}, {0}, {0, 1}, {0, 1}, {2, 1}},
       {2, 2, 1, 2, 2, 2}},
      {"every second pixel",
       {1, 6, 6, 3},
       {0, 0, 1, 0},
       {1, 6, 6, 3},
       {1, 2, 2, 1},
       {},
       {{0}, {0, 2, 4}, {1, 3, 5}, {0, 1, 2}},
       {1, 3, 3, 3}},
  };
  for (const Row& row : rows) {
    auto oracle = [row](const NodeDesc& n, const Values& in) -> Values {
      if (n.out[0].shape != row.out) return {};
      Shape picked;
      for (const auto& p : row.picks)
        picked.push_back(static_cast<int32_t>(p.size()));
      std::vector<double> out;
      for_each_index(picked, [&](Index i) {
        for (size_t a = 0; a < i.size(); ++a)
          i[a] = row.picks[a][static_cast<size_t>(i[a])];
        out.push_back(in[0][static_cast<size_t>(flat(row.in, i))]);
      });
      return {out};
    };
    t.push_back(moving(row.name, OpKind::STRIDED_SLICE, row.attrs,
                       {random_tensor(row.in), ints(row.begin), ints(row.end), ints(row.step)}, oracle));
    OpCase integers = t.back();
    integers.name += " int32";
    integers.inputs[0] = of_type(random_tensor(row.in, -99, 99), DType::int32);
    integers.outputs = {DType::int32};
    t.push_back(std::move(integers));
  }

  auto update = [&](std::string name, Shape operand, Shape patch, std::vector<double> start,
                    std::vector<int64_t> placed) {
    t.push_back(moving(name, OpKind::DYNAMIC_UPDATE_SLICE, NoAttrs{},
                       {random_tensor(operand), random_tensor(patch), ints(start)},
                       each_value([placed](const NodeDesc& n, const Values& in, const Index& o) {
                         Index i = o;
                         for (size_t a = 0; a < o.size(); ++a) {
                           i[a] -= placed[a];
                           if (i[a] < 0 || i[a] >= n.in[1].shape[static_cast<int>(a)])
                             return in[0][static_cast<size_t>(flat(n.in[0].shape, o))];
                         }
                         return in[1][static_cast<size_t>(flat(n.in[1].shape, i))];
                       })));
    t.back().inputs[2].constant = false;
  };
  update("inside", {3, 4, 5}, {2, 2, 5}, {1, 2, 0}, {1, 2, 0});
  update("moved inside", {3, 4, 5}, {2, 2, 2}, {9, -4, 4}, {1, 0, 3});
  update("one row", {6, 4}, {1, 4}, {3, 0}, {3, 0});
  update("all of it", {2, 3}, {2, 3}, {1, 1}, {0, 0});
}

}  // namespace octet::test
